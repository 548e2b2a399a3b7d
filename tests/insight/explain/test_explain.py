"""Explanations agree with encoding again and ranking again without the part, and are the same from every caller."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from browser.painted import embed_run, paint_market, train_run, vectors
from helpers.blends import KNN, fixed_blend
from helpers.commands import vibes
from helpers.copies import change_settings, copied
from helpers.serving import app_of, serving
from listing_vibes.demo.shipped import ROOT
from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import photo_space
from listing_vibes.insight.explain import explain, explain_listing
from listing_vibes.insight.market_view import view_of
from listing_vibes.insight.occlusion import DONORS, compare_photos, listing_photos
from listing_vibes.insight.similarity import explain_similarity
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Queries
from listing_vibes.market.values import sample_rows
from listing_vibes.run.blends import NO_BLEND, save_blends
from listing_vibes.run.engine import Engine
from listing_vibes.run.histories import of_histories
from listing_vibes.run.run import Run
from listing_vibes.scoring.content_ease import ContentEase


@pytest.fixture(scope="module")
def painted(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("explained")
    return Run.open(train_run(paint_market(folder / "market", photos=3, events=8), folder / "run"))


def user_of(run: Run) -> tuple[str, np.ndarray, np.ndarray]:
    """Return a user with more than three events, these events, and (L,) bool: the candidates of the user's list."""
    number = int(np.flatnonzero(np.diff(run.log.start) > 3)[0])
    events = np.arange(run.log.start[number], run.log.start[number + 1])
    allowed = run.catalogue.live(run.after_last_event).copy()
    allowed[run.log.listing[events]] = False
    return run.log.users[number], events, allowed


def history_of(run: Run, events: np.ndarray) -> pd.DataFrame:
    log = run.log
    return pd.DataFrame(
        {
            C.LISTING: [run.listing_ids[row] for row in log.listing[events]],
            C.ACTION: [log.actions[code] if code >= 0 else None for code in log.action[events]],
            C.DURATION: log.duration[events],
        }
    )


def user_vector(run: Run, history: pd.DataFrame) -> np.ndarray:
    log = of_histories(run, [history]).log
    bounds = np.array([0]), np.array([len(log)])
    return run.engine.in_float32().encode_histories(log, *bounds, listings=run.vectors("model"))[0]


def rank_of(scores: np.ndarray, row: int, allowed: np.ndarray) -> int:
    return 1 + sum(scores[other] > scores[row] for other in np.flatnonzero(allowed) if other != row)


def encoded(run: Run, market: Market, photos=None) -> np.ndarray:
    """Return the model space of another state of the market."""
    engine = Engine.load(
        run.path, market, run.manifest.settings, vectors(market) if photos is None else photos
    )
    return engine.in_float32().encode_listings()


def part_of(parts, **keys):
    (part,) = [part for part in parts if all(part[name] == value for name, value in keys.items())]
    return part


def test_a_rank_without_a_part_is_that_of_a_listing_or_history_that_never_had_it(trained):
    run, space = trained, trained.vectors("model")
    user, events, allowed = user_of(run)
    listings = run.recommend(user, 30)[C.LISTING].tolist()
    vector, engine = user_vector(run, history_of(run, events)), run.engine.in_float32()
    scores = space @ vector
    for found in explain(run, user, [listings[0], listings[17]]):
        row = run.row(found.listing)
        assert found.rank == rank_of(scores, row, allowed) == listings.index(found.listing) + 1
        assert found.score == pytest.approx(float(scores[row]), abs=1e-4) and found.photos == []
        assert found.sentence.startswith("Because of ")
        for part in found.events[:2]:
            without = space @ user_vector(run, history_of(run, np.delete(events, part["event"] - 1)))
            assert part["adds"] == pytest.approx(float(scores[row] - without[row]), abs=1e-4)
            assert abs(part["rank_without"] - rank_of(without, row, allowed)) <= 1  # float32 by another path
        for part in found.attributes[:2]:
            market = run.market.listings.copy()
            for column in ("latitude", "longitude") if part["name"] == "place" else (part["name"],):
                market[column] = market[column].where(market.index != row)
            features = engine.featurizer.transform(replace(run.market, listings=market), None)
            both = [
                replace(engine, features=item).encode_listings(rows=np.array([row]))
                for item in (engine.features, features)
            ]
            adds = float((both[0] - both[1])[0] @ vector)
            assert part["adds"] == pytest.approx(adds, abs=1e-4), part
            changed = scores.copy()
            changed[row] -= adds
            assert abs(part["rank_without"] - rank_of(changed, row, allowed)) <= 1


def test_ranks_are_those_of_lists_with_a_blend_a_boost_and_refused_listings(trained, tmp_path):
    blend = fixed_blend(recent=0.02, attributes=0.05)
    run = Run.open(change_settings(copied(trained, tmp_path).path, blend=blend, inference="float32"))
    user, events, _ = user_of(run)
    listings = run.recommend(user, 60)[C.LISTING].tolist()
    chosen = [listings[0], listings[2], listings[20]]
    found = explain(run, user, chosen)
    assert [item.rank for item in found] == [1, 3, 21]
    assert [item.rank for item in explain(run, user, chosen, blend=NO_BLEND)] != [1, 3, 21]
    # Without its newest event the history is that of another user, whose list is made as any other.
    newest = run.listing_ids[run.log.listing[events[-1]]]
    others = run.recommend(history_of(run, events[:-1]), 120)[C.LISTING].tolist()
    others = [listing for listing in others if listing != newest]
    for item in found:
        without = part_of(item.events, event=len(events))["rank_without"]
        assert abs(without - others.index(item.listing) - 1) <= 1

    scores = run.recommend(user, 500).set_index(C.LISTING)["score"]
    for item in found:  # the features of the blend add up to the score of the list
        assert set(item.parts) == {"model", "recent", "attributes"} and "recent" in item.to_text()
        assert sum(item.parts.values()) == pytest.approx(item.score, abs=1e-6)
        assert item.score == pytest.approx(scores[item.listing], abs=1e-3)
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    assert list(explain(run, user, chosen[0], blend=NO_BLEND)[0].parts) == ["model"]
    for part in found[2].attributes:
        lower = scores[chosen[2]] - part["adds"]
        rank = 1 + int((scores.drop(chosen[2]) > lower).sum())
        assert abs(part["rank_without"] - rank) <= 1, part

    save_blends(run.path, [fixed_blend("ids", KNN, ids=0.5)])
    by_ids = run.recommend(user, 9, blend="ids")
    found = explain(run, user, by_ids[C.LISTING].tolist()[::4], blend="ids")
    assert [item.rank for item in found] == [1, 5, 9] and set(found[0].parts) == {"model", "ids"}
    assert [item.score for item in found] == pytest.approx(by_ids["score"].tolist()[::4], abs=1e-3)

    rules = {"boost": "fresh 3 20d"}
    boosted = trained.recommend(user, 3, rules=rules)[C.LISTING].tolist()
    found = explain(trained, user, boosted, rules=rules)
    assert [item.rank for item in found] == [1, 2, 3] and found[0].parts["rules"] > 0

    views = [{"listing_id": listing, "action": "view"} for listing in trained.listing_ids[:3]]
    refused = trained.recommend(pd.DataFrame(views), 1)[C.LISTING][0]
    history = pd.DataFrame([*views, {"listing_id": refused, "action": "hide"}])
    listed = trained.recommend(history, 12, rules={"drop_seen": False})[C.LISTING].tolist()
    ranks = [
        item.rank for item in explain(trained, history, [listed[0], listed[11]], rules={"drop_seen": False})
    ]
    assert refused not in listed and ranks == pytest.approx([1, 12], abs=1)


def test_a_listing_that_covisits_carry_names_the_listing_whose_users_opened_both(trained, tmp_path):
    settings = {"share": 0.5, "content_penalty": 10.0, "penalty": 1.0, "decay": 0.9, "attributes": 1.0}
    blend = fixed_blend("covisits", {"covisits": settings}, covisits=50.0)
    weak = fixed_blend("recency", {"covisits": settings}, covisits=1e-6)
    run = copied(trained, tmp_path)
    save_blends(run.path, [blend, weak])
    user, events, _ = user_of(run)
    listings = run.recommend(user, 2, blend="covisits")[C.LISTING].tolist()
    found = explain(run, user, listings, blend="covisits")
    fitted = ContentEase.fit(
        {"attributes": run.vectors("attributes")}, run.log, run.log.is_positive, run.catalogue, settings
    )
    moment, none = np.array([run.counted_at(run.after_last_event)]), np.array([-1])

    def queries(start, end):
        return Queries(none, np.zeros(1, np.int32), none, moment, start, end, masked=True)

    score = fitted.score(queries(events[:1], events[-1:] + 1))[0]
    for item in found:
        row, costs = run.row(item.listing), []
        for event in events:
            shorter = of_histories(run, [history_of(run, np.delete(events, list(events).index(event)))]).log
            query = queries(np.array([0]), np.array([len(shorter)]))
            costs.append(score[row] - fitted.over(shorter).score(query)[0, row])
        listing = run.listing_ids[run.log.listing[events[int(np.argmax(costs))]]]
        title = view_of(run).title(run.row(listing))
        assert item.sentence.startswith(f"Because users who opened “{title}” opened this too")
    for item in explain(run, user, listings, blend="recency"):
        assert "users who opened" not in item.sentence


def test_what_has_no_explanation_says_so(trained):
    user, listing, other = trained.log.users[5], *trained.listing_ids[:2]
    (late,) = explain(trained, user, listing, budget=0)
    assert late.events and late.attributes is None and late.photos is None
    (single,) = explain(trained, [listing], [other], blend=NO_BLEND)
    assert [event["rank_without"] for event in single.events] == [None] and other in single.to_text()
    for query in ([user, trained.log.users[6]], "nobody"):
        with pytest.raises(VibesError):
            explain(trained, query, listing)
    for options in ({"at": "2025-01-01"}, {"blend": "ids"}, {"space": "nowhere"}):
        with pytest.raises(VibesError):
            explain_listing(trained, listing, other, **options)
    with pytest.raises(VibesError):
        explain_listing(trained, user, other, space="photos")


def test_an_attribute_counts_what_the_values_of_other_listings_would_cost(painted):
    """Each of the two is encoded again in a market where it has the value of another listing, for every such listing."""
    found, base = explain_similarity(painted, "l02", "l05", "model"), encoded(painted, painted.market)
    assert found.score == pytest.approx(float(np.prod(painted.vectors("model")[[2, 5]], axis=0).sum()))
    similarity, listings = float(base[2] @ base[5]), painted.market.listings
    costs = []
    for row, other in ((2, 5), (5, 2)):
        for donor in sample_rows(len(listings), DONORS):
            changed = listings.copy()
            changed["price"] = changed["price"].where(changed.index != row, listings["price"].iloc[donor])
            vector = encoded(painted, replace(painted.market, listings=changed))[row]
            costs.append(similarity - float(vector @ base[other]))
    (price,) = [line for line in found.attributes if line.name == "price"]
    assert price.adds == pytest.approx(np.mean(costs), abs=1e-5)
    assert (price.this, price.that, price.match, price.difference) == ("€100", "€130", "different", "+€30")
    names = [line.name for line in found.attributes]
    assert sorted(names) == ["amenities", "built_year", "photos", "price", "room_type", "title"]
    known = [abs(line.adds) for line in found.attributes if line.match != "unknown"]
    assert known == sorted(known, reverse=True) and found.headline.startswith("Alike")


def test_an_equal_value_never_makes_two_listings_differ(painted):
    ids = painted.listing_ids
    for space in ("model", "attributes"):
        for first, second in zip(ids, ids[3:], strict=False):
            lines = explain_similarity(painted, first, second, space).attributes
            assert all(line.adds >= 0 for line in lines if line.match == "same")
            assert any(line.match == "same" for line in lines)


def test_the_best_pairs_of_photos_are_those_nearest_in_the_photo_space(painted):
    found, photos = explain_similarity(painted, "l02", "l05", "photos"), vectors(painted.market)
    owner = painted.market.photos[C.LISTING].map(painted.market.listing_row).to_numpy(int)
    centered = np.asarray(photos.vectors, np.float32) - np.asarray(photos.vectors, np.float32).mean(axis=0)
    unit = centered / np.linalg.norm(centered, axis=1, keepdims=True)
    space = photo_space(photos.vectors, owner, photos.ok, 12)
    assert found.score == pytest.approx(float(space[2] @ space[5]), abs=1e-3) and not found.attributes
    alike, positions = compare_photos(painted, "l02", "l05")
    np.testing.assert_allclose(alike, unit[owner == 2] @ unit[owner == 5].T, atol=1e-3)
    assert [place.tolist() for place in positions] == [[0, 1, 2], [0, 1, 2]]
    assert found.photos[0]["alike"] == pytest.approx(float(alike.max()))
    for side in ("photo", "other"):
        assert sorted(pair[side] for pair in found.photos) == [0, 1, 2]


@pytest.mark.parametrize("space", ["model", "photos", "attributes"])
def test_a_neighbor_has_the_score_and_the_rank_of_its_list(painted, space):
    near = painted.similar("l02", 6, space)
    for rank, (listing, score) in enumerate(zip(near["listing_id"], near["score"], strict=True), 1):
        found = explain_similarity(painted, "l02", listing, space)
        assert found.score == pytest.approx(score, abs=1e-4)
        assert found.rank == rank and len(found.attributes) + len(found.photos) > 0 and found.headline


def test_a_run_without_a_model_explains_by_photos_behind_one_that_cannot_be_read(tmp_path):
    market = paint_market(tmp_path / "market", photos=3, users=0)
    (market / "photos" / "l05_0.png").write_bytes(b"no picture")
    run = Run.open(embed_run(market, tmp_path / "run"))
    pairs = explain_similarity(run, "l02", "l05", "photos").photos
    assert {pair["photo"] for pair in pairs} <= {0, 1, 2} and sorted(pair["other"] for pair in pairs) == [
        1,
        2,
    ]
    for space in ("model", "nowhere"):
        with pytest.raises(VibesError):
            explain_similarity(run, "l00", "l01", space)


@pytest.mark.slow
def test_a_fresh_copy_of_the_demo_explains_the_space_of_photos_with_its_photos(tmp_path):
    """The vectors that it came with give the score of the list."""
    shutil.copytree(ROOT, tmp_path / "demo", ignore=shutil.ignore_patterns(".cache", "studio"))
    demo = Run.open(tmp_path / "demo" / "run")
    near = demo.similar("home-0003", 2, "photos")
    for listing, score in zip(near["listing_id"], near["score"], strict=True):
        found = explain_similarity(demo, "home-0003", listing, "photos")
        assert found.score == pytest.approx(score, abs=1e-4) and not found.note
        sides = [demo.market.photos["listing_id"].eq(name).sum() for name in ("home-0003", listing)]
        assert len(found.photos) == min(3, *sides)
        means = [listing_photos(demo, demo.row(name))[1].mean(axis=0) for name in ("home-0003", listing)]
        unit = [mean / np.linalg.norm(mean) for mean in means]
        assert float(unit[0] @ unit[1]) == pytest.approx(
            score, abs=0.02
        )  # in float32; all photos are in bfloat16
    (demo.path / "photo_center.npy").unlink()
    found = explain_similarity(Run.open(demo.path), "home-0003", near["listing_id"][0], "photos")
    assert found.score == pytest.approx(near["score"][0], abs=1e-4) and not found.photos and found.note


def rounded(document):
    """Return a document with numbers of three decimals: scores of differently composed batches differ in the last bits."""
    return json.loads(json.dumps(document), parse_float=lambda text: round(float(text), 3) + 0.0)


@pytest.mark.parametrize(
    ("kind", "query", "space"), [("recommend", "u1", None), ("similar", "l02", "photos")]
)
def test_command_http_and_python_give_the_same_explanations(painted, kind, query, space):
    options = {} if space is None else {"space": space}
    lists = painted.recommend if kind == "recommend" else painted.similar
    listings = lists(query, k=3, **options)["listing_id"].tolist()
    expected = [explain_listing(painted, query, listing, **options).to_dict() for listing in listings]
    words = [] if space is None else ["--space", space]
    done = vibes("explain", painted.path, query, listings[1], *words, "--json")
    assert rounded(json.loads(done.stdout)) == rounded(expected[1])
    with serving(app_of(painted.path)) as client:
        asked = {"k": 3, "explain": True, "explain_ms": 10_000} | options
        results = client.get(f"/{kind}/{query}", params=asked).json()["results"]
        assert [item["listing_id"] for item in results] == listings
        for item, document in zip(results, expected, strict=True):
            first = {key: part[:3] if isinstance(part, list) else part for key, part in document.items()}
            assert rounded(item["explanation"]) == rounded(first)
        plain = client.get(f"/{kind}/{query}").json()["results"]
        assert not any("explanation" in item for item in plain)
