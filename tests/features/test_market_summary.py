"""What a training saw, in shares and quantiles: how far another market lies from that, and that nobody is in it."""

import json

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.market_summary import (
    MarketSummary,
    PhotoSpread,
    Spread,
    load_summaries,
    save_summaries,
)
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of


def spread(kind: str, values: list[object]) -> tuple[Spread, pd.DataFrame]:
    frame = pd.DataFrame({"x": pd.Series(values, dtype=None if kind == "number" else object)})
    return Spread.of("x", kind, frame, type_of(kind).fit(frame, "x", 10, 1)), frame


@pytest.mark.parametrize(
    ("kind", "here", "there", "far"),
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
def test_the_distance_is_the_share_that_would_have_to_move(kind, here, there, far):
    seen, frame = spread(kind, here)
    assert seen.distance(frame) == pytest.approx(0, abs=1e-5)
    other = pd.DataFrame({"x": pd.Series(there, dtype=None if kind == "number" else object)})
    assert seen.distance(other) == pytest.approx(far, abs=0.06)


def test_what_few_listings_have_is_not_kept_nor_what_the_model_does_not_know():
    frame = pd.DataFrame({"x": ["often"] * 90 + ["seller-7"] * 4 + ["unknown"] * 6})
    known = AttributeVocabulary(name="x", kind="category", values=["often", "seller-7"])
    found = Spread.of("x", "category", frame, known)
    assert found.entry.values == ["often"] and found.shares == [0.9]


def test_a_column_of_which_no_value_was_kept_has_no_distance(trained):
    frame = pd.DataFrame({"x": [f"host {row}" for row in range(60)]})
    found = Spread.of("x", "category", frame, AttributeVocabulary(name="x", kind="category", values=[]))
    assert found.shares == [] and not found.has_values
    (seen,) = load_summaries(trained.path)
    name = next(one.name for one in trained.market.attributes if one.kind == "category")
    unsaid = seen.attributes[name].model_copy(update={"shares": []})
    seen = seen.model_copy(update={"attributes": seen.attributes | {name: unsaid}})
    assert name not in seen.distances(trained.market)


def test_it_is_written_with_a_run_and_read_again(trained, tmp_path):
    (seen,) = load_summaries(trained.path)
    market = trained.market
    assert seen.name == market.name and set(seen.attributes) == {one.name for one in market.attributes}
    assert max(seen.distances(market).values()) < 0.2  # trained on most of the listings
    assert (trained.path / "seen.json").stat().st_size < 20_000
    assert not any(listing in (trained.path / "seen.json").read_text() for listing in trained.listing_ids)
    save_summaries(tmp_path, [seen, seen])
    assert load_summaries(tmp_path) == [seen, seen] and load_summaries(tmp_path / "nowhere") == []
    assert MarketSummary.model_validate(json.loads(json.dumps(seen.model_dump()))) == seen


def test_photos_are_as_far_as_their_vectors_moved(monkeypatch):
    class Reader:
        photo_encoder, photo_reducers = "eye", [1]

        class photo:
            transform = staticmethod(lambda vectors: vectors)

    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((400, 8)).astype(np.float32)
    one = PhotoSpread.of(Reader, PhotoVectors(vectors, np.ones(400, bool), [], "eye"))
    two = PhotoSpread.of(Reader, PhotoVectors(vectors + 1, np.ones(400, bool), [], "eye"))
    assert one.distance(one) == 0 and one.distance(two) == pytest.approx(1, abs=0.1)
    assert PhotoSpread.of(Reader, PhotoVectors(vectors, np.ones(400, bool), [], "another")) is None
