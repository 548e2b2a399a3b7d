"""Values to numbers."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.tokens.vocabulary import fit_vocabulary
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.attribute_types.category import category_ids
from listing_vibes.market.attribute_types.number import number_bins
from listing_vibes.market.attribute_types.place import place_ids
from listing_vibes.market.market import Attribute

ATTRIBUTES = [
    Attribute("city", "category", "City"),
    Attribute("price", "number", "Price"),
    Attribute("balcony", "flag", "Balcony"),
    Attribute("amenities", "multi", "Amenities"),
    Attribute("title", "text", "Title"),
    Attribute("place", "place", "Location"),
]


@pytest.fixture
def listings() -> pd.DataFrame:
    n = 40
    return pd.DataFrame(
        {
            "city": ["A", "B"] * (n // 2 - 1) + ["rare", None],
            "price": [*np.linspace(10, 400, n - 1), np.nan],
            "balcony": pd.array([True, False] * (n // 2 - 1) + [None, True], dtype="boolean"),
            "amenities": [["wifi", "pool"], ["wifi"]] * (n // 2 - 1) + [["sauna"], None],
            "title": ["Sunny flat", "Quiet flat"] * (n // 2 - 1) + ["Unique", None],
            "latitude": [*np.linspace(50, 51, n - 1), np.nan],
            "longitude": [*np.linspace(9, 10, n - 1), 9.5],
        }
    )


def test_ids_of_attributes_never_overlap(listings):
    vocabulary = fit_vocabulary(listings, ATTRIBUTES, np.arange(40), [], np.empty(0))
    following = 1
    for entry in vocabulary.attributes:
        assert entry.first == following
        following += entry.size
    assert vocabulary.size == following


def test_only_the_given_rows_are_fitted(listings):
    """A value that only a listing outside the training period has is not in the vocabulary."""
    listings.loc[30:, "city"] = "late"
    vocabulary = fit_vocabulary(listings, ATTRIBUTES, np.arange(20), [], np.empty(0))
    city, price = vocabulary.attributes[0], vocabulary.attributes[1]
    assert "late" not in city.values
    assert price.edges[-1] == pytest.approx(listings["price"][19])


def test_unseen_categories_share_buckets_but_are_not_missing(listings):
    city = fit_vocabulary(listings, ATTRIBUTES, np.arange(40), [], np.empty(0)).attributes[0]
    ids = category_ids(city, pd.Series(["A", "never seen", "never seen", "other", None]))
    assert ids[0] == city.first + city.values.index("A")
    assert ids[1] == ids[2] >= city.first + len(city.values)
    assert city.first <= ids.min(initial=99, where=ids > 0) and ids.max() < city.first + city.size
    assert ids[4] == 0


def test_a_number_is_rebuilt_from_its_bin_and_fraction(listings):
    price = fit_vocabulary(listings, ATTRIBUTES, np.arange(40), [], np.empty(0), bins=8).attributes[1]
    values = np.array([10.0, 123.4, 400.0, np.nan, -5.0, 9999.0])
    bins, fraction = number_bins(price, values)
    edges = np.asarray(price.edges)
    back = edges[bins] + fraction * (edges[bins + 1] - edges[bins])
    np.testing.assert_allclose(back[[0, 1, 2]], values[[0, 1, 2]], rtol=1e-5)
    assert bins[3] == -1
    np.testing.assert_allclose(back[[4, 5]], [10, 400], rtol=1e-5)  # clipped to the training range


def test_a_constant_number_has_one_bin():
    frame = pd.DataFrame({"price": [5.0] * 10})
    price = fit_vocabulary(frame, ATTRIBUTES[1:2], np.arange(10), [], np.empty(0)).attributes[0]
    bins, fraction = number_bins(price, np.array([5.0, 6.0, np.nan]))
    assert bins.tolist() == [0, 0, -1] and np.isfinite(fraction).all()


def test_sets_keep_known_members(listings):
    amenities, title = fit_vocabulary(listings, ATTRIBUTES, np.arange(40), [], np.empty(0)).attributes[3:5]
    wifi, pool = (amenities.first + amenities.values.index(name) for name in ("wifi", "pool"))
    cells = pd.DataFrame(
        {"amenities": [["pool", "wifi", "unknown"], None, []], "title": ["A sunny, QUIET flat!", None, ""]}
    )
    (told,) = type_of("multi").tokenize(amenities, cells)
    assert told.listing.tolist() == [0] and told.sets == [[pool, wifi]]
    (told,) = type_of("text").tokenize(title, cells)
    assert told.listing.tolist() == [0] and len(told.sets[0]) == 3 and told.key == 1
    assert type_of("text").tokenize(title, cells, use_words=False) == []


def test_near_places_share_more_cells(listings):
    place = fit_vocabulary(listings, ATTRIBUTES, np.arange(40), [], np.empty(0)).attributes[5]
    cells = place_ids(place, np.array([50.1, 50.1, 50.9, np.nan]), np.array([9.1, 9.101, 9.9, 9.0]))
    assert (cells[0] == cells[1]).sum() > (cells[0] == cells[2]).sum()
    assert (cells[3] == 0).all()
    assert cells.max() < place.first + place.size


def test_duration_buckets_are_quantiles(listings):
    vocabulary = fit_vocabulary(
        listings, ATTRIBUTES, np.arange(40), ["view"], np.array([1.0, 2, 4, 8, 16, 32, 64, np.nan])
    )
    assert len(vocabulary.duration_edges) == 7
    assert vocabulary.total == vocabulary.size + 1 + 8


def test_durations_fall_into_buckets_alike(listings):
    durations = np.append(np.random.default_rng(0).exponential(60, 4000), np.nan)
    vocabulary = fit_vocabulary(listings, [], np.arange(40), ["view"], durations)
    assert len(vocabulary.duration_edges) == 7 and vocabulary.total == 1 + 1 + 8
    share = np.bincount(np.searchsorted(vocabulary.duration_edges, durations[:-1], "right")) / 4000
    np.testing.assert_allclose(share, 1 / 8, atol=0.01)


def test_equal_durations_share_a_bucket_and_no_durations_have_none(listings):
    equal = fit_vocabulary(listings, [], np.arange(40), [], np.array([5.0] * 99 + [60.0]))
    assert equal.duration_edges == [5.0]
    assert fit_vocabulary(listings, [], np.arange(40), [], np.full(3, np.nan)).duration_edges == []
