"""Controls with shuffled content: their gain comes from distinguishing listings, not from the content.

A model may recognize a listing by its photo without using what it shows. A model with another listing's photos
shows how much of a gain is of that kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.registry import one_of

SEED = 0
Content = tuple[Market, PhotoVectors | None]


def control_content(name: str, market: Market, photos: PhotoVectors | None) -> Content:
    """Return `market` and its photo vectors with the content replaced by the control `name`."""
    return CONTROLS[name](market, photos)


def check_control(name: str) -> str:
    """Validate that `name` is one of `CONTROLS`, and return it."""
    return one_of(name, tuple(CONTROLS))


def donors(has: np.ndarray, seed: int = SEED) -> np.ndarray:
    """Return the row (L,) int64 whose content each listing gets: a random cyclic permutation of the listings with content.

    No listing keeps its own content (if two or more have content), and a listing without content gets none.

    Args:
        has: (L,) bool, whether a listing has content.
    """
    donor = np.arange(len(has))
    order = np.random.default_rng([seed, 11]).permutation(np.flatnonzero(has))
    donor[order] = np.roll(order, 1)
    return donor


def _shuffled_photos(market: Market, photos: PhotoVectors | None) -> Content:
    owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)
    rows = [np.flatnonzero(owner == row) for row in range(len(market.listings))]
    donor = donors(np.array([len(photo_rows) > 0 for photo_rows in rows]))
    order = np.concatenate([rows[giver] for giver in donor])
    taker = np.repeat(np.arange(len(donor)), [len(rows[giver]) for giver in donor])
    table = market.photos.iloc[order].reset_index(drop=True)
    table[C.LISTING] = market.listings[C.LISTING].to_numpy()[taker]
    if photos is not None:
        photos = replace(photos, vectors=photos.vectors[order], ok=photos.ok[order])
    return replace(market, photos=table), photos


def _shuffled_texts(market: Market, photos: PhotoVectors | None) -> Content:
    names = [attribute.name for attribute in market.attributes if attribute.kind == "text"]
    donor = donors(market.listings[names].notna().any(axis=1).to_numpy())
    moved = {name: market.listings[name].to_numpy()[donor] for name in names}
    return replace(market, listings=market.listings.assign(**moved)), photos


def _shuffled_event_features(market: Market, photos: PhotoVectors | None) -> Content:
    """Shuffle action and duration between events; unwanted events are unchanged, since they determine the training examples."""
    names = [name for name in (C.ACTION, C.DURATION) if name in market.events]
    requested = np.ones(len(market.events), bool)
    if C.ACTION in names:
        requested = ~market.events[C.ACTION].isin(market.config.unwanted).to_numpy()
    order = np.arange(len(market.events))
    order[requested] = np.random.default_rng([SEED, 13]).permutation(order[requested])
    permuted = {name: market.events[name].array[order] for name in names}
    return replace(market, events=market.events.assign(**permuted)), photos


#: Controls by the name for a variant's `control`.
CONTROLS: dict[str, Callable[[Market, PhotoVectors | None], Content]] = {
    "shuffled-photos": _shuffled_photos,
    "shuffled-texts": _shuffled_texts,
    "shuffled-event-features": _shuffled_event_features,
}
