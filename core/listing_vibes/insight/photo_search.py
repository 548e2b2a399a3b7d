"""Search of listings by what their photos show, in words (see `listing_vibes.features.photos.looks`) or by another photo."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from listing_vibes.cache import cached_per_object
from listing_vibes.errors import VibesError, needs
from listing_vibes.features.feature_config import LITE0
from listing_vibes.features.photos.looks import COMMON, Looks, classify_photos, load_looks, save_looks
from listing_vibes.features.texts.text_encoder import load_text_encoder
from listing_vibes.insight.map.tones import run_tones, tone_purity
from listing_vibes.insight.map.vibe_map import drawn_tones
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.moments import Moment
from listing_vibes.progress import Report, silent
from listing_vibes.run.conditions import Groups
from listing_vibes.run.histories import named_rows
from listing_vibes.run.query import with_titles
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run

if TYPE_CHECKING:
    from listing_vibes.run.newcomers import Newcomers  # a slow import that a search by words does not need

FILE = "looks.npz"
ENCODER = LITE0
#: Rules that say which listings may be found; those that order them are of no use to a description.
TAKES = ("k", "live_only", "where", "block")
#: The cosine of the most similar photo below which no photo shows a text. Of 36 texts in two markets, words that no class resembles
#: (a price, "democracy", another language) reach at most .34, and what a photo shows at least .36.
LEAST_SIMILARITY = 0.35


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
        looks = load_looks(file, photos_of(run.market))
        return None if looks is None else cls(run, looks)

    @classmethod
    def make(cls, run: Run, report: Report = silent) -> PhotoSearch:
        """Classify every photo, once: cached vectors are reused, and the embedding of the others may be interrupted.

        The result is written into the run's cache, or stays in memory if the cache cannot be written.

        Raises:
            VibesError: the market has no photos, or an encoder is not available.
        """
        market = run.market
        if not len(market.photos):
            raise VibesError(f"{market.path} has no photos, so none can be searched.")
        with needs("Looking at photos"):
            from listing_vibes.features.photos.encoders import market_photos
            from listing_vibes.features.photos.photo_encoder import load_photo_encoder
        photos = market_photos(market, ENCODER, report=report)
        assert photos is not None  # it has photos
        looks = classify_photos(photos.vectors, photos.ok, load_photo_encoder(ENCODER), load_text_encoder())
        with suppress(OSError, VibesError):
            save_looks(looks, run_cache(run.path) / FILE, photos_of(market))
        return cls(run, looks)

    @cached_property
    def colors(self) -> dict[str, np.ndarray]:
        """By words for a color: how pure it is on each listing's cover (L,), 0 without it; see `tone_purity`."""
        tones = drawn_tones(self.run)
        return tone_purity(run_tones(self.run) if tones is None else tones)

    def offers(self, most: int) -> list[tuple[str, str, int]]:
        """Return texts to search for, each with the listing and the position of the photo that shows it best.

        These are the at most `most` most frequent classes that `COMMON` of the photos clearly show, then as frequent colors of covers.
        """
        listing = self.run.market.photos[C.LISTING].to_numpy()
        position = self.run.market.photos.groupby(C.LISTING, sort=False).cumcount().to_numpy()
        offers = []
        for text in self.looks.frequent(most):
            is_of = self.looks.names[self.looks.classes] == text  # (P, T)
            clearest = int(np.where(is_of, self.looks.shares, 0).max(axis=1).argmax())
            offers.append((text, str(listing[clearest]), int(position[clearest])))
        for text, purity in self.colors.items():
            if np.count_nonzero(purity) >= COMMON * len(purity):
                offers.append((text, self.run.listing_ids[int(purity.argmax())], 0))
        return offers

    def is_color(self, text: str) -> bool:
        """Return whether a text is one of the words for colors, such as `green tones`."""
        color = text.strip().casefold()
        return color.endswith(" tones") and color in self.colors  # so that other texts do not need the colors

    def find(self, text: str, may: np.ndarray | None = None, most: int | None = None) -> pd.DataFrame:
        """Return listings by their photo nearest to `text`, the best first; words of `colors` find covers with this color.

        Args:
            may: (L,) bool, candidates of the market; None: all.
            most: maximum number; None: all.

        Returns:
            `listing_id, photo, score, seen`: the photo's position in its listing (0 is the cover), its cosine, and its classes. For
            a color, the score is its purity, and `seen` the color.

        Raises:
            VibesError: the text is empty, no photo of the market shows anything like it, or the text encoder is not available or
                differs from that of the classified photos.
        """
        if not text.strip():
            raise VibesError("The description is empty; write what the photo should show.")
        if self.is_color(text):
            return self._find_color(text.strip().casefold(), may, most)
        encoder = load_text_encoder()
        if encoder.name != str(self.looks.text_encoder[0]):
            raise VibesError(
                f"The photos were described with '{self.looks.text_encoder[0]}', the available text encoder is "
                f"'{encoder.name}'; delete {run_cache_file(self.run.path, FILE)}."
            )
        query, market = encoder.encode([text.strip()])[0], self.run.market  # (d,)
        photos = market.photos[[C.LISTING]].reset_index(drop=True)
        photos["photo"] = photos.groupby(C.LISTING, sort=False).cumcount()
        photos["score"] = self.looks.similarity(query).astype(float)  # (P,)
        if photos["score"].max() < LEAST_SIMILARITY:
            clearest = self.looks.names[self.looks.classes.flat[self.looks.shares.argmax()]]
            examples = ", ".join(f"'{name}'" for name in self.looks.frequent(5) or [clearest])
            raise VibesError(
                f"No photo shows anything like '{text.strip()}'; describe in English what a photo shows, such as {examples}."
            )
        is_candidate = np.asarray(self.looks.ok, bool)
        if may is not None:
            is_candidate = is_candidate & may[photos[C.LISTING].map(market.listing_row).to_numpy(int)]
        ranked = photos[is_candidate].sort_values("score", ascending=False, kind="stable")
        best = ranked.drop_duplicates(C.LISTING)[:most]
        return best.assign(seen=self.looks.seen(best.index.to_numpy(), query)).reset_index(drop=True)

    def _find_color(self, color: str, may: np.ndarray | None, most: int | None) -> pd.DataFrame:
        purity = self.colors[color] if may is None else self.colors[color] * may
        rows = np.argsort(-purity, kind="stable")[: np.count_nonzero(purity)][:most]
        listings = np.asarray(self.run.listing_ids, object)[rows]
        return pd.DataFrame({C.LISTING: listings, "photo": 0, "score": purity[rows], "seen": color})


def search_photos(
    run: Run,
    words: str = "",
    k: int | None = None,
    at: Moment | None = None,
    rules: Rules | Mapping[str, Any] | None = None,
    report: Report = silent,
    photos: PhotoSearch | None = None,
    photo: Path | str | bytes | None = None,
    newcomers: Newcomers | None = None,
) -> pd.DataFrame:
    """Return the listings with the photo that is nearest to `words` or to another `photo`, the best first.

    Photos are classified once for a search by words, and that is cached.

    >>> search_photos(run, "canopy bed", k=3)
    Traceback (most recent call last):
    listing_vibes.errors.VibesError: ...market has no photos, so none can be searched.

    Args:
        k: the maximum number of listings; None: `rules.k`.
        at: the moment of `rules.live_only`; None: after the last event known.
        rules: `where`, `live_only` and `block`.
        report: gets the progress of photos that have to be classified first.
        photos: an open search of the photos of the run.
        photo: a file or its content; each listing is ranked by its most similar photo.
        newcomers: encodes `photo`, for callers with several photos.

    Returns:
        `listing_id, photo, score`, by words also `seen` (see `PhotoSearch.find`), and `title` where the market names its listings.

    Raises:
        VibesError: no photos, neither words nor a photo or both, a photo that cannot be read, an invalid `k`, a rule that orders
            lists, or a condition that cannot be read.
    """
    if photo is not None and words.strip():
        raise VibesError("Give either words or a photo to search for, not both.")
    query = Rules.of(rules)
    others = [name for name in query.model_fields_set if name not in TAKES and getattr(query, name)]
    if others:
        raise VibesError(f"The rules have '{others[0]}'; a search takes {', '.join(TAKES[1:])}.")
    may = run.catalogue.live(run.moment(at)) if query.live_only else np.ones(len(run.listing_ids), bool)
    if (fulfilling := Groups.of(query, run.market).fulfilling) is not None:
        may = may & fulfilling
    may[named_rows(run, query.block, "block")] = False
    if photo is not None:
        cosines, best = photo_scores(run, photo, newcomers)
        nearest = run.nearest(np.where(may, cosines, -np.inf).astype(np.float32), query.length(k))
        if best is not None:
            rows = nearest[C.LISTING].map(run.listing_row).to_numpy(int)
            nearest.insert(1, "photo", best[rows])
        return with_titles(run, nearest)
    opened = photos or PhotoSearch.open(run) or PhotoSearch.make(run, report)
    return with_titles(run, opened.find(words, may, query.length(k)))


def photo_scores(
    run: Run, photo: Path | str | bytes, newcomers: Newcomers | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the cosine (L,) of each listing's best photo to a photo, -inf without one, and that photo's position (L,), 0 is the
    cover. Where the market has no cached vectors of its photos, the cosines are those of the listings, and there are no positions.
    """
    from listing_vibes.insight.occlusion import best_photos
    from listing_vibes.run.newcomers import Newcomers

    if "photos" not in run.spaces:
        raise VibesError(f"{run.path} has no space of photos, so it cannot be searched by a photo.")
    name = "The photo" if isinstance(photo, bytes) else str(photo)
    try:
        content = photo if isinstance(photo, bytes) else Path(photo).read_bytes()
    except OSError as error:
        raise VibesError(f"Cannot read the photo {name}: {error.strerror}; check the path.") from error
    encoded = (newcomers or Newcomers(run)).encode({}, [content], ["photos"])
    if "photos" not in encoded.scores:
        reason = next((reason for _, reason in encoded.broken), "cannot be used")
        raise VibesError(f"{name} {reason}; give another file.")
    return best_photos(run, encoded.vectors["photos"]) or (encoded.scores["photos"], None)


def looks_of(run: Run) -> Looks | None:
    """Return the classes of the run's photos; None if they were not classified yet."""
    search = PhotoSearch.open(run)
    return None if search is None else search.looks


def prepare_looks(run: Run, report: Report) -> None:
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
    digest = hashlib.sha256(ENCODER.encode())
    for listing, path in zip(market.photos[C.LISTING], market.photos[C.PATH], strict=True):
        size = -1
        with suppress(OSError, ValueError, TypeError):  # a missing file counts as well
            size = os.stat(os.path.join(market.path, path)).st_size
        digest.update(repr((str(listing), str(path), size)).encode())
    return digest.hexdigest()
