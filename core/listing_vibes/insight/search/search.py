"""The listings whose photos are nearest to a description, under rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.insight.search.photo_search import PhotoSearch
from listing_vibes.market.moments import Moment
from listing_vibes.market.splits import Catalogue
from listing_vibes.progress import Report
from listing_vibes.run.describe import with_titles
from listing_vibes.run.groups import Groups
from listing_vibes.run.queries import named_rows
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run

#: Rules that say which listings may be found; those that order them are of no use to a description.
TAKES = ("k", "live_only", "where", "block")


def search_photos(
    run: Run,
    words: str,
    k: int | None = None,
    at: Moment | None = None,
    rules: Rules | Mapping[str, Any] | None = None,
    report: Report | None = None,
    photos: PhotoSearch | None = None,
) -> pd.DataFrame:
    """Return the listings with the photo that is nearest to `words`, the best first; photos are classified once, and that is cached.

    >>> search_photos(run, "canopy bed", k=3)
    Traceback (most recent call last):
    listing_vibes.errors.VibesError: ...market has no photos, so none can be searched.

    Args:
        k: how many, at most; None: that of the rules.
        at: the moment of `rules.live_only`; None: after the last event known.
        rules: `where`, `live_only` and `block`.
        report: gets the progress of photos that have to be classified first.
        photos: an open search of the photos of the run.

    Returns:
        `listing_id, photo, score, seen`, see `PhotoSearch.find`, and `title` where the market names its listings.

    Raises:
        VibesError: no photos, an empty description, an invalid `k`, a rule that orders lists, or a condition that cannot be read.
    """
    query = Rules.of(rules)
    others = [name for name in query.model_fields_set if name not in TAKES and getattr(query, name)]
    if others:
        raise VibesError(f"The rules have '{others[0]}'; a search takes {', '.join(TAKES[1:])}.")
    most = query.length(k)
    opened = photos or PhotoSearch.open(run) or PhotoSearch.make(run, report)
    market, moment = run.market, run.moment(at)
    may = np.ones(len(market.listings), bool)
    if query.live_only:
        may &= Catalogue.of(market).live(moment)
    if (fulfilling := Groups.of(query, market).fulfilling) is not None:
        may &= fulfilling
    may[
        [
            market.listing_row[run.listing_ids[row]]
            for row in named_rows(run, query.block, "block (option --exclude)")
        ]
    ] = False
    return with_titles(run, opened.find(words, may, most))
