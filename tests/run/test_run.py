"""Opening a run, neighbors, recommendations, and the blends that were fitted."""

import json
import shutil
import tomllib
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tomli_w

from browser.painted import embed_run, paint_market, train_run
from helpers.blends import fixed_blend
from helpers.commands import vibes
from helpers.copies import change_settings, copied
from helpers.serving import app_of, serving
from listing_vibes.errors import NotThere, VibesError, VibesWarning
from listing_vibes.evaluation.run_evaluation import blends_of, evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.market.caches import MODELS
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.splits import make_split
from listing_vibes.model.encoder import inference_dtype, precision_name
from listing_vibes.model.settings import BlendWeights, Settings
from listing_vibes.run import scorers
from listing_vibes.run.blends import FITTED_BLENDS, copy_blends, load_blends, save_blends
from listing_vibes.run.embedding import default_space, embed_market
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.other_market import is_other_market
from listing_vibes.run.run import Run
from listing_vibes.run.scorers import model_scorer, run_blend
from listing_vibes.run.stored import MarketMismatch
from listing_vibes.run.versions import results_of
from listing_vibes.scoring.baselines.ease import Ease
from listing_vibes.scoring.interactions import Interactions
from listing_vibes.scoring.neighbors import NEIGHBORS, VectorNeighbors
from listing_vibes.scoring.scores import VectorScorer
from listing_vibes.search.index import ExactIndex
from listing_vibes.training.api import refit_settings


def test_neighbors_are_the_nearest_and_never_the_listing_itself(trained):
    listing = trained.listing_ids[5]
    for space in trained.spaces:
        found, vectors = trained.similar(listing, 10, space), trained.vectors(space)
        cosine = np.delete(vectors @ vectors[5], 5)
        np.testing.assert_allclose(found["score"], np.sort(cosine)[::-1][:10], atol=1e-5)
        assert listing not in set(found[C.LISTING])


def test_recommendations_are_active_and_new_to_the_user_and_depend_on_the_events_only(trained):
    log, market = trained.log, trained.market
    listings = market.listings.set_index(C.LISTING)
    for user in log.users[:10]:
        row = int(log.start[log.users.index(user) + 1]) - 1
        at = pd.Timestamp(int(log.time[row]), tz="UTC")
        if log.before[row] == log.start[log.user[row]]:
            continue
        found = listings.loc[trained.recommend(user, 20, at=at)[C.LISTING]]
        assert ((found[C.PUBLISHED] <= at) & (at < found[C.EXPIRES])).all()
        seen = market.events[(market.events[C.USER] == user) & (market.events[C.TIMESTAMP] < at)][C.LISTING]
        assert not set(seen) & set(found.index)
    user = market.events[C.USER].iloc[0]
    history = market.events.loc[market.events[C.USER] == user, [C.LISTING, C.ACTION, C.DURATION]]
    pd.testing.assert_frame_equal(trained.recommend(user, 15), trained.recommend(history, 15))


def test_a_run_without_a_model_recommends_untrained_neighbors_of_the_history(bare):
    assert bare.spaces == ["attributes"]
    first, second, *_ = bare.listing_ids
    found = bare.recommend([first, second], 5)
    assert found.attrs["scorer"] == "untrained neighbors" and not {first, second} & set(found[C.LISTING])
    vectors = bare.vectors("attributes")
    user = 0.8 * vectors[0] + vectors[1]  # the newest listing counts most
    cosine = vectors @ user / np.linalg.norm(user)
    np.testing.assert_allclose(found["score"], np.sort(cosine[2:])[::-1][:5], atol=1e-5)
    # Of a history of one listing they are the listings most similar to it.
    assert bare.recommend([first], 5)[C.LISTING].tolist() == bare.similar(first, 5)[C.LISTING].tolist()
    assert len(bare.recommend([first], rules={"where": "price<=100", "diversity": 0.3, "not": second}))
    with pytest.raises(VibesError, match="no trained model to blend with recency"):
        bare.recommend([first], blend="recency")


def test_a_run_opens_without_its_market_and_says_so_when_it_changed(trained, tmp_path):
    market = tmp_path / "market"
    shutil.copytree(trained.market.path, market)
    embed_market(Market.open(market), tmp_path / "run", None, trained.path)
    run = Run.open(tmp_path / "run")
    assert not run.market_changed
    pd.read_parquet(market / "events.parquet").iloc[:-1].to_parquet(market / "events.parquet")
    assert Run.open(run.path).market_changed
    shutil.rmtree(market)
    gone = Run.open(run.path)
    assert len(gone.similar(gone.listing_ids[0], 5)) == 5
    with pytest.raises(VibesError, match="no longer at"):
        gone.market  # noqa: B018


def test_a_market_and_its_run_may_be_moved_together(trained, tmp_path):
    market = tmp_path / "before" / "market"
    shutil.copytree(trained.market.path, market)
    embed_market(Market.open(market), tmp_path / "before" / "runs" / "run", None, trained.path)
    user = trained.log.users[3]
    before = Run.open(tmp_path / "before" / "runs" / "run").recommend(user, 5)
    shutil.move(tmp_path / "before", tmp_path / "after")
    run = Run.open(tmp_path / "after" / "runs" / "run")
    assert run.has_market and run.market.path.resolve() == (tmp_path / "after" / "market").resolve()
    pd.testing.assert_frame_equal(run.recommend(user, 5), before)
    shutil.move(tmp_path / "after" / "market", tmp_path / "elsewhere")
    assert not Run.open(run.path).has_market


def test_a_run_whose_blend_is_damaged_is_refused_in_one_sentence(trained, tmp_path):
    run = copied(trained, tmp_path)
    change_settings(run.path, blend=fixed_blend(attributes=0.5))
    text = (run.path / "run.toml").read_text(encoding="utf-8")
    assert text.count("attributes = 1.0") == 1
    (run.path / "run.toml").write_text(text.replace("attributes = 1.0", "attributez = 1.0"), encoding="utf-8")
    assert "feature 'attributes'" in vibes("recommend", run.path, trained.log.users[3], check=2).stderr


def test_a_listing_without_a_photo_has_no_neighbors_by_photos(tmp_path):
    run = Run.open(embed_run(paint_market(tmp_path / "market", listings=4, users=0), tmp_path / "run"))
    first, *_, last = run.listing_ids  # the last one has no photo
    assert len(run.similar([first], 2, space="photos")) == 2
    for query in (last, [first, last]):
        with pytest.raises(VibesError, match=f"'{last}' has nothing in the space 'photos'"):
            run.similar(query, space="photos")


def test_an_unknown_id_is_refused(trained):
    with pytest.raises(NotThere, match="There is no listing 'x1'"):
        trained.row("x1")
    assert "'x1'" in vibes("similar", trained.path, "x1", check=1).stderr


def changed(run, change):
    content = tomllib.loads((run / "run.toml").read_text())
    change(content)
    (run / "run.toml").write_text(tomli_w.dumps(content))


def test_what_the_user_said_and_what_training_chose_are_two_tables(trained, tmp_path):
    content = tomllib.loads((trained.path / "run.toml").read_text())
    assert Settings.of(content["settings"]) == trained.manifest.settings.given  # may be given again
    assert (
        "max_steps" not in content["settings"]["training"] and content["settings"]["training"]["batch"] == 32
    )
    assert content["resolved"]["positions"] == trained.manifest.settings.positions
    trained.manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == trained.manifest


@pytest.mark.parametrize(
    "given", [{"training": {"value_rate": 1.0}}, {"split": {"t1": 3}}, {"positions": 16}]
)
def test_a_setting_that_training_chooses_cannot_be_given(given):
    with pytest.raises(VibesError, match="unknown key"):
        Settings.of(given)


def test_a_run_with_a_setting_of_another_version_is_refused_in_one_sentence(trained, tmp_path):
    shutil.copytree(trained.path, tmp_path / "run")
    changed(tmp_path / "run", lambda content: content["resolved"]["training"].update(token_dropout=0.1))
    with pytest.raises(VibesError, match=r"run\.toml: .*token_dropout[^\n]*\.$"):
        Run.open(tmp_path / "run")


@pytest.mark.parametrize("command", ["train", "embed"])
def test_a_run_of_another_format_names_the_command_that_creates_it_again(tmp_path, command):
    content = {"format": 2, "market": "../homes", "trained_on": "a" if command == "train" else ""}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.toml").write_text(tomli_w.dumps(content))
    done = vibes("recommend", tmp_path / "run", "ann", check=2)
    assert f"`vibes {command} MARKET {tmp_path}/run-new`" in done.stderr and done.stderr.count("\n") == 1


QUERY = "home-0003"


def rewrite(run: Run, change) -> Run:
    """Change the listings table of the run's market, and open the run again."""
    table = run.market.path / "listings.parquet"
    change(pd.read_parquet(table)).to_parquet(table, index=False)
    return Run.open(run.path)


def extended(table: pd.DataFrame) -> pd.DataFrame:
    """More listings, and all of them in another order."""
    more = table.iloc[:3].assign(**{C.LISTING: ["a-new-one", "home-0003b", "z-new-one"]})
    return pd.concat([more, table.iloc[::-1]])


@pytest.mark.parametrize("change", [lambda table: table.assign(rooms=1), extended], ids=["values", "rows"])
def test_every_response_over_a_changed_market_says_so(trained, tmp_path, change):
    run = rewrite(copied(trained, tmp_path), change)
    with pytest.warns(VibesWarning, match="changed since"):
        found = run.similar(QUERY, 5)
    assert found.attrs["market_changed"] is True
    assert run.recommend(run.log.users[0], 5).attrs["market_changed"] is True
    assert found[C.LISTING].tolist() == trained.similar(QUERY, 5)[C.LISTING].tolist()  # by the stored vectors
    for words in (("similar", run.path, QUERY), ("recommend", run.path, run.log.users[0])):
        done = vibes(*words, "-k", 3, "--json")
        assert done.stderr.count("changed since") == 1
        assert all(row["market_changed"] for row in json.loads(done.stdout))
    for words in (("evaluate", run.path, "--baselines", "none"), ("monitor", run.path)):
        assert json.loads(vibes(*words, "--json", check=None).stdout)["market_changed"] is True
    with serving(app_of(run.path)) as client:
        for path in (f"/similar/{QUERY}", "/health"):
            assert client.get(path).json()["market_changed"] is True


def test_a_market_without_listings_of_the_run_is_refused(trained, tmp_path):
    run = rewrite(copied(trained, tmp_path), lambda table: table[table[C.LISTING] != "home-0007"])
    for call in (lambda: run.similar(QUERY), lambda: run.recommend([QUERY]), lambda: run.log):
        with pytest.raises(MarketMismatch, match="home-0007"):
            call()
    assert vibes("similar", run.path, QUERY, check=2).stderr.count("home-0007") == 1


def test_an_unchanged_market_or_a_run_embedded_again_says_nothing(trained, tmp_path):
    run = copied(trained, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", VibesWarning)
        assert "market_changed" not in run.similar(QUERY, 5).attrs
        run = rewrite(run, extended)
        embed_market(Market.open(run.market_on_disk.path), run.path, None, run.path)
        again = Run.open(run.path)
        assert "market_changed" not in again.similar(QUERY, 5).attrs and "a-new-one" in again.listing_row


def test_a_run_is_of_another_market_where_that_lies_elsewhere_and_shares_no_listing(trained, bare):
    assert not is_other_market(trained.path, trained.market)
    listings = trained.market.listings.drop(columns=[C.LATITUDE, C.LONGITUDE])
    grown = Market.from_frames(pd.concat([listings.iloc[100:], bare.market.listings]))  # moved, too
    assert not is_other_market(trained.path, grown)
    other = Market.from_frames(bare.market.listings)
    assert is_other_market(trained.path, other)
    assert not is_other_market(MODELS / "homes", other)  # nobody can say
    with pytest.raises(VibesError, match=r"is of another market.* or begin from the model with --init-from"):
        refit_settings(trained.path, other)


def near(space: str) -> BlendWeights:
    weights = {"model": 1.0, space: 0.5}
    return BlendWeights(name="model only + neighbors", weights=weights, scales=dict.fromkeys(weights, 1.0))


@pytest.mark.parametrize("timed", [True, False])
def test_a_row_is_scored_again_from_its_stored_weights(random_log, always_live, tmp_path, timed):
    log = random_log(3, users=60, listings=70, events=900, timed=timed)
    split, catalogue = make_split(log, always_live(log)), always_live(log)
    rng = np.random.default_rng(0)
    vectors, own = rng.normal(size=(2, log.listings, 8)).astype(np.float32)
    histories = rng.normal(size=(len(log.users), 8)).astype(np.float32)
    model = VectorScorer("model", own, lambda log, start, end: histories[log.user[start]], log)
    near = {"attributes": VectorNeighbors.of(vectors, log, name=NEIGHBORS["attributes"])}
    first = [Ease.fit(Interactions.of(log, split.train))]
    rows = blends_of(model, first, near, log, split, catalogue)
    save_blends(tmp_path, [row.weights for row in rows])
    index = ExactIndex.of_stored(vectors)
    given = {
        "spaces": ["attributes"], "index": lambda space: index, "vectors": lambda space: index.vectors, "path": tmp_path,
    }  # fmt: skip
    manifest = SimpleNamespace(settings=SimpleNamespace(seed=0))
    run = SimpleNamespace(log=log, catalogue=catalogue, manifest=manifest, **given)
    for row, fit in zip(rows, load_blends(tmp_path), strict=True):
        again = run_blend(run, fit, model, split.train)
        assert again.name == row.name
        np.testing.assert_allclose(again.score(split.test), row.score(split.test), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("fitted")
    path = train_run(
        paint_market(folder / "market", listings=24, photos=1, users=8, events=9), folder / "run"
    )
    save_metrics(Run.open(path), evaluate_run(Run.open(path)))
    return Run.open(path)


def test_nothing_is_kept_without_a_fit_and_a_damaged_file_is_named(tmp_path):
    assert load_blends(tmp_path) == []
    (tmp_path / FITTED_BLENDS).write_text('[{"name": "model + luck", "luck": 7}]')
    with pytest.raises(VibesError, match=r"serving\.json is damaged \(.*\); evaluate the run again"):
        load_blends(tmp_path)


def test_what_was_not_fitted_is_said(run, tmp_path):
    with pytest.raises(VibesError, match=r"'luck'; .* has recency, neighbors, neighbors\+recency, ids"):
        run.recommend("u1", blend="luck")
    copy_blends(tmp_path / "nowhere", tmp_path)  # a run that was never evaluated has nothing to carry
    assert not (tmp_path / FITTED_BLENDS).exists()
    copy_blends(run.path, tmp_path)
    assert load_blends(tmp_path) == load_blends(run.path)
    place = results_of(run.path) / FITTED_BLENDS
    place.rename(tmp_path / "away")
    try:
        with pytest.raises(VibesError, match="fit them with `vibes evaluate`"):
            run.recommend("u1", blend="recency")
    finally:
        (tmp_path / "away").rename(place)


def test_neighbours_by_text_are_found_and_a_space_that_is_gone_is_named(run):
    kept = load_blends(run.path)
    try:
        save_blends(results_of(run.path), [near("text")])
        assert len(run.recommend("u1", 3, blend="neighbors")) == 3
        save_blends(results_of(run.path), [near("ids")])
        with pytest.raises(VibesError, match="id model"):
            run.recommend("u1", blend="neighbors")
    finally:
        save_blends(results_of(run.path), kept)


@pytest.fixture
def market(tiny_market) -> Market:
    return Market.open(tiny_market())


def spaces(market: Market, *names: str) -> dict[str, np.ndarray]:
    return {name: np.ones((len(market.listings), 2), np.float32) for name in names}


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [(None, "model"), (0.9, "model"), (0.75, "model"), (0.6, "attributes"), (0.0, "attributes")],
)
def test_a_model_compares_where_it_knows_the_market(market, coverage, expected):
    found = default_space(market, spaces(market, "model", "photos", "attributes"), coverage)
    assert found.space == expected
    assert coverage is None or f"{coverage:.0%}" in found.reason


def test_photos_compare_where_there_are_few_attributes_and_most_listings_have_one(market):
    few = replace(market, attributes=market.attributes[:3])
    there = spaces(market, "photos", "attributes")
    assert default_space(few, there).space == "photos"
    assert default_space(market, there).space == "attributes"
    there["photos"][: len(market.listings) // 2 + 1] = 0
    assert default_space(few, there).space == "attributes"
    assert default_space(few, {"photos": there["photos"]}).space == "photos"


@pytest.mark.parametrize(
    ("queries", "weights", "expected"),
    [
        (500, {"model": 0.3, "attributes": 0.6, "recent": 2.0}, "attributes"),
        (500, {"model": 0.6, "attributes": 0.3, "recent": 2.0}, "model"),
        (500, {"attributes": -0.2, "photos": 0.1}, "photos"),
        (20, {"model": 0.3, "attributes": 0.6}, "model"),
    ],
)
def test_the_fitted_blend_decides_with_enough_validation_queries(market, queries, weights, expected):
    blend = BlendWeights(weights=weights, scales=dict.fromkeys(weights, 1.0), queries=queries)
    there = spaces(market, "model", "photos", "attributes")
    assert default_space(market, there, 0.9, blend).space == expected
    assert default_space(market, there, None, blend).space == "model"


def test_command_python_and_pages_compare_by_the_same_space(tiny_market, tmp_path):
    folder = tiny_market(listings=20, photos=0)
    done = vibes("embed", folder, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    default = run.manifest.default_space
    assert default.space == "attributes" == run.spaces[0] and default.reason in done.stderr
    assert run.similar("l001", k=3).equals(run.similar("l001", k=3, space="attributes"))
    shown = vibes("similar", tmp_path / "run", "l001", "-k", "3", "--json")
    assert json.loads(shown.stdout)[0]["score"] == run.similar("l001", k=1)["score"][0]
    assert default.reason in shown.stderr
    assert default.reason not in vibes("similar", tmp_path / "run", "l001", "--space", "attributes").stderr


def test_every_precision_gives_the_same_vectors_and_is_recorded(trained, bare):
    log, engine = trained.log, trained.engine
    name = precision_name(inference_dtype("auto", engine.model), engine.model)
    assert trained.manifest.encoded_by == name == engine.precision and bare.manifest.encoded_by == ""
    start, end = log.start[:-1], log.start[1:]
    start, end = start[end > start], end[end > start]
    exact = engine.in_float32()
    assert exact.precision == "float32"
    for path, least in (("float32", 0.99999), ("bf16", 0.99)):
        other = replace(engine, settings=engine.settings.model_copy(update={"inference": path}))
        for mine, theirs in (
            (other.encode_listings(), exact.encode_listings()),
            (other.encode_histories(log, start, end), exact.encode_histories(log, start, end)),
        ):
            assert np.sum(mine * theirs, axis=1).min() > least


def test_a_blend_has_each_feature_of_listings_that_its_weights_name(trained, monkeypatch):
    values = np.arange(len(trained.listing_ids), dtype=np.float32)[None]
    monkeypatch.setattr(
        scorers, "moments_of", lambda *_: {"photo_count": lambda at: values.repeat(len(at), 0)}
    )
    assert [*run_blend(trained, fixed_blend(photo_count=0.5), model_scorer(trained)).moments] == [
        "photo_count"
    ]
