"""Reasons agree with encoding anew and ranking anew, whoever asks for them."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers.serving import app_of, serving
from listing_vibes import Run
from listing_vibes.cli import app
from listing_vibes.errors import VibesError
from listing_vibes.insight.explain import occlusion, reasons
from listing_vibes.insight.explain.reasons import explain, explain_listing
from listing_vibes.market.columns import Columns as C
from listing_vibes.model.settings import DefaultBlend
from listing_vibes.run.engine import Engine
from listing_vibes.run.fits import NOTHING
from listing_vibes.run.histories import of_histories
from listing_vibes.run.manifest import Manifest


def place(scores: np.ndarray, row: int, allowed: np.ndarray) -> int:
    return 1 + sum(scores[other] > scores[row] for other in np.flatnonzero(allowed) if other != row)


def state(run: Run, user: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a user's history, and (L,) bool what may be in the list."""
    start, end = run.log.history_at(run.user_number[user], None)
    allowed = run.catalogue.live(run.after_last_event).copy()
    allowed[run.log.listing[start:end]] = False
    return np.arange(start, end), allowed


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_place_without_a_part_is_that_of_a_listing_or_history_that_never_had_it(trained, seed):
    rng = np.random.default_rng(seed)
    run, vectors = trained, trained.vectors("model")
    user = run.log.users[int(rng.choice(np.flatnonzero(np.diff(run.log.start) > 3)))]
    listings = run.recommend(user, 30)[C.LISTING].tolist()
    chosen = [listings[0], listings[int(rng.integers(5, 30))]]
    found = explain(run, user, chosen)
    events, allowed = state(run, user)
    engine = run.engine.in_float32()

    def scores(rows: np.ndarray) -> np.ndarray:
        told = pd.DataFrame({"listing_id": [run.listing_ids[row] for row in run.log.listing[rows]]})
        told["action"] = [run.log.actions[code] if code >= 0 else None for code in run.log.action[rows]]
        told["duration_s"] = run.log.duration[rows]
        log = of_histories(run, [told]).log
        return (
            engine.encode_histories(log, np.array([0]), np.array([len(log)]), listings=vectors)[0] @ vectors.T
        )

    whole = scores(events)
    for one in found:
        row = run.row(one.listing)
        assert one.place == place(whole, row, allowed) == listings.index(one.listing) + 1
        assert one.score == pytest.approx(float(whole[row]), abs=1e-4)
        for told in one.events[:2]:
            without = scores(np.delete(events, told["event"] - 1))
            assert told["adds"] == pytest.approx(float(whole[row] - without[row]), abs=1e-4)
            assert abs(told["place_without"] - place(without, row, allowed)) <= 1  # float32 by another path
        for told in one.attributes[:2]:
            market = run.market.listings.copy()
            for column in ("latitude", "longitude") if told["name"] == "place" else (told["name"],):
                market[column] = market[column].where(market.index != row)
            features = engine.featurizer.transform(replace(run.market, listings=market), None)
            both = [
                replace(engine, features=one).encode_listings(rows=np.array([row]))
                for one in (engine.features, features)
            ]
            lower = float((both[0] - both[1])[0] @ user_vector(run, events))
            assert told["adds"] == pytest.approx(lower, abs=1e-4), told
            changed = whole.copy()
            changed[row] -= lower
            assert abs(told["place_without"] - place(changed, row, allowed)) <= 1
        assert one.photos == []


def test_places_are_those_of_lists_that_add_neighbours_and_recency(trained, tmp_path):
    shutil.copytree(trained.path, tmp_path / "run")
    manifest = Manifest.load(tmp_path / "run")
    blend = DefaultBlend(days=20, weight=1.2, neighbors=0.5)
    settings = manifest.settings.model_copy(update={"blend": blend, "inference": "float32"})
    manifest.model_copy(update={"settings": settings}).save(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    events = next(state(run, user)[0] for user in run.log.users if len(state(run, user)[0]) > 3)
    user = run.log.users[run.log.user[events[0]]]
    whole = run.recommend(user, 60)[C.LISTING].tolist()
    chosen = [whole[0], whole[2], whole[20]]
    assert [one.place for one in explain(run, user, chosen)] == [1, 3, 21]
    assert [one.place for one in explain(run, user, chosen, blend=NOTHING)] != [1, 3, 21]
    # Without its newest event the history is that of somebody else, whose list is made as any other.
    told = pd.DataFrame({"listing_id": [run.listing_ids[row] for row in run.log.listing[events[:-1]]]})
    told["action"] = [run.log.actions[code] if code >= 0 else None for code in run.log.action[events[:-1]]]
    told["duration_s"] = run.log.duration[events[:-1]]
    seen = run.listing_ids[run.log.listing[events[-1]]]
    others = run.recommend(told, 120)[C.LISTING].tolist()
    others = [one for one in others if one != seen]  # which stays out of the list that is explained
    for one in explain(run, user, chosen):
        newest = next(event for event in one.events if event["event"] == len(events))
        assert abs(newest["place_without"] - others.index(one.listing) - 1) <= 1
    first = explain(run, told.head(1), whole[0])[0]  # of its only event nothing is left but what is recent
    assert first.events[0]["place_without"] >= 1


def user_vector(run: Run, events: np.ndarray) -> np.ndarray:
    start, end = np.array([events[0]]), np.array([events[-1] + 1])
    return run.engine.in_float32().encode_histories(run.log, start, end, listings=run.vectors("model"))[0]


def test_a_listing_is_encoded_without_its_parts_once_for_all_histories(trained, monkeypatch):
    first, second = trained.log.users[5], trained.log.users[6]
    listings = trained.recommend(first, 4)[C.LISTING].tolist()
    encoded, encode = [], Engine.encode_listings
    monkeypatch.setattr(
        Engine, "encode_listings", lambda self, *rest: encoded.append(self) or encode(self, *rest)
    )
    run = Run.open(trained.path)
    together = [found.to_dict() for found in explain(run, second, listings)]
    assert len(encoded) == 1
    assert [found.listing for found in explain(run, first, listings)] == listings and len(encoded) == 1
    # Not to the last bit: some processors multiply a row of a large batch in another order than by itself.
    alone = [explain(Run.open(trained.path), second, listing)[0].to_dict() for listing in listings]
    for one, other in zip(alone, together, strict=True):
        for kind in ("attributes", "photos"):
            assert [part["adds"] for part in one[kind]] == pytest.approx(
                [part["adds"] for part in other[kind]], abs=1e-5
            )
    monkeypatch.setattr(occlusion, "CACHED", 3)
    run = Run.open(trained.path)
    explain(run, first, listings)
    encoded.clear()
    assert explain(run, first, listings[-3:]) and not encoded
    assert explain(run, first, listings[:1])[0].attributes and len(encoded) == 1


def test_a_listing_without_photos_has_reasons_by_its_attributes(trained, monkeypatch):
    monkeypatch.setattr(reasons, "photo_positions", lambda run, row: np.arange(0))
    monkeypatch.setattr(reasons, "occlude_listings", without_photos)
    (one,) = explain(trained, trained.log.users[0], trained.listing_ids[:1])
    assert one.attributes and not one.photos


def without_photos(run: Run, space: str, rows: list[int]) -> list[occlusion.OccludedListing]:
    found = occlusion.occlude_listings(run, space, rows)
    return [
        replace(one, without={part: v for part, v in one.without.items() if part.kind == "attribute"})
        for one in found
    ]


def test_the_time_that_is_given_bounds_what_is_taken_apart(trained):
    user = trained.log.users[5]
    listings = trained.recommend(user, 4)[C.LISTING].tolist()
    found = explain(trained, user, listings, budget=0)
    assert all(one.events and one.attributes is None and one.photos is None for one in found)
    with pytest.raises(VibesError, match="one at a time"):
        explain(trained, [user, trained.log.users[6]], listings)
    with pytest.raises(VibesError, match="twice"):
        explain_listing(trained, listings[0], listings[0])


def test_without_the_only_event_there_is_no_place(trained):
    listing, other = trained.listing_ids[3], trained.listing_ids[7]
    (found,) = explain(trained, [listing], [other], blend=NOTHING, budget=0)
    assert [event["place_without"] for event in found.events] == [None]
    assert found.to_dict()["counts"] == "model" and other in found.to_text()


@pytest.mark.parametrize("options", [{"at": "2025-01-01", "budget": 1.0}, {"blend": "ids"}])
def test_of_two_listings_options_of_lists_are_refused(trained, options):
    one, two = trained.listing_ids[:2]
    with pytest.raises(VibesError, match="leave out"):
        explain_listing(trained, one, two, **options)


@pytest.mark.slow
def rounded(document):
    """Return a document with numbers of three decimals: scores of differently composed batches differ in the last bits."""
    return json.loads(json.dumps(document), parse_float=lambda text: round(float(text), 3) + 0.0)


def test_command_service_and_python_give_the_same_reasons(trained):
    user = trained.log.users[5]
    listings = trained.recommend(user, 3)[C.LISTING].tolist()
    expected = [one.to_dict(3) for one in explain(trained, user, listings)]
    done = CliRunner().invoke(app, ["explain", str(trained.path), user, listings[1], "--json"])
    told = json.loads(done.stdout)
    first = {name: part[:3] if isinstance(part, list) else part for name, part in told.items()}
    assert rounded(first) == rounded(expected[1])
    text = CliRunner().invoke(app, ["explain", str(trained.path), user, listings[1]]).stdout
    assert text.startswith(f"{listings[1]} has rank 2")
    with serving(app_of(trained.path)) as client:
        answer = client.get(f"/recommend/{user}", params={"k": 3, "explain": 1, "explain_ms": 10_000}).json()[
            "results"
        ]
        assert rounded([one["explanation"] for one in answer]) == rounded(expected)
        plain = client.get(f"/recommend/{user}", params={"k": 3}).json()["results"]
        assert [one["listing_id"] for one in answer] == [one["listing_id"] for one in plain] == listings
        assert not any("explanation" in one for one in plain)


def test_the_place_of_a_neighbour_is_that_in_the_list_of_what_is_alike(trained):
    near = trained.similar("home-0003", 30, "model")[C.LISTING].tolist()
    assert [explain_listing(trained, "home-0003", near[place - 1]).place for place in (1, 6, 30)] == [
        1,
        6,
        30,
    ]


def test_what_was_refused_has_no_place_among_what_may_be_listed(trained):
    views = [{"listing_id": one, "action": "view"} for one in trained.listing_ids[:3]]
    refused = trained.recommend(pd.DataFrame(views), 1)[C.LISTING][0]
    history = pd.DataFrame([*views, {"listing_id": refused, "action": "hide"}])
    for rules in ({}, {"drop_seen": False}):
        found = trained.recommend(history, 12, rules=rules)[C.LISTING].tolist()
        chosen = [found[0], found[4], found[11]]
        assert refused not in found
        assert [one.place for one in explain(trained, history, chosen, rules=rules)] == pytest.approx(
            [1, 5, 12], abs=1
        )


def test_a_boost_is_part_of_the_place(trained):
    user, rules = trained.log.users[5], {"boost": "fresh 3 20d"}
    listings = trained.recommend(user, 3, rules=rules)[C.LISTING].tolist()
    assert [one.place for one in explain(trained, user, listings, rules=rules)] == [1, 2, 3]
