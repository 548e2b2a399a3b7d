"""Candidates of large markets: a blend as an inner product has the scores of the blend."""

import shutil
from functools import partial

import numpy as np
import pytest

from helpers.blends import fixed_blend
from helpers.commands import vibes
from helpers.copies import change_settings
from listing_vibes.cli.shared import read_rules
from listing_vibes.errors import VibesError
from listing_vibes.insight.occlusion import occlude_history
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Queries
from listing_vibes.model.settings import BlendWeights
from listing_vibes.request_errors import RequestError
from listing_vibes.run.blends import save_blends
from listing_vibes.run.candidates import BlendIndex, linear_parts
from listing_vibes.run.conditions import fulfilling, great_circle, read_comparison
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.histories import Event, of_histories
from listing_vibes.run.newcomers import new_listings
from listing_vibes.run.query import explain_empty
from listing_vibes.run.rules import Rules, declared
from listing_vibes.run.run import Run
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.blend import Blend, log_events
from listing_vibes.scoring.interactions import Interactions
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.scoring.scores import VectorScorer
from listing_vibes.serving.service.models import MAX_RULES, PostedHistory


@pytest.fixture
def log(random_log):
    return random_log(3, users=40, listings=300, events=500)


def queries(log) -> Queries:
    start, end = log.start[:-1], log.start[1:]
    none, at = np.full(len(start), -1), np.full(len(start), log.time.max() + 1)
    return Queries(none, np.zeros(len(start), np.int32), none, at, start, end, masked=True)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def blend(log, **scorers) -> Blend:
    rng, names = np.random.default_rng(0), ["model", "attributes", "photos", "recent", *scorers]
    listings, users = unit(rng.normal(size=(300, 8))), unit(rng.normal(size=(40, 8)))
    photos = unit(rng.normal(size=(300, 5)))
    photos[::3] = 0  # a third has no photo
    scorers = {
        "model": VectorScorer("model", listings, lambda *_: users, log),
        "attributes": VectorNeighbors.of(rng.normal(size=(300, 6)), log),
        "photos": VectorNeighbors.of(photos, log),
    } | scorers
    weights = dict(zip(names, [2.0, -0.4, 0.7, 0.3, 0.5], strict=False))
    moments = {"recent": partial(log_events, RecentEvents.over_days(log, 9))}
    fit = BlendWeights(weights=weights, scales=dict.fromkeys(names, 0.25))
    return Blend(fit, scorers, moments)


def test_inner_products_are_the_scores_of_the_blend(log, monkeypatch):
    monkeypatch.setattr("listing_vibes.search.approximate.EXACT_TO", 100)
    batch, scorer = queries(log), blend(log)
    candidates = BlendIndex(scorer, batch)
    vectors = candidates.query_vectors(scorer, batch)
    table = np.hstack(candidates.index.parts)
    np.testing.assert_allclose(vectors @ table.T, scorer.score(batch), atol=2e-6)


def test_scores_that_are_no_inner_products_have_no_candidates(log):
    ids = ItemKNN.fit(Interactions.of(log, np.ones(len(log), bool)))
    assert linear_parts(blend(log, ids=ids)) is None
    late = VectorScorer("model", np.eye(300, 8, dtype=np.float32), lambda *_: None, log, LateInteraction(0.5))
    assert linear_parts(blend(log, model=late)) is None


@pytest.mark.parametrize(
    ("text", "name", "sign", "values"),
    [
        ("price<=100", "price", "<=", (100.0,)), ("  price  >=  1e2 ", "price", ">=", (100.0,)),
        ("rooms < 3", "rooms", "<", (3.0,)), ("rooms = 2|3", "rooms", "=", (2.0, 3.0)),
        (r"district=A\|B|x:y", "district", "=", ("A|B", "x:y")), ("title==a=b<=c", "title", "=", ("=a=b<=c",)),
    ],
)  # fmt: skip
def test_the_first_sign_separates_a_name_from_its_values(trained, text, name, sign, values):
    attribute, *comparison = read_comparison(trained.market, text)
    assert (attribute.name, *comparison) == (name, sign, list(values))


@pytest.mark.parametrize(
    "text",
    [
        " " * 100_000, "a" + " " * 100_000 + "b", "=" * 2, "<=", "=5", "price<=", "price<= " + " " * 100_000, "price<=\ud800",
        "district<=A", "nothing=1", "price=cheap", "rooms=" + "1|" * 2000, "within 3km of 91,11",
    ],
)  # fmt: skip
def test_an_invalid_condition_is_refused_however_long_it_is(trained, text):
    with pytest.raises(RequestError) as refused:
        fulfilling(trained.market, text)
    assert "\n" not in str(refused.value) and refused.value.fields["rule"] == "Rule where"


def test_bounds_are_strict_or_not(trained):
    rooms, query = trained.market.listings.set_index(C.LISTING)["rooms"], trained.listing_ids[0]
    for text, fulfilled in (
        ("rooms<3", rooms < 3), ("rooms<=3", rooms <= 3), ("rooms>3", rooms > 3), ("rooms>=3", rooms >= 3),
    ):  # fmt: skip
        found = trained.similar(query, 200, rules={"where": text})[C.LISTING].tolist()
        assert set(found) == set(rooms.index[fulfilled]) - {query} != set()


def test_the_numbers_of_a_rule_and_of_a_draft_are_written_as_in_the_table(tmp_path):
    (tmp_path / "listings.csv").write_text(
        'listing_id,Preis\na,"12.990,00 €"\nb,"20.000,50 €"\nc,"20,50 €"\n'
    )
    (tmp_path / "market.toml").write_text('[attributes.Preis]\ndecimal = ","\n')
    market = Market.open(tmp_path)
    for text, value in (("20.000", 20_000), ("20.000,50", 20_000.5), ("20,5", 20.5), ("20.5", 20.5)):
        assert read_comparison(market, f"Preis<={text}")[2] == [value]
    drafts = [{"Preis": "12.990 €"}, {"Preis": "12.990,00 €"}, {"Preis": 12.990}]
    made = new_listings(market, drafts, [], tmp_path)
    assert made.listings["Preis"].tolist() == [12_990, 12_990, 12.99]
    with pytest.raises(VibesError, match="Preis is 'ab,5'; give a number"):
        new_listings(market, [{"Preis": "ab,5"}], [], tmp_path)


def test_an_empty_list_says_why(trained, tmp_path):
    assert "'price<=0'" in explain_empty(trained, Rules(where=("price<=0",)))
    assert "--at" in explain_empty(trained, Rules())
    user = trained.log.users[0]
    nothing = vibes("recommend", trained.path, user, "--json", "--where", "price<=0")
    assert nothing.stdout.strip() == "[]" and nothing.stderr == ""
    (tmp_path / "market").mkdir()
    (tmp_path / "market" / "listings.csv").write_text("listing_id,price,town\na,100,Ulm\n")
    embed_market(Market.open(tmp_path / "market"), tmp_path / "run", None, None)
    assert "No listing found" in vibes("similar", tmp_path / "run", "a").stdout


def test_a_distance_is_that_on_the_sphere_and_unknown_without_a_location():
    berlin, hamburg, antipode = (52.52, 13.405), (53.551, 9.993), (-52.52, 13.405 - 180)
    near, far, same, unknown = great_circle(np.array([hamburg, antipode, berlin, (np.nan, 0)]), berlin)
    assert near == pytest.approx(255, abs=2) and far == pytest.approx(np.pi * 6371, abs=1)
    assert same == 0 and np.isnan(unknown)


def test_every_rule_is_a_field_of_requests_and_has_a_description():
    properties = PostedHistory.model_json_schema()["properties"]
    assert {rule.field for rule in declared()} == set(Rules.model_fields) - {"k"}
    assert all(rule.name in properties and rule.description for rule in declared())


def test_a_request_gives_the_rules_that_python_takes():
    given = {"not": ["a"], "where": ["price<=3"], "fill": True, "at_most": 2, "seller": "host", "k": 5}
    posted = PostedHistory.model_validate_json(
        PostedHistory.model_validate(given | {"history": []}).model_dump_json(by_alias=True)
    )
    assert posted.rules == Rules.of(given)
    for wrong in (
        {"unlike": ["a"]},
        {"pin": ["a"] * (MAX_RULES + 1)},
        {"fill": 1},
        {"same": [1]},
    ):
        with pytest.raises(ValueError):
            PostedHistory.model_validate({"history": []} | wrong)


@pytest.mark.parametrize(
    ("name", "text"),
    [("r.json", '{"same": ["district"], "k": 3, "where": ["price<=1"]}'), ("r.toml", 'same = "district"\nk = 3\nwhere = "price<=1"')],
)  # fmt: skip
def test_an_option_replaces_the_value_of_a_file_of_rules(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    rules = Rules(same=("district",), where=("price<=1",), k=3)
    assert read_rules(tmp_path / name, None, []) == rules
    replaced = rules.model_copy(update={"k": 5, "where": ("rooms=2",)})
    assert read_rules(tmp_path / name, 5, ["rooms=2"]) == replaced


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"pins": []}', '{"diversity": 1}', '{"at_most": 0}', '{"wher": "a"}']
)
def test_a_file_that_holds_no_rules_is_refused(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(VibesError, match=r"r\.json"):
        read_rules(tmp_path / "r.json", None)


NEAR = fixed_blend("neighbors", attributes=0.6)
RECENT = fixed_blend("recency", recent=0.3)


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["plain", "late"])
def run(trained, tmp_path_factory, request) -> Run:
    path = tmp_path_factory.mktemp("hidden") / "run"
    shutil.copytree(trained.path, path)
    change_settings(path, {"late_interaction": request.param}, inference="float32")
    save_blends(path, [NEAR, RECENT])
    return Run.open(path)


@pytest.mark.slow
@pytest.mark.parametrize("rules", [{}, {"drop_seen": False}], ids=["dropped", "kept"])
def test_a_hidden_listing_is_a_not_of_the_request(run, rules):
    ids = run.listing_ids
    history = [Event(ids[3], "view"), Event(ids[40]), Event(ids[77], "view")]
    hidden = [ids[8], ids[50]]
    told = [history[0], Event(hidden[0], "hide"), *history[1:], Event(hidden[1], "hide")]
    by_history = run.recommend(told, 120, rules=rules)
    by_request = run.recommend(history, 120, rules=rules | {"not": hidden})
    assert by_history[C.LISTING].tolist() == by_request[C.LISTING].tolist()
    assert not set(hidden) & set(by_history[C.LISTING])
    np.testing.assert_allclose(by_history["score"], by_request["score"], atol=1e-5)
    plain = run.recommend(history, 120, rules=rules)
    assert by_history[C.LISTING].tolist() != plain[C.LISTING].tolist()
    # What is recent is added to that.
    recent = [run.recommend(one, 120, rules=rules, blend="recency") for one in (told, history)]
    more = [
        (one.set_index(C.LISTING)["score"] - bare.set_index(C.LISTING)["score"]).dropna()
        for one, bare in zip(recent, (by_history, plain), strict=True)
    ]
    assert len(more[0]) > 20
    np.testing.assert_allclose(more[0], more[1][more[0].index], atol=1e-4)


def test_others_beside_it_keep_their_lists(run):
    ids = run.listing_ids
    plain, hiding = [Event(ids[3]), Event(ids[40])], [Event(ids[3]), Event(ids[40]), Event(ids[8], "hide")]
    both = run.recommend([plain, hiding, plain], 20)
    alone = [run.recommend(one, 20) for one in (plain, hiding, plain)]
    for number, found in enumerate(alone):
        part = both[20 * number : 20 * (number + 1)].drop(columns=C.USER).reset_index(drop=True)
        assert part[C.LISTING].tolist() == found[C.LISTING].tolist()
        np.testing.assert_allclose(part["score"], found["score"], atol=1e-4)


def test_a_long_history_with_much_unwanted_is_read_as_the_list_reads_it(run):
    """The model reads its newest 50 wanted events, and what is unwanted takes from what is like it, however old it is."""
    ids, rng = run.listing_ids, np.random.default_rng(0)
    seen = rng.permutation(len(ids))[:100]
    told = [Event(ids[row], "hide" if 5 <= number < 45 else "view") for number, row in enumerate(seen)]
    log = of_histories(run, [told]).log
    found = run.recommend(told, 5, rules={"live_only": False})
    scores = occlude_history(run, log, 0, len(log), 3).scores  # (1 + 3, L)
    rows = [run.listing_row[one] for one in found[C.LISTING]]
    np.testing.assert_allclose(scores[0, rows], found["score"], atol=1e-3)
    without = run.recommend(told[:-1], len(ids), rules={"live_only": False, "drop_seen": False})
    rows = [run.listing_row[one] for one in without[C.LISTING]]
    np.testing.assert_allclose(scores[3, rows], without["score"], atol=1e-3)


def test_of_other_words_the_market_says_which_are_unwanted(run, tmp_path):
    ids, market = run.listing_ids, tmp_path / "market"
    shutil.copytree(run.market.path, market)
    config = (market / "market.toml").read_text("utf-8")
    (market / "market.toml").write_text('unwanted = ["view"]\n' + config, "utf-8")
    other = Run.open(run.path, Market.open(market))
    told = [Event(ids[3], "favourite"), Event(ids[8], "view")]
    expected = run.recommend([told[0], Event(ids[8], "hide")], 10)
    assert other.recommend(told, 10).equals(expected)
    for blend in (None, "neighbors", "recency"):  # who hid everything still has a list
        found = run.recommend([Event(ids[8], "hide")], 5, blend=blend)
        assert len(found) == 5 and ids[8] not in found[C.LISTING].tolist()
