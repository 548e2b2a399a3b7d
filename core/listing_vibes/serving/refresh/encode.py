"""Encoding of what changed and of nothing else; what is known already is kept at hand between two looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from listing_vibes.features.merging import replaced
from listing_vibes.features.photos.pipeline import Encoder
from listing_vibes.features.photos.trainable import trained_weights
from listing_vibes.features.photos.vectors import (
    JOIN,
    PhotoVectors,
    combine,
    embed_photos,
    load_photo_vectors,
)
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.engine import Engine
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import spaces_of

Tick = Callable[[], None]  # called between pieces of work; may raise to stop it


@dataclass
class Counts:
    """Sequences and photos that went through a network.

    Attributes:
        listings: new and changed ones.
        histories: of users with new events.
        photos: whose content was never embedded before.
    """

    listings: int = 0
    histories: int = 0
    photos: int = 0


class Bench:
    """The model, the features and the vectors of a run's listings, brought forward with its market."""

    def __init__(self, run: Run, tick: Tick) -> None:
        self.run, self.counts, self._tick = run, Counts(), tick
        self._engine: Engine | None = run.engine if run.has_model else None
        self._encoders: dict[str, _Counting] = {}

    def spaces(self, market: Market, changed: set[str]) -> dict[str, np.ndarray]:
        """Vectors (L, d) by space of all listings of `market`: those of `changed` are encoded, the others as they were.

        The photos (where there are more) and attributes spaces, which no network makes of photos and texts that were
        embedded before, are made anew of all listings as `vibes embed` does.

        Args:
            market: the one before with more listings behind its own, and with other content of the changed ones.
            changed: ids of new and changed listings.
        """
        run, found = self.run, {}
        if not changed:
            return {space: run.stored(space) for space in run.spaces}
        photos = None
        if len(market.photos) > len(run.market.photos):  # the mean of all moves, from which each is seen
            photos = self._photos(market, np.ones(len(market.photos), bool))
        if self._engine is not None:
            rows = np.flatnonzero(market.listings[C.LISTING].isin(changed))  # (n,)
            found["model"] = _padded(run.stored("model"), len(market.listings)).astype(np.float32)
            found["model"][rows] = self._encode(market, rows)
        self._tick()
        if market.attributes or market.config.vectors or (photos is not None and photos.ok.any()):
            found |= spaces_of(market, photos, None, complete=False)
        if "photos" in run.spaces and "photos" not in found:
            found["photos"] = _padded(run.stored("photos"), len(market.listings))
        return found

    @property
    def engine(self) -> Engine | None:
        """The model over the market that `spaces` saw last; None without a model."""
        return self._engine

    def _encode(self, market: Market, rows: np.ndarray) -> np.ndarray:
        """(n, d) the listings `rows`, which also take their place in the engine's features."""
        engine = self._engine
        assert engine is not None
        shown = market.photos[C.LISTING].isin(market.listings[C.LISTING].iloc[rows]).to_numpy(bool)
        some = replace(
            market,
            listings=market.listings.iloc[rows].reset_index(drop=True),
            photos=market.photos[shown].reset_index(drop=True),
            events=market.events.iloc[:0],
        )
        features = engine.featurizer.transform(some, self._photos(market, shown))
        self._tick()
        vectors = replace(engine, features=features).encode_listings(lambda _: self._tick())
        self.counts.listings += len(rows)
        self._engine = replace(engine, features=replaced(engine.features, features, rows))
        return vectors

    def _photos(self, market: Market, rows: np.ndarray) -> PhotoVectors | None:
        """Vectors of the photos `rows` (P,) bool, of which those that no cache has are embedded; None without any."""
        name, table = self.run.manifest.photo_encoder, market.photos[rows].reset_index(drop=True)
        if not name or not len(table):
            return None
        found = load_photo_vectors(market.path, table, name)
        if found is not None and found.ok.all():
            return found
        parts = []
        for part in name.split(JOIN):
            encoder = self._encoder(market, part)
            before = encoder.count
            parts.append(embed_photos(market.path, table, encoder, report=lambda _: self._tick()))
            self.counts.photos += encoder.count - before
        return combine(parts)

    def _encoder(self, market: Market, name: str) -> _Counting:
        if name not in self._encoders:
            from listing_vibes.features.photos.of_market import encoder_of

            weights = trained_weights(self.run.folder, name)
            self._encoders[name] = _Counting(encoder_of(market, name, weights))
        return self._encoders[name]


class _Counting:
    """A photo encoder that counts what it encodes."""

    def __init__(self, encoder: Encoder) -> None:
        self.name, self.width, self.size = encoder.name, encoder.width, encoder.size
        self._encoder, self.count = encoder, 0

    def prepare(self, image: Image.Image) -> np.ndarray:
        """See `Encoder`."""
        return self._encoder.prepare(image)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """See `Encoder`."""
        self.count += len(images)
        return self._encoder.encode(images)


def _padded(vectors: np.ndarray, listings: int) -> np.ndarray:
    """(listings, d) with zero rows behind."""
    return np.concatenate([vectors, np.zeros((listings - len(vectors), vectors.shape[1]), vectors.dtype)])
