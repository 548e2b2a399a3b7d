"""Search of listings by what their photos show, in words; see `listing_vibes.features.photos.looks`."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from listing_vibes.cache import cached_per_object
from listing_vibes.errors import VibesError, needs
from listing_vibes.features.photos.looks import Looks, classify_photos, load_looks, save_looks
from listing_vibes.features.photos.trainable import LITE0
from listing_vibes.features.texts.encoder import TextEncoder, load_text_encoder
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.photo_files import PhotoFolders
from listing_vibes.progress import Report
from listing_vibes.run.run import Run

FILE = "looks.npz"
ENCODER = LITE0


@dataclass(frozen=True, eq=False)
class PhotoSearch:
    """The classified photos of a run's market."""

    run: Run
    looks: Looks

    @classmethod
    def open(cls, run: Run) -> PhotoSearch | None:
        """Open the run's stored or cached search; None if `make` must classify the photos first."""
        file = run_cache_file(run.path, FILE)
        if not file.is_file():  # called by pages for each of their runs
            return None
        looks = load_looks(file, photos_of(run.market)) or load_looks(file, run.market.fingerprint)
        return None if looks is None else cls(run, looks)

    @classmethod
    def make(cls, run: Run, report: Report | None = None) -> PhotoSearch:
        """Classify every photo, once: cached vectors are reused, and the embedding of the others may be interrupted.

        The result is written into the run's cache, or stays in memory if the cache cannot be written.

        Raises:
            VibesError: the market has no photos, or an encoder is not available.
        """
        market = run.market
        if not len(market.photos):
            raise VibesError(f"{market.path} has no photos, so none can be searched.")
        with needs("Looking at photos"):
            from listing_vibes.features.photos.market_photos import market_photos
            from listing_vibes.features.photos.tail import load_photo_encoder
        photos = market_photos(market, ENCODER, report=report)
        assert photos is not None  # it has photos
        looks = classify_photos(photos.vectors, photos.ok, load_photo_encoder(ENCODER), _text_encoder())
        with suppress(OSError, VibesError):
            save_looks(looks, run_cache(run.path) / FILE, photos_of(market))
        return cls(run, looks)

    def find(self, text: str, may: np.ndarray | None = None, most: int | None = None) -> pd.DataFrame:
        """Return listings by their photo nearest to `text`, the best first.

        Args:
            may: (L,) bool, candidates of the market; None: all.
            most: maximum number; None: all.

        Returns:
            `listing_id, photo, score, seen`: the photo's position in its listing (0 is the cover), its cosine, and its classes.

        Raises:
            VibesError: the text is empty, or the text encoder is not available or differs from that of the classified photos.
        """
        if not text.strip():
            raise VibesError("The description is empty; write what the photo should show.")
        encoder = _text_encoder()
        if encoder.name != str(self.looks.text_encoder[0]):
            raise VibesError(
                f"The photos were described with '{self.looks.text_encoder[0]}', the available text encoder is "
                f"'{encoder.name}'; delete {run_cache_file(self.run.path, FILE)}."
            )
        query, market = encoder.encode([text.strip()])[0], self.run.market  # (d,)
        result = pd.DataFrame(
            {
                C.LISTING: market.photos[C.LISTING].to_numpy(str),
                "photo": market.photos.groupby(C.LISTING, sort=False).cumcount().to_numpy(),
                "score": self.looks.similarity(query).astype(float),  # (P,)
            }
        )[np.asarray(self.looks.ok, bool)]
        if may is not None:
            result = result[may[result[C.LISTING].map(market.listing_row).to_numpy(int)]]
        best = (
            result.sort_values("score", ascending=False, kind="stable")
            .drop_duplicates(C.LISTING)
            .head(len(result) if most is None else most)
        )
        return best.assign(seen=self.looks.seen(best.index.to_numpy(), query)).reset_index(drop=True)


def prepare_looks(run: Run, report: Report | None = None) -> None:
    """Classify the photos if they are embedded by `ENCODER` already, so that it is cheap. The names of the map's groups then use
    photo classes, and the first search is fast. A failure is reported by the search.
    """
    name = run.manifest.photo_encoder or ""
    if name.startswith(ENCODER) and len(run.market.photos) and PhotoSearch.open(run) is None:
        with suppress(VibesError):
            PhotoSearch.make(run, report)


@cached_per_object
def photos_of(market: Market) -> str:
    """Return a digest of the photos of a market: listing, path and size of each, and the encoder.

    It does not cover the whole market, since then each refresh, even of events only, would classify all photos again; nor the
    files' dates, which a copy or a checkout changes.
    """
    digest, folders = hashlib.sha256(ENCODER.encode()), PhotoFolders.of(market.path)
    for listing, path in zip(market.photos[C.LISTING], market.photos[C.PATH], strict=True):
        size = -1
        with suppress(OSError, ValueError, TypeError):  # a missing file counts as well
            size = os.stat(folders.file(path)).st_size
        digest.update(repr((str(listing), str(path), size)).encode())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _text_encoder() -> TextEncoder:
    return load_text_encoder()
