"""Finding listings by what their photos show, described in words; see `listing_vibes.features.photos.looks`."""

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
from listing_vibes.features.photos.looks import Looks, load_looks, look_at, save_looks
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
    """The photos of a run's market, ready to be searched."""

    run: Run
    looks: Looks

    @classmethod
    def open(cls, run: Run) -> PhotoSearch | None:
        """What the run holds or caches already; None where `make` has to look at the photos first."""
        file = run_cache_file(run.path, FILE)
        if not file.is_file():  # a page asks at each of its runs
            return None
        looks = load_looks(file, photos_of(run.market))
        if looks is None:  # by which it was kept once
            looks = load_looks(file, run.market.fingerprint)
        return None if looks is None else cls(run, looks)

    @classmethod
    def make(cls, run: Run, report: Report | None = None) -> PhotoSearch:
        """Look at every photo, once: vectors that are cached are taken, the others made, which can be broken off.

        The result is kept in the run's cache, or in memory only where that cannot be written.

        Raises:
            VibesError: the market has no photos, or an encoder is not at hand.
        """
        market = run.market
        if not len(market.photos):
            raise VibesError(f"{market.path} has no photos, so none can be searched.")
        with needs("Looking at photos"):
            from listing_vibes.features.photos.market_photos import market_photos
            from listing_vibes.features.photos.tail import load_photo_encoder
        photos = market_photos(market, ENCODER, report=report)
        assert photos is not None  # it has photos
        looks = look_at(photos.vectors, photos.ok, load_photo_encoder(ENCODER), _text_encoder())
        with suppress(OSError, VibesError):
            save_looks(looks, run_cache(run.path) / FILE, photos_of(market))
        return cls(run, looks)

    def find(self, text: str, may: np.ndarray | None = None, most: int | None = None) -> pd.DataFrame:
        """Listings with a photo, by the photo that comes nearest to `text`, the best first.

        Args:
            may: (L,) bool, which listings of the market may be found; None: all.
            most: how many; None: all.

        Returns:
            `listing_id, photo, score, seen`: the photo's place among those of its listing (0 is the cover), its cosine,
            and what it was taken for.

        Raises:
            VibesError: the text is empty, or the text encoder is not at hand or another than the photos were looked at with.
        """
        if not text.strip():
            raise VibesError("The description is empty; write what the photo should show.")
        encoder = _text_encoder()
        if encoder.name != str(self.looks.text_encoder[0]):
            raise VibesError(
                f"The photos were described with '{self.looks.text_encoder[0]}', the text encoder at hand is "
                f"'{encoder.name}'; delete {run_cache_file(self.run.path, FILE)}."
            )
        query = encoder.encode([text.strip()])[0]  # (d,)
        photos = self.run.market.photos
        score = self.looks.similarity(query)  # (P,)
        usable = np.flatnonzero(self.looks.ok)
        order = usable[np.argsort(-score[usable], kind="stable")]
        listing = photos[C.LISTING].to_numpy(str)[order]
        first = np.sort(np.unique(listing, return_index=True)[1])  # each listing's best photo
        if may is not None:
            first = first[may[[self.run.market.listing_row[name] for name in listing[first]]]]
        first = first[:most]  # what is seen in a photo is worded for these alone
        best = order[first]
        return pd.DataFrame(
            {
                C.LISTING: listing[first].tolist(),
                "photo": photos.groupby(C.LISTING, sort=False).cumcount().to_numpy()[best],
                "score": score[best].astype(float),
                "seen": [", ".join(self.looks.seen(int(photo), query)) for photo in best],
            }
        )


def prepare_looks(run: Run, report: Report | None = None) -> None:
    """Make what `PhotoSearch.open` reads where that costs little: where the run's photos went through `ENCODER` already, so
    that the names of the map know what photos show, and the first search finds all prepared. What fails here is told to
    whoever searches.
    """
    name = run.manifest.photo_encoder or ""
    if not name.startswith(ENCODER) or not len(run.market.photos) or PhotoSearch.open(run) is not None:
        return
    with suppress(VibesError):
        PhotoSearch.make(run, report)


@cached_per_object
def photos_of(market: Market) -> str:
    """What tells the photos of a market from any others: whose each is, its path and its size, and by what they are looked at.

    Not the state of the whole market, as then each refresh, be it of events alone, would have them all looked at anew; nor the
    files' dates, which a copy or a checkout changes.
    """
    digest, folders = hashlib.sha256(ENCODER.encode()), PhotoFolders.of(market.path)
    for listing, path in zip(market.photos[C.LISTING], market.photos[C.PATH], strict=True):
        size = -1
        with suppress(OSError, ValueError, TypeError):  # a missing one has a place as well
            size = os.stat(folders.file(path)).st_size
        digest.update(repr((str(listing), str(path), size)).encode())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _text_encoder() -> TextEncoder:
    return load_text_encoder()
