"""Leaving a part out is the same as a market that never had it; photo by photo is the cosine of their vectors."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from browser.painted import embed_run, paint_market, train_run
from helpers.carried import carried
from helpers.commands import vibes
from helpers.serving import app_of, serving
from listing_vibes.demo.shipped import ROOT
from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import photo_space
from listing_vibes.insight.explain.listing_photos import compare_photos, listing_photos
from listing_vibes.insight.explain.reasons import explain
from listing_vibes.insight.explain.similarity import BOTH, explain_similarity
from listing_vibes.market.market import Market
from listing_vibes.run.engine import Engine
from listing_vibes.run.histories import of_histories
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("explained")
    return Run.open(train_run(paint_market(folder / "market", photos=3, events=8), folder / "run"))


def encoded(run: Run, market: Market, photos=None) -> np.ndarray:
    """The model space of another state of the market, made the long way."""
    from browser.painted import vectors

    whole = vectors(market) if photos is None else photos
    engine = Engine.load(run.path, market, run.manifest.settings, whole)
    return engine.in_float32().encode_listings()


def line(found, **wanted):
    rows = found.left_out
    for name, value in wanted.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.slow
def test_without_an_attribute_is_a_market_that_never_had_it(run):
    found = explain_similarity(run, "l02", "l05", "model")
    space = run.vectors("model")
    assert found.similarity == pytest.approx(float(space[2] @ space[5]), abs=2e-3)  # kept as float16
    market = run.market
    listings = market.listings.copy()
    listings.loc[[2, 5], "price"] = np.nan
    other = encoded(run, replace(market, listings=listings))
    price = line(found, kind="attribute", name="price")
    assert price["side"] == BOTH
    base = run.engine.in_float32().encode_listings()
    assert price["change"] == pytest.approx(float(other[2] @ other[5] - base[2] @ base[5]), abs=1e-5)
    assert price["change"] == pytest.approx(price["without"] - found.similarity)
    assert set(found.left_out["name"]) - {""} == {"title", "room_type", "price", "amenities", "built_year"}
    assert found.left_out["change"].is_monotonic_increasing


def test_without_a_photo_is_a_listing_that_never_had_it(run):
    found = explain_similarity(run, "l02", "l05", "model")
    from browser.painted import vectors

    photos = vectors(run.market)
    ok = photos.ok.copy()
    gone = np.flatnonzero(run.market.photos["listing_id"] == "l05")[1]
    ok[gone] = False
    other = encoded(run, run.market, replace(photos, ok=ok))
    base = run.engine.in_float32().encode_listings()
    assert line(found, kind="photo", side=1, photo=1)["change"] == pytest.approx(
        float(base[2] @ other[5] - base[2] @ base[5]), abs=1e-5
    )


def test_a_recommended_listing_without_a_photo_stands_where_one_that_never_had_it_would(run):
    from browser.painted import vectors

    listings = run.recommend("u1", k=3)["listing_id"].tolist()
    (found,) = explain(run, "u1", listings[1])
    photos, row = vectors(run.market), run.row(listings[1])
    start, end = run.log.history_at(run.user_number["u1"], None)
    user = run.engine.in_float32().encode_histories(
        run.log, np.array([start]), np.array([end]), run.vectors("model")
    )[0]
    base, allowed = (
        run.engine.in_float32().encode_listings() @ user,
        run.catalogue.live(run.after_last_event).copy(),
    )
    allowed[run.log.listing[start:end]] = False
    assert [one["photo"] for one in sorted(found.photos, key=lambda one: one["photo"])] == [0, 1, 2]
    for told in found.photos:
        ok = photos.ok.copy()
        ok[np.flatnonzero(run.market.photos["listing_id"] == listings[1])[told["photo"]]] = False
        without = float(encoded(run, run.market, replace(photos, ok=ok))[row] @ user)
        assert told["adds"] == pytest.approx(float(base[row]) - without, abs=1e-4)
        scores = run.vectors("model") @ user
        scores[row] += without - base[row]
        others = [one for one in np.flatnonzero(allowed) if one != row]
        assert told["place_without"] == 1 + sum(scores[other] > scores[row] for other in others)


def test_in_the_photo_space_it_is_the_mean_of_the_other_photos(run):
    from browser.painted import vectors

    found, photos = explain_similarity(run, "l02", "l05", "photos"), vectors(run.market)
    owner = run.market.photos["listing_id"].map(run.market.listing_row).to_numpy(int)
    centred = np.asarray(photos.vectors, np.float32) - np.asarray(photos.vectors, np.float32).mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    space = photo_space(photos.vectors, owner, photos.ok, 12)
    assert found.similarity == pytest.approx(float(space[2] @ space[5]), abs=1e-3)
    rest = unit[owner == 2][[0, 2]].mean(axis=0)
    expected = float(rest @ space[5] / np.linalg.norm(rest))
    assert line(found, side=0, photo=1)["without"] == pytest.approx(expected, abs=1e-3)
    alike, positions = compare_photos(run, "l02", "l05")
    np.testing.assert_allclose(alike, unit[owner == 2] @ unit[owner == 5].T, atol=1e-3)
    assert [places.tolist() for places in positions] == [[0, 1, 2], [0, 1, 2]]


def test_photos_go_by_their_places_also_behind_one_that_cannot_be_read(tmp_path):
    market = paint_market(tmp_path / "market", photos=3, users=0)
    (market / "photos" / "l05_0.png").write_bytes(b"no picture")
    run = Run.open(embed_run(market, tmp_path / "run"))
    found = explain_similarity(run, "l02", "l05", "photos")
    by_side = found.left_out.groupby("side")["photo"].agg(sorted)
    assert (by_side[0], by_side[1]) == ([0, 1, 2], [1, 2])
    assert [places.tolist() for places in compare_photos(run, "l02", "l05")[1]] == [[0, 1, 2], [1, 2]]


def test_in_the_attribute_space_a_shared_value_makes_alike_and_another_one_does_not(run):
    found = explain_similarity(run, "l02", "l05", "attributes")  # both shared rooms, 110 and 140 euros
    space = run.vectors("attributes")
    assert found.similarity == pytest.approx(float(space[2] @ space[5]), abs=2e-3)
    assert line(found, name="room_type")["change"] < 0
    assert line(explain_similarity(run, "l02", "l04", "attributes"), name="room_type")["change"] > 0
    assert (found.left_out["kind"] == "attribute").all()


def test_a_run_without_a_model_explains_by_photos_and_attributes(tmp_path):
    run = Run.open(embed_run(paint_market(tmp_path / "market", users=0), tmp_path / "run"))
    assert len(explain_similarity(run, "l00", "l01", "photos").left_out) == 4
    with pytest.raises(VibesError, match="no space 'model'"):
        explain_similarity(run, "l00", "l01", "model")
    with pytest.raises(VibesError, match="'l11' has nothing in the space 'photos'"):
        explain_similarity(run, "l00", "l11", "photos")


def test_an_event_adds_what_the_score_is_lower_without_it(run):
    events = run.market.events
    history = events[events["user_id"] == "u1"].drop(columns=["user_id", "timestamp"]).reset_index(drop=True)
    listings = run.recommend(history, k=3)["listing_id"].tolist()
    found = carried(run, history, listings)
    assert found.shape == (len(history), 3)

    targets = run.vectors("model")[[run.row(listing) for listing in listings]]

    def scores(part):
        log = of_histories(run, [part]).log
        start, end = np.array([0]), np.array([len(log)])
        return run.engine.in_float32().encode_histories(log, start, end, run.vectors("model"))[0] @ targets.T

    for event in (0, 3, len(history) - 1):
        expected = scores(history) - scores(history.drop(index=event))
        np.testing.assert_allclose(found[event], expected, atol=1e-5)
    np.testing.assert_allclose(carried(run, history, listings, newest=2)[:-2], 0)
    np.testing.assert_allclose(carried(run, history.tail(1), listings)[0], scores(history.tail(1)), atol=1e-5)


def test_without_one_of_the_newest_events_an_older_one_is_read_instead(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "run")
    manifest = Manifest.load(run.path)
    training = manifest.settings.training.model_copy(update={"max_listings": 3})
    settings = manifest.settings.model_copy(update={"training": training})
    manifest.model_copy(update={"settings": settings}).save(tmp_path / "run")
    short = Run.open(tmp_path / "run")
    events = short.market.events
    history = events[events["user_id"] == "u1"].drop(columns=["user_id", "timestamp"]).reset_index(drop=True)
    listings = short.recommend(history, k=3)["listing_id"].tolist()
    vectors = short.vectors("model")
    targets = vectors[[short.row(listing) for listing in listings]]

    def scores(part):
        log = of_histories(short, [part]).log
        start, end = np.array([0]), np.array([len(log)])
        return short.engine.in_float32().encode_histories(log, start, end, vectors)[0] @ targets.T

    found, read = carried(short, history, listings), range(len(history) - 3, len(history))
    assert len(history) == 8 and np.abs(scores(history) - scores(history.tail(2))).max() > 1e-4
    for event in read:
        expected = scores(history) - scores(history.drop(index=event))
        np.testing.assert_allclose(found[event], expected, atol=1e-5)
    np.testing.assert_allclose(found[:-3], 0, atol=1e-6)


@pytest.mark.parametrize("space", ["model", "photos", "attributes"])
def test_each_space_is_explained_by_the_score_and_the_place_of_its_own_list(run, space):
    near = run.similar("l02", 6, space)
    for place, (listing, score) in enumerate(zip(near["listing_id"], near["score"], strict=True), 1):
        found = explain_similarity(run, "l02", listing, space)
        assert found.similarity == pytest.approx(score, abs=1e-4)
        assert found.place == place and len(found.left_out) > 0
        np.testing.assert_allclose(found.left_out["without"], score + found.left_out["change"], atol=1e-4)


@pytest.mark.slow
def test_a_fresh_copy_of_the_demo_explains_the_space_of_photos_with_its_photos(tmp_path):
    """No photo is embedded there: those of the two listings are, and give the score of the list."""
    shutil.copytree(ROOT, tmp_path / "demo", ignore=shutil.ignore_patterns(".cache", "studio"))
    demo = Run.open(tmp_path / "demo" / "run")
    near = demo.similar("home-0003", 4, "photos")
    for listing, score in zip(near["listing_id"], near["score"], strict=True):
        found = explain_similarity(demo, "home-0003", listing, "photos")
        assert found.similarity == pytest.approx(score, abs=1e-4) and not found.note
        sides = [demo.market.photos["listing_id"].eq(name).sum() for name in ("home-0003", listing)]
        assert len(found.left_out) == sum(sides)
        means = [listing_photos(demo, demo.row(name)).vectors.mean(axis=0) for name in ("home-0003", listing)]
        unit = [mean / np.linalg.norm(mean) for mean in means]
        assert float(unit[0] @ unit[1]) == pytest.approx(score, abs=1e-4)
    assert not (tmp_path / "demo" / ".cache" / "photos").exists()
    (demo.path / "photo_center.npy").unlink()
    bare = Run.open(demo.path)
    found = explain_similarity(bare, "home-0003", near["listing_id"][0], "photos")
    assert found.similarity == pytest.approx(near["score"][0], abs=1e-4)
    assert found.left_out.empty and found.note


def test_command_http_and_python_explain_a_neighbor_in_the_same_space(run):
    near = run.similar("l02", 3, "photos")["listing_id"].tolist()
    expected = [explain_similarity(run, "l02", listing, "photos").to_dict() for listing in near]
    done = vibes("explain", run.path, "l02", near[1], "--space", "photos", "--json")
    assert json.loads(done.stdout) == expected[1]
    with serving(app_of(run.path)) as client:
        asked = {"k": 3, "space": "photos", "explain": True, "explain_ms": 10_000}
        answer = client.get("/similar/l02", params=asked).json()["results"]
        assert [one["explanation"]["score"] for one in answer] == pytest.approx(
            [one["score"] for one in expected]
        )
        for one, told in zip(answer, expected, strict=True):
            assert (
                one["explanation"]["photos"] == told["photos"][:3]
                and one["explanation"]["place"] == told["place"]
            )
        assert not any("explanation" in one for one in client.get("/similar/l02").json()["results"])
    assert vibes("explain", run.path, "u1", near[0], "--space", "photos", check=2).stderr
