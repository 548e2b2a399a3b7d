"""The rows behind a link of the explorer, in a notebook."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pandas as pd

from listing_vibes.errors import VibesError, printable
from listing_vibes.insight.selection.filters import NAMES
from listing_vibes.insight.selection.pages import PAGES
from listing_vibes.insight.selection.params import WRITTEN
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.run.run import Run
from listing_vibes.words import cut


def selection(run: Run, url: str) -> pd.DataFrame:
    """The rows that a page of the explorer shows at an address: a link that somebody sent, opened in a notebook.

    >>> found = selection(run, "http://127.0.0.1:8501/similar?listing=home-0003&k=6&space=attributes")
    >>> found["listing_id"].tolist() == run.similar("home-0003", 6, space="attributes")["listing_id"].tolist()
    True

    Args:
        run: the run that the link was made on; its address does not say where that lies.
        url: of the pages Similar, Users, Simulate, Cold start or Compare (there the list of `run`), whole or from `/` on.

    Returns:
        What `Run.similar`, `Run.recommend` or `listing_vibes.search_photos` gives; of several lists side by side one below the other, behind
        a column `list` with what the page calls each.

    Raises:
        VibesError: the address is of no such page, names nothing that the run knows, or has a filter or a rule that the run does
            not have or that cannot be read.
    """
    found = selections(run, url)
    if len(found) == 1:
        return found[0].frame(run)
    frames = [one.frame(run) for one in found]
    for one, frame in zip(found, frames, strict=True):
        frame.insert(0, "list", one.label)
    return pd.concat(frames, ignore_index=True)


def selections(run: Run, url: str) -> list[Selection]:
    """What the page at an address asks for.

    Raises:
        VibesError: see `selection`.
    """
    name, params = page_of(url)
    if name not in PAGES:
        raise VibesError(
            f"The link '{url[:80]}' is of no page that shows a list; give one of {', '.join(PAGES)}, such as "
            "'/similar?listing=ID'."
        )
    left = [one for one in params.items() if one[0] not in {*WRITTEN, *NAMES}]
    found = PAGES[name](run, params, left)
    if left:
        told = " and ".join(
            f"“{printable(one)}={cut(printable(value), 60)}”" for one, value in dict.fromkeys(left)
        )
        raise VibesError(
            f"The link asks for {told}, which the page {name} does not know or {run.path} does not have; take it out of the link, or "
            "open the run that the link was made on."
        )
    return found


def page_of(url: str) -> tuple[str, dict[str, str]]:
    """The page that an address is of ("" the first), and what it asks.

    Raises:
        VibesError: it is no address.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError as error:  # as `//[x`, which begins a host that does not end
        raise VibesError(
            f"The link '{url[:80]}' is no address ({error}); copy it from the explorer anew."
        ) from error
    return parts.path.rstrip("/").rpartition("/")[2], dict(parse_qsl(parts.query))
