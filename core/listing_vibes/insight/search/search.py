"""The listings whose photos are nearest to a description or to another photo, under rules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.search.photo_search import PhotoSearch
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.moments import Moment
from listing_vibes.progress import Report
from listing_vibes.run.conditions import Groups
from listing_vibes.run.describe import with_titles
from listing_vibes.run.histories import named_rows
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run

if TYPE_CHECKING:
    from listing_vibes.run.newcomers import Newcomers  # a slow import that a search by words does not need

#: Rules that say which listings may be found; those that order them are of no use to a description.
TAKES = ("k", "live_only", "where", "block")


def search_photos(
    run: Run,
    words: str = "",
    k: int | None = None,
    at: Moment | None = None,
    rules: Rules | Mapping[str, Any] | None = None,
    report: Report | None = None,
    photos: PhotoSearch | None = None,
    photo: Path | str | bytes | None = None,
    newcomers: Newcomers | None = None,
) -> pd.DataFrame:
    """Return the listings with the photo that is nearest to `words`, or those that look most like another `photo`, the best first.

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
        photo: a file or its content; listings are compared with it in the space of photos.
        newcomers: encodes `photo`, for callers with several photos.

    Returns:
        `listing_id, score`, by words also `photo, seen` (see `PhotoSearch.find`), and `title` where the market names its listings.

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
    most, may = query.length(k), _candidates(run, query, run.moment(at))
    if photo is not None:
        return with_titles(run, _like_photo(run, newcomers, photo, may, most))
    opened = photos or PhotoSearch.open(run) or PhotoSearch.make(run, report)
    return with_titles(run, opened.find(words, may, most))


def _candidates(run: Run, query: Rules, moment: int) -> np.ndarray:
    """Return which listings of the market the rules allow, (L,) bool."""
    may = run.catalogue.live(moment) if query.live_only else np.ones(len(run.listing_ids), bool)
    if (fulfilling := Groups.of(query, run.market).fulfilling) is not None:
        may = may & fulfilling
    may[named_rows(run, query.block, "block")] = False
    return may


def _like_photo(
    run: Run, newcomers: Newcomers | None, photo: Path | str | bytes, may: np.ndarray, most: int
) -> pd.DataFrame:
    """Return `listing_id, score` of the `most` listings that are nearest to a photo in the space of photos and that `may` (L,) allows."""
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
    scores = np.where(may, encoded.scores["photos"], -np.inf).astype(np.float32)
    return run.nearest(scores, most)[[C.LISTING, "score"]]
