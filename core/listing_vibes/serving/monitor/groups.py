"""Which listings are new: since the last look (without one, since refreshes began), since training, and all that is live."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from listing_vibes.run.contents import read_spaces
from listing_vibes.run.run import Run
from listing_vibes.serving.monitor.checks import Monitored, Reached
from listing_vibes.serving.monitor.drift import Group


def groups(run: Run, t1: int | None, train: np.ndarray | None, before: Monitored | None) -> tuple[list[Group], Reached]:  # fmt: skip
    """The groups of listings that are compared with what trained, and how far this look saw.

    New since training is what was published after it, and what refreshes brought; refreshes put it behind the rest.

    Args:
        t1: the end of training; train: (N,) bool, the events that trained; None: nobody knows, of another market's model.
        before: the last look, where there was one.
    """
    ids, live = run.listing_ids, run.catalogue.live(run.after_last_event)
    made, every = _made(run), np.arange(len(ids))
    new = every >= made
    if train is not None:
        touched, since = run.log.counts(train) > 0, run.catalogue.since
        if t1 is not None:
            new |= (since >= t1) & ~touched
        published = since > np.iinfo(np.int64).min
        # What was there and took no part, as nobody touched it and it has no date, was unlike the rest from the beginning.
        live &= new | touched | (published & (t1 is None or since < t1))
    found = [Group("live", "the live listings", np.flatnonzero(live))]
    if new.any() and not new.all():
        found.insert(
            0,
            Group(
                "new",
                f"the listings since {'training' if train is not None else 'the run was made'}",
                np.flatnonzero(new),
            ),
        )
    last = None if before is None else before.reached
    seen = last is not None and 0 < last.listings <= len(ids) and ids[last.listings - 1] == last.last
    first, words = made, "the listings that refreshes brought"
    if last is not None and seen:
        first = last.listings if last.listings < len(ids) else last.first
        words = "the listings since the last look"
    if 0 < first < len(ids):
        found.insert(0, Group("newest", words, every[first:]))
    return found, Reached(first=first, listings=len(ids), last=ids[-1])


def new_rows(some: Sequence[Group]) -> np.ndarray:
    """The rows of the listings that came since training, as far as anybody knows."""
    return next((group.rows for group in some if group.name == "new"), np.zeros(0, np.int64))


def _made(run: Run) -> int:
    """How many listings the run was made over, before its refreshes."""
    if not run.generation:
        return len(run.listing_ids)
    return len(read_spaces(run.made / "listings.safetensors")["listing_id"])
