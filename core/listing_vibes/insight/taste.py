"""The taste of a history: what its listings have in common against the market, and listings from which a taste is soon seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from listing_vibes.features.reduce import spherical_kmeans, unit_rows
from listing_vibes.insight.map.cluster_names import ListingValues, Trait, attribute_values, most_typical
from listing_vibes.insight.map.tones import COLUMNS
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.market_view import view_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.values import sample_rows
from listing_vibes.run.run import Run
from listing_vibes.words import enumerated

LEAST = 2  # distinct listings of a history with a taste
#: Minimum share of the history's listings with a trait, its minimum ratio to the share of all listings, and the most traits.
COVERAGE, LIFT, MOST = 2 / 3, 1.5, 3
AROUND = 0.25  # numbers are "around" their median within this share of it
POINTS = 4000  # maximum number of listings to cluster


def different_listings(run: Run, k: int = 10) -> list[str]:
    """Return `k` active listings that differ most: the most typical one of each of `k` groups of spherical k-means, the largest first.

    Fewer if the market has fewer different listings; none if no space has vectors of half of the listings.
    """
    space = next((name for name in run.spaces if run.index(name).known.mean() >= 0.5), None)
    if space is None:
        return []
    active = run.index(space).known & run.catalogue.live(run.moment(None))
    if run.market.cover and (covered := active & np.isin(run.listing_ids, list(run.market.cover))).any():
        active = covered
    rows = sample_rows(np.flatnonzero(active), POINTS)
    if not len(rows):
        return []
    points = unit_rows(np.asarray(run.vectors(space)[rows], np.float32))
    group, _ = spherical_kmeans(points, k)
    largest = np.argsort(-np.bincount(group), kind="stable")
    members = [np.flatnonzero(group == number) for number in largest]
    return [run.listing_ids[rows[each[most_typical(points[each], 1)[0]]]] for each in members]


def listing_values(run: Run) -> ListingValues:
    """Return the values of all listings of a run: attributes, and the colors of covers if the map is drawn."""
    drawn, tones = read_map(run), None
    if drawn is not None:
        tones = drawn.drop_duplicates(C.LISTING).set_index(C.LISTING)
        tones = tones.reindex(index=run.listing_ids, columns=list(COLUMNS))
    return attribute_values(run.market, np.arange(len(run.listing_ids)), tones)


def taste(run: Run, listings: Sequence[str], values: ListingValues | None = None) -> list[Trait]:
    """Return what most of the `listings` have in common and few others have; none for fewer than `LEAST`.

    There is one trait of an attribute at most, and one of all numbers, such as a price. Values of sets, of which a listing has many,
    are left out.

    >>> from listing_vibes.insight.taste import taste, taste_in_words
    >>> isinstance(taste_in_words(taste(run, run.listing_ids[:3])), str)
    True

    Args:
        values: of `listing_values`, which a caller with several histories computes once.

    Raises:
        VibesError: a listing is unknown.
    """
    rows = np.array([run.row(listing) for listing in dict.fromkeys(listings)], np.int64)
    if len(rows) < LEAST:
        return []
    values = listing_values(run) if values is None else values
    inside, outside = (np.asarray(has.mean(axis=0)).ravel() for has in (values.has[rows], values.has))
    traits = [Trait(*words, *shares) for words, *shares in zip(values.words, inside, outside, strict=True)]
    traits += _numbers(run, rows)
    weights = [trait.inside * np.log(trait.inside / trait.outside) if trait.inside else 0 for trait in traits]
    numbers = {item.label for item in run.market.attributes if item.shown_as == "number"}
    common: dict[str, Trait] = {}
    for at in np.argsort(-np.array(weights), kind="stable"):
        trait = traits[at]
        is_common = trait.inside >= COVERAGE and trait.inside >= LIFT * trait.outside
        if is_common and trait.label not in values.no_names:
            common.setdefault("" if trait.label in numbers else trait.label, trait)
    return sorted(list(common.values())[:MOST], key=lambda trait: trait.order)


def taste_in_words(traits: Sequence[Trait]) -> str:
    """Return a taste as words for a sentence, such as `rent, wood tones and around €750`; empty without a trait."""
    return enumerated([trait.piece for trait in traits])


def _numbers(run: Run, rows: np.ndarray) -> list[Trait]:
    """Return "around" and the median of each number of the listings `rows` (m,), which those within `AROUND` of it have."""
    view, traits = view_of(run), []
    for item in run.market.attributes:
        if item.shown_as != "number":
            continue
        numbers = run.market.listings[item.name].to_numpy(float, na_value=np.nan)  # (L,)
        known = rows[np.isfinite(numbers[rows])]
        if not len(known):
            continue
        middle = known[np.argsort(numbers[known], kind="stable")[(len(known) - 1) // 2]]
        if not numbers[middle]:
            continue  # nothing but zero is near zero
        is_near = np.abs(numbers - numbers[middle]) <= AROUND * abs(numbers[middle])
        text = view.text(int(middle), item)
        piece = (
            f"around {text}" if not text.replace(",", "").isdigit() else f"{item.label.lower()} around {text}"
        )
        traits.append(Trait(item.label, text, piece, float(is_near[rows].mean()), float(is_near.mean())))
    return traits
