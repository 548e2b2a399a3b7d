"""Summaries of training markets in shares and quantiles: the distance of another market, and nothing rare in them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.market_summary import AttributeSpread, PhotoSpread, load_summaries, save_summaries
from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of


def frame_of(kind: str, values: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(values, dtype=None if kind == "number" else object)})


@pytest.mark.parametrize(
    ("kind", "here", "there", "distance"),
    [
        ("category", ["a"] * 30 + ["b"] * 30, ["a"] * 60, 0.5),
        ("category", ["a"] * 60, ["c"] * 60, 1.0),
        ("category", ["a"] * 60, ["a"] * 30 + [None] * 30, 0.5),
        ("number", list(range(100)), [value + 50.0 for value in range(100)], 0.5),
        ("multi", [["a", "b"]] * 60, [["a"]] * 60, 0.5),
        ("flag", [True] * 40, [False] * 40, 1.0),
        ("text", ["old house"] * 40, ["old boat"] * 40, 0.5),
    ],
)
def test_the_distance_is_the_share_that_would_have_to_move(kind, here, there, distance):
    frame = frame_of(kind, here)
    seen = AttributeSpread.of("x", kind, frame, type_of(kind).fit(frame, "x", 10, 1))
    assert seen.distance(frame) == pytest.approx(0, abs=1e-5)
    assert seen.distance(frame_of(kind, there)) == pytest.approx(distance, abs=0.06)


def test_rare_values_and_those_that_the_model_does_not_know_are_not_stored(trained):
    frame = pd.DataFrame({"x": ["often"] * 90 + ["seller-7"] * 4 + ["unknown"] * 6})
    known = AttributeVocabulary(name="x", kind="category", values=["often", "seller-7"])
    found = AttributeSpread.of("x", "category", frame, known)
    assert found.entry.values == ["often"] and found.shares == [0.9]
    (seen,) = load_summaries(trained.path)
    name = next(one.name for one in trained.market.attributes if one.kind == "category")
    bare = seen.attributes[name].model_copy(update={"shares": []})  # no value was frequent
    assert not bare.has_values
    seen = seen.model_copy(update={"attributes": seen.attributes | {name: bare}})
    assert name not in seen.distances(trained.market)


def test_it_is_written_with_a_run_and_read_again(trained, tmp_path):
    (seen,) = load_summaries(trained.path)
    market, text = trained.market, (trained.path / "seen.json").read_text()
    assert seen.name == market.name and set(seen.attributes) == {one.name for one in market.attributes}
    assert max(seen.distances(market).values()) < 0.2  # trained on most of the listings
    assert len(text) < 20_000 and not any(listing in text for listing in trained.listing_ids)
    save_summaries(tmp_path, [seen, seen])
    assert load_summaries(tmp_path) == [seen, seen] and load_summaries(tmp_path / "nowhere") == []


def test_photos_are_as_far_as_their_vectors_moved():
    reducer = SimpleNamespace(transform=lambda vectors: vectors)
    featurizer = SimpleNamespace(photo_encoder="eye", photo=reducer)
    vectors, ok = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32), np.ones(400, bool)
    one = PhotoSpread.of(featurizer, PhotoVectors(vectors, ok, [], "eye"))
    two = PhotoSpread.of(featurizer, PhotoVectors(vectors + 1, ok, [], "eye"))
    assert one.distance(one) == 0 and one.distance(two) == pytest.approx(1, abs=0.1)
    assert PhotoSpread.of(featurizer, PhotoVectors(vectors, ok, [], "another")) is None
