"""Content without meaning: what shuffled or random content still gives is worth of a fingerprint, not of content.

A model may recognise a listing by its photo without seeing anything on it. Beside a model that is given another
listing's photos, or random vectors, the share that real content has in a figure shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.registry import one_of

#: The draw of every control.
SEED = 0

Content = tuple[Market, PhotoVectors | None]


def control_content(name: str, market: Market, photos: PhotoVectors | None) -> Content:
    """Return `market` and its photo vectors with the content that the control `name` of `CONTROLS` takes the meaning of.

    Raises:
        VibesError: photos of several encoders, whose order controls do not know.
    """
    if photos is not None and photos.parts:
        raise VibesError("A control of an ablation takes photos of one encoder; name one alone.")
    return CONTROLS[name](market, photos)


def known_control(name: str) -> str:
    """Return `name` where it is one of `CONTROLS`."""
    return one_of(name, tuple(CONTROLS))


def donors(has: np.ndarray, seed: int = SEED) -> np.ndarray:
    """Whose content each listing gets: (L,) int64 rows, a cycle through all listings with content in random order.

    Nobody keeps its own (where two have content), and who has no content keeps none.

    has: (L,) bool, whether a listing has content.
    """
    donor = np.arange(len(has))
    order = np.random.default_rng([seed, 11]).permutation(np.flatnonzero(has))
    donor[order] = np.roll(order, 1)
    return donor


def random_like(vectors: np.ndarray, seed: int = SEED) -> np.ndarray:
    """Random directions with the norms of `vectors` (N, width), float32; equal rows stay equal."""
    rows = np.ascontiguousarray(vectors, np.float32)
    if not len(rows):
        return rows
    _, same = np.unique(rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))), return_inverse=True)
    drawn = np.random.default_rng([seed, 12]).standard_normal((int(same.max()) + 1, rows.shape[1]))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return (drawn[same.ravel()] * np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _shuffled_photos(market: Market, photos: PhotoVectors | None) -> Content:
    owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)
    rows = [np.flatnonzero(owner == row) for row in range(len(market.listings))]
    donor = donors(np.array([len(mine) > 0 for mine in rows]))
    order = np.concatenate([rows[giver] for giver in donor])
    taker = np.repeat(np.arange(len(donor)), [len(rows[giver]) for giver in donor])
    table = market.photos.iloc[order].reset_index(drop=True)
    table[C.LISTING] = market.listings[C.LISTING].to_numpy()[taker]
    if photos is not None:
        photos = replace(photos, vectors=photos.vectors[order], ok=photos.ok[order])
    return replace(market, photos=table), photos


def _random_photos(market: Market, photos: PhotoVectors | None) -> Content:
    if photos is not None:
        photos = replace(photos, vectors=random_like(photos.vectors).astype(photos.vectors.dtype))
    return market, photos


def _shuffled_texts(market: Market, photos: PhotoVectors | None) -> Content:
    names, listings = _texts(market), market.listings
    donor = donors(listings[names].notna().any(axis=1).to_numpy())
    moved = {name: listings[name].to_numpy()[donor] for name in names}
    return replace(market, listings=listings.assign(**moved)), photos


def _random_texts(market: Market, photos: PhotoVectors | None) -> Content:
    """As many random words of the market instead of each text; equal texts stay equal."""
    names, listings = _texts(market), market.listings
    texts = pd.concat([listings[name] for name in names]).dropna().unique() if names else []
    words = np.array(sorted({word for text in texts for word in str(text).split()}))
    rng = np.random.default_rng([SEED, 14])
    instead = {text: " ".join(rng.choice(words, len(text.split()))) for text in texts if text.split()}
    drawn = {name: listings[name].astype(object).map(instead) for name in names}
    return replace(market, listings=listings.assign(**drawn)), photos


def _permuted_meta(market: Market, photos: PhotoVectors | None) -> Content:
    """Events trade action and duration; what is not wanted stays so, since it decides what a model learns from."""
    events = market.events.copy()
    names = [name for name in (C.ACTION, C.DURATION) if name in events]
    wanted = ~events[C.ACTION].isin(market.config.unwanted).to_numpy() if C.ACTION in events else slice(None)
    at = np.arange(len(events))[wanted]
    order = np.random.default_rng([SEED, 13]).permutation(at)
    for name in names:
        column = events[name].array.copy()
        column[at] = events[name].array[order]
        events[name] = column
    return replace(market, events=events), photos


def _texts(market: Market) -> list[str]:
    return [one.name for one in market.attributes if one.kind == "text"]


#: By the name that a variant gives as `control`.
CONTROLS: dict[str, Callable[[Market, PhotoVectors | None], Content]] = {
    "shuffled-photos": _shuffled_photos,
    "random-photos": _random_photos,
    "shuffled-texts": _shuffled_texts,
    "random-texts": _random_texts,
    "permuted-meta": _permuted_meta,
}
