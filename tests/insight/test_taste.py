"""The taste of a history, and listings that differ."""

from dataclasses import replace

import numpy as np
import pytest

from listing_vibes.insight.taste import AROUND, COVERAGE, LIFT, different_listings, taste, taste_in_words
from listing_vibes.market.attribute_types import ATTRIBUTE_TYPES
from listing_vibes.market.attribute_types.number import Number
from listing_vibes.market.columns import Columns as C


def test_different_listings_are_active_and_less_alike_than_any_others(trained):
    listings = different_listings(trained)
    assert listings == different_listings(trained) and len(set(listings)) == len(listings) == 10
    active = trained.catalogue.live(trained.after_last_event)
    rows = np.array([trained.row(listing) for listing in listings])
    assert active[rows].all() and not active.all()
    vectors, rng = trained.vectors("model"), np.random.default_rng(1)

    def likeness(rows: np.ndarray) -> float:
        return float(np.triu(vectors[rows] @ vectors[rows].T, 1).sum())

    random = [likeness(rng.choice(np.flatnonzero(active), 10, replace=False)) for _ in range(100)]
    assert likeness(rows) < np.quantile(random, 0.1)
    few = different_listings(trained, 3)
    assert len(few) == 3


def test_a_taste_is_what_most_have_in_common_and_few_others_have(trained):
    table, labels = trained.market.listings, {item.label: item for item in trained.market.attributes}
    for name in ("district", "building"):
        value = table[name].value_counts().index[-1]
        chosen = table.index[table[name] == value][:3]
        traits = taste(trained, table[C.LISTING].iloc[chosen].tolist())
        assert any(labels[trait.label].name == name and trait.text == value for trait in traits)
        assert value in taste_in_words(traits)
    rng = np.random.default_rng(0)
    for size in (2, 3, 5, 8) * 10:
        rows = rng.choice(len(table), size, replace=False)
        traits = taste(trained, table[C.LISTING].iloc[rows].tolist())
        numbers = [trait for trait in traits if labels[trait.label].kind == "number"]
        assert len(numbers) <= 1 and len({trait.label for trait in traits}) == len(traits) <= 3
        for trait in traits:
            assert trait.inside >= COVERAGE and trait.inside >= LIFT * trait.outside
            column = table[labels[trait.label].name]
            if trait.piece.startswith("around"):
                values = column.iloc[rows].dropna().sort_values()
                middle = values.iloc[(len(values) - 1) // 2]
                has = (column - middle).abs() <= AROUND * middle
            elif labels[trait.label].kind == "category":
                has = column == trait.text
            else:
                continue
            assert trait.inside == pytest.approx(has.iloc[rows].mean())
            assert trait.outside == pytest.approx(has.mean())


class Share(Number):
    """Another type of numbers."""


def test_a_number_of_another_type_is_a_taste(trained, monkeypatch):
    table, market = trained.market.listings, trained.market
    ids = table[C.LISTING].iloc[table["price"].argsort()[:3]].tolist()
    expected = taste(trained, ids)
    assert any(trait.piece.startswith("around") for trait in expected)
    monkeypatch.setattr(ATTRIBUTE_TYPES, "_elsewhere", {"share": f"{__name__}:Share"})
    monkeypatch.setitem(vars(ATTRIBUTE_TYPES), "_modules", {**ATTRIBUTE_TYPES._modules, "share": ""})
    others = [replace(item, kind="share") if item.kind == "number" else item for item in market.attributes]
    monkeypatch.setitem(vars(market), "attributes", others)
    assert taste(trained, ids) == expected


def test_one_listing_has_no_taste_however_often(trained):
    listing = trained.listing_ids[0]
    assert taste(trained, []) == taste(trained, [listing]) == taste(trained, [listing, listing]) == []
    assert taste_in_words([]) == ""
