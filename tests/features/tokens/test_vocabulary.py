"""The vocabulary of attribute values: from values to ids, and from durations to buckets."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.tokens.vocabulary import fit_vocabulary
from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.attribute_types.category import category_ids
from listing_vibes.market.attribute_types.number import number_bins
from listing_vibes.market.attribute_types.place import place_ids

ATTRIBUTES = [
    Attribute("city", "category", "City"),
    Attribute("price", "number", "Price"),
    Attribute("balcony", "flag", "Balcony"),
    Attribute("amenities", "multi", "Amenities"),
    Attribute("title", "text", "Title"),
    Attribute("place", "place", "Location"),
]
N = 40
LISTINGS = pd.DataFrame(
    {
        "city": ["A", "B"] * (N // 2 - 1) + ["rare", None],
        "price": [*np.linspace(10, 400, N - 1), np.nan],
        "balcony": pd.array([True, False] * (N // 2 - 1) + [None, True], dtype="boolean"),
        "amenities": [["wifi", "pool"], ["wifi"]] * (N // 2 - 1) + [["sauna"], None],
        "title": ["Sunny flat", "Quiet flat"] * (N // 2 - 1) + ["Unique", None],
        "latitude": [*np.linspace(50, 51, N - 1), np.nan],
        "longitude": [*np.linspace(9, 10, N - 1), 9.5],
    }
)


@pytest.fixture(scope="module")
def vocabulary():
    return fit_vocabulary(LISTINGS, ATTRIBUTES, [], np.empty(0))


def test_ids_of_attributes_never_overlap(vocabulary):
    following = 1
    for entry in vocabulary.attributes:
        assert entry.first == following
        following += entry.size
    assert vocabulary.size == following


def test_unseen_categories_share_buckets_but_are_not_missing(vocabulary):
    city = vocabulary.attribute("city")
    ids = category_ids(city, pd.Series(["A", "never seen", "never seen", "other", None]))
    assert ids[0] == city.first + city.values.index("A")
    assert ids[1] == ids[2] >= city.first + len(city.values)
    assert city.first <= ids.min(initial=99, where=ids > 0) and ids.max() < city.first + city.size
    assert ids[4] == 0


def test_a_number_is_restored_from_its_bin_and_fraction(vocabulary):
    price, values = vocabulary.attribute("price"), np.array([10.0, 123.4, 400.0, np.nan, -5.0, 9999.0])
    bins, fraction = number_bins(price, values)
    edges = np.asarray(price.edges)
    restored = edges[bins] + fraction * (edges[bins + 1] - edges[bins])
    np.testing.assert_allclose(restored[[0, 1, 2]], values[[0, 1, 2]], rtol=1e-5)
    np.testing.assert_allclose(restored[[4, 5]], [10, 400], rtol=1e-5)  # clipped to the training range
    assert bins[3] == -1
    constant = fit_vocabulary(pd.DataFrame({"price": [5.0] * 10}), ATTRIBUTES[1:2], [], np.empty(0))
    bins, fraction = number_bins(constant.attributes[0], np.array([5.0, 6.0, np.nan]))
    assert bins.tolist() == [0, 0, -1] and np.isfinite(fraction).all()


def test_sets_have_their_known_members(vocabulary):
    amenities, title = vocabulary.attribute("amenities"), vocabulary.attribute("title")
    wifi, pool = (amenities.first + amenities.values.index(name) for name in ("wifi", "pool"))
    cells = pd.DataFrame(
        {"amenities": [["pool", "wifi", "unknown"], None, []], "title": ["A sunny, QUIET flat!", None, ""]}
    )
    (tokens,) = type_of("multi").tokenize(amenities, cells)
    assert tokens.listing.tolist() == [0] and tokens.sets == [[pool, wifi]]
    (tokens,) = type_of("text").tokenize(title, cells)
    assert tokens.listing.tolist() == [0] and len(tokens.sets[0]) == 3 and tokens.key == 1


def test_near_locations_share_more_cells(vocabulary):
    place = vocabulary.attribute("place")
    cells = place_ids(place, np.array([50.1, 50.1, 50.9, np.nan]), np.array([9.1, 9.101, 9.9, 9.0]))
    assert (cells[0] == cells[1]).sum() > (cells[0] == cells[2]).sum()
    assert (cells[3] == 0).all() and cells.max() < place.first + place.size
