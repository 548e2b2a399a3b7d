"""Check of lists now and at the start of the test period: catalogue coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.run.histories import history_ends
from listing_vibes.run.run import Run
from listing_vibes.scoring.metrics import Coverage
from listing_vibes.serving.monitor.checks import Check, Thresholds
from listing_vibes.words import count

#: Maximum number of sampled lists.
LISTS = 1000


@dataclass(frozen=True, eq=False)
class SampledLists:
    """Lists of the users who were active last before a moment.

    Attributes:
        active: (L,) bool, the candidates; rows: (n, k) rows of listings, -1 in shorter lists.
    """

    active: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, run: Run, at: int, most: int, blend: str | None = None) -> SampledLists:
        """Return the lists at a moment of the `most` users who were active last before it."""
        log, start, end = run.log, run.log.start[:-1], history_ends(run, at)
        users = np.flatnonzero(end > start)
        users = np.sort(users[np.argsort(-log.time[end[users] - 1], kind="stable")[:most]])
        lists = run.recommender(blend=blend).recommend(log, start[users], end[users], at, K)
        return cls(run.catalogue.live(at) & run.index("model").known, lists.rows)

    @property
    def coverage(self) -> tuple[float, float | None, float | None]:
        """Return the share of active listings that are in at least one list, with its jackknife interval over users."""
        result, users = Coverage(len(self.active)), np.arange(len(self.rows))
        has_listing = self.rows >= 0
        user = np.repeat(users, has_listing.sum(axis=1))
        result.add(user, self.rows[has_listing], self.active[None])
        return result.value, *result.interval(users)


def now_and_then(
    run: Run, then: int | None, blend: str | None = None
) -> tuple[SampledLists, SampledLists | None]:
    """Return the lists after the last event and those at the moment `then`.

    Both have the same number of lists per active listing, since more lists show more of a catalogue.
    """
    log, now = run.log, run.after_last_event
    if then is None or not log.timed:
        return SampledLists.of(run, now, LISTS, blend), None
    users = [len(np.unique(log.user[log.time < at])) for at in (now, then)]
    active = [max(1, int(run.catalogue.live(at).sum())) for at in (now, then)]
    each = min(min(LISTS, number) / listings for number, listings in zip(users, active, strict=True))
    first, second = (max(2, round(each * listings)) for listings in active)
    return SampledLists.of(run, now, first, blend), SampledLists.of(run, then, second, blend)


def coverage_check(now: SampledLists, then: SampledLists | None, limits: Thresholds) -> Check:
    """Check the share of active listings that are in at least one list."""
    value, low, high = now.coverage
    sentence = f"{count(len(now.rows), 'list')} of {K} show {value:.0%} of the {count(int(now.active.sum()), 'active listing')}"
    before, limit, crossed = None, limits.coverage_drop, False
    if then is not None:
        before, least, _ = then.coverage
        sentence += (
            f"; at the start of the test period the same number of lists per listing showed {before:.0%}"
        )
        is_significant = high is not None and least is not None and high < least
        crossed = limit is not None and value < (1 - limit) * before and is_significant
    return Check(
        name="coverage", value=value, low=low, high=high, before=before, crossed=crossed, sentence=f"{sentence}.",
        hint="the listings that are in no list: what they have in common, and whether photos or attributes are missing.",
    )  # fmt: skip
