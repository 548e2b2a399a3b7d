"""Names of groups: what is frequent in a group and rare elsewhere, in words."""

import numpy as np
import pandas as pd
import pytest

from browser.painted import paint_market
from listing_vibes.features.photos.looks import Looks
from listing_vibes.insight.map.cluster_names import (
    ListingValues,
    attribute_values,
    coded_looks,
    portraits,
)
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market


@pytest.fixture
def values(market):
    return attribute_values(market, np.arange(40))


@pytest.fixture
def market(tmp_path):
    """Twenty boats with saunas and twenty lofts that cost more; half of all have wifi."""
    boats = np.arange(40) < 20
    table = pd.DataFrame(
        {
            "listing_id": [f"l{row}" for row in range(40)],
            "title": [
                f"A quiet {'boat' if boat else 'brick'} for you no {row}" for row, boat in enumerate(boats)
            ],
            "kind": np.where(boats, "Houseboat", "Loft"),
            "price": np.where(boats, 50.0, 200.0) + np.arange(40),
            "amenities": [["Wifi", "Sauna"] if boat else ["Wifi"] for boat in boats],
            "host": [f"{10**8 + (row < 20)}" for row in range(40)],
            "floor": np.where(boats, 0.0, 3.0),
            "pets": boats,
        }
    )
    labels = {
        "title": AttributeConfig(kind="text", label="Title"),
        "kind": AttributeConfig(kind="category", label="AttributeType"),
        "price": AttributeConfig(kind="number", label="Price", unit="EUR"),
        "amenities": AttributeConfig(kind="multi", label="Amenities"),
        "host": AttributeConfig(kind="category", label="Host"),
        "floor": AttributeConfig(kind="number", label="Floor"),
        "pets": AttributeConfig(kind="flag", label="Pets allowed"),
    }
    write_market(tmp_path, MarketConfig(title="title", attributes=labels), table)
    return Market.open(tmp_path)


GROUPS = np.where(np.arange(40) < 20, 0, 1)


def test_traits_are_frequent_here_and_rare_elsewhere_and_name_the_group(values):
    boats, lofts = portraits(values, GROUPS)
    found = {(trait.label, trait.text): (trait.inside, trait.outside) for trait in boats.traits}
    for trait in (
        ("AttributeType", "Houseboat"),
        ("Amenities", "Sauna"),
        ("Pets allowed", "Yes"),
        ("Floor", "0"),
    ):
        assert found[trait] == (1, 0)
    assert ("Amenities", "Wifi") not in found  # everybody has it
    assert ("Price", "the lowest third") in found and "Host" not in {label for label, _ in found}
    assert boats.name.startswith("Houseboat") and lofts.name.startswith("Loft")
    assert {"floor: 3", "expensive"} <= {trait.piece for trait in lofts.traits}
    names = [one.name for one in portraits(values, np.arange(40) % 5)]
    assert len(set(names)) == 5 and all(names)


def test_of_groups_with_the_same_traits_the_second_has_a_number():
    groups, drawn = np.arange(1200) % 4, np.random.default_rng(0).random(1200)
    coded = []
    for trait, share in (("bright", 0.9), ("wood", 0.8)):
        held = np.flatnonzero((drawn < share) & (groups < 2))
        coded.append((trait, [(trait, trait)], held, np.zeros(len(held), int)))
    first, second, *_ = portraits(ListingValues.of(coded, 1200), groups)
    assert (first.name, second.name, second.is_named) == ("Bright, wood", "Group 2", False)


def test_a_name_begins_with_what_the_listings_are_and_ends_with_how_they_look():
    groups, drawn = np.arange(1200) % 2, np.random.default_rng(0).random(1200)
    coded = []
    for label, text, piece, share in (
        ("Photos", "wood tones", "wood tones", 0.9),
        ("Price", "the highest third", "high price", 0.8),
        ("Deal", "sale", "sale", 0.7),
    ):
        held = np.flatnonzero((drawn < share) & (groups == 0))
        coded.append((label, [(text, piece)], held, np.zeros(len(held), int)))
    names = [
        portraits(ListingValues.of(parts, 1200), groups)[0].name for parts in (coded[:2], coded[1:], coded)
    ]
    assert names == ["High price, wood tones", "Sale, high price", "High price, wood tones"]


def test_a_name_takes_only_what_holds_in_both_halves_of_the_listings():
    """Of 200 listings in a group 120 are bright in one half and none in the other: six in ten, but not in each half."""
    groups, halves = np.repeat([0, 1], 200), np.random.default_rng(0).permutation(400) % 2
    bright = np.flatnonzero((groups == 0) & (halves == 1))
    wood = np.flatnonzero((groups == 0) & (np.arange(400) % 10 < 8))
    coded = [
        (
            "Photos",
            [("bright", "bright"), ("wood", "wood")],
            np.concatenate([bright, wood]),
            np.repeat([0, 1], [len(bright), len(wood)]),
        )
    ]
    first, second = portraits(ListingValues.of(coded, 400), groups)
    assert first.name == "Wood" and first.traits[0].piece == "wood"
    assert second.name == "Group 2" and second.traits == []


def test_chance_names_hardly_a_group():
    rng = np.random.default_rng(0)
    place, code = np.nonzero(rng.random((120, 40)) < 0.4)
    coded = [("Amenities", [(f"a{n}", f"a{n}") for n in range(40)], place, code)]
    names = [one.name for one in portraits(ListingValues.of(coded, 120), np.arange(120) % 6)]
    assert sum(name.startswith("Group ") for name in names) >= 5


def test_listings_between_the_groups_count_as_elsewhere_and_may_come_in_any_order(market, values):
    groups = np.where(np.arange(40) < 10, 0, -1)  # half of the boats
    traits = {trait.text: trait for trait in portraits(values, groups)[0].traits}
    assert traits["Houseboat"].inside == 1 and traits["Houseboat"].outside == pytest.approx(1 / 3)
    rows = np.random.default_rng(0).permutation(40)
    (boats,) = portraits(attribute_values(market, rows), np.where(rows < 20, 0, -1))
    assert boats.name.startswith("Houseboat")
    (everything,) = portraits(values, np.zeros(40, int))
    assert all(trait.outside == 0 for trait in everything.traits)


def test_what_photos_show_describes_a_group_and_does_not_name_it(tmp_path):
    market = Market.open(paint_market(tmp_path / "market", listings=12, photos=2, users=0, titles=False))
    rows = np.arange(2, 12)
    owner = market.photos["listing_id"].map(market.listing_row).to_numpy()
    # Every photo shows a wall; the second photo of listings 2 to 6 a bed, of a bed that is hardly one elsewhere.
    classes = np.tile(np.array([0, 1], np.int16), (len(owner), 1))
    shares = np.tile(np.array([0.5, 0.02], np.float16), (len(owner), 1))
    shares[(owner < 7) & (market.photos["position"] == 1), 1] = 0.3
    looks = Looks(classes, shares, np.array(["wall", "four-poster"]), np.eye(2), np.array(["t"]))
    label, told, place, code = coded_looks(looks, market, rows)
    assert (label, told[1]) == ("Seen in photos", ("four-poster", "four-poster in photos"))
    beds = place[code == 1].tolist()
    assert beds == [0, 1, 2, 3, 4] and sorted(place[code == 0]) == list(range(9))  # the last one has no photo
    found = portraits(ListingValues.of([(label, told, place, code)], 10), np.where(rows < 7, 0, 1))
    assert found[0].traits[0].text == "four-poster" and found[0].traits[0].inside == 1
    assert not found[0].is_named  # classes of photos are often wrong
    assert "four-poster" not in found[1].name
