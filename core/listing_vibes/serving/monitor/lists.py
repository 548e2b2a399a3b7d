"""Checks of lists now and at the start of the test period: catalogue coverage, concentration, sellers and age."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy import stats

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.column_names import market_columns
from listing_vibes.market.io import find_table
from listing_vibes.market.log import DAY
from listing_vibes.run.groups import Groups, attribute_name, resolve_rules
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.scoring.metrics import Coverage
from listing_vibes.serving.monitor.checks import Check, Thresholds
from listing_vibes.serving.monitor.drift import ALPHA
from listing_vibes.words import count

#: Maximum number of sampled lists; resamples; days for which a listing counts as young.
LISTS, RESAMPLES, YOUNG = 1000, 200, 14
#: Default columns of the seller of a listing.
SELLER = re.compile(r"(host|seller|shop|owner|vendor|merchant|agent|landlord|brand)(_?id)?", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class SampledLists:
    """Lists of the users who were active last before a moment.

    Attributes:
        at: the moment; active: (L,) bool, the candidates; rows: (n, k) rows of listings, -1 in shorter lists.
    """

    at: int
    active: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, run: Run, at: int, most: int, blend: str | None = None) -> SampledLists:
        """Return the lists at a moment of the `most` users who were active last before it."""
        log = run.log
        start = log.start[:-1]
        end = start + np.bincount(log.user[log.time < at], minlength=len(log.users))
        users = np.flatnonzero(end > start)
        users = np.sort(users[np.argsort(-log.time[end[users] - 1], kind="stable")[:most]])
        lists = run.recommender(blend=blend).recommend(log, start[users], end[users], at, K)
        return cls(at, run.catalogue.live(at) & run.index("model").known, lists.rows)

    @property
    def coverage(self) -> tuple[float, float | None, float | None]:
        """Return the share of active listings that are in at least one list, with its jackknife interval over users."""
        result, users = Coverage(len(self.active)), np.arange(len(self.rows))
        has_listing = self.rows >= 0
        user = np.repeat(users, has_listing.sum(axis=1))
        result.add(user, self.rows[has_listing], self.active[None])
        return result.value, *result.interval(users)

    def places(self, lists: np.ndarray | None = None) -> np.ndarray:
        """Return the number of lists (L,) that show each listing, of all lists or of a subset."""
        rows = self.rows if lists is None else self.rows[lists]
        return np.bincount(rows[rows >= 0], minlength=len(self.active))

    def gini(self, lists: np.ndarray | None = None) -> float:
        """Return the Gini coefficient of `places` among active listings."""
        return gini(self.places(lists)[self.active])


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
    lists = [
        SampledLists.of(run, at, max(2, round(each * n)), blend)
        for at, n in zip((now, then), active, strict=True)
    ]
    return lists[0], lists[1]


def list_checks(
    run: Run,
    now: SampledLists,
    then: SampledLists | None,
    train: np.ndarray | None,
    by: str | None,
    limits: Thresholds,
) -> list[Check]:
    """Return the checks of lists.

    Args:
        train: (N,) bool, the training events; None: unknown, for a model of another market.
        by: the attribute of the seller; None: a column such as host_id, if there is one.
    """
    results = [coverage_check(now, then, limits), concentration_check(now, then, limits)]
    if by is None and now.active.any():
        source = find_table(run.market.tables, "listings")
        names = [] if source is None else market_columns(source, run.market.config)
        by = next((name for name in names if SELLER.fullmatch(name)), None)
    if by is not None:
        results.append(seller_check(run, now, by, limits))
    if (young := age_check(run, now)) is not None:
        results.append(young)
    if train is not None:
        results.append(cold_check(run.log.counts(train) == 0, now, then, limits))
    return results


def coverage_check(now: SampledLists, then: SampledLists | None, limits: Thresholds) -> Check:
    """Check the share of active listings that are in at least one list."""
    value, low, high = now.coverage
    sentence = f"{count(len(now.rows), 'list')} of {K} show {value:.0%} of the {count(int(now.active.sum()), 'active listing')}"
    before, crossed = None, False
    if then is not None:
        before, least, _ = then.coverage
        sentence += (
            f"; at the start of the test period the same number of lists per listing showed {before:.0%}"
        )
        limit = limits.coverage_drop
        is_significant = high is not None and least is not None and high < least
        crossed = limit is not None and value < (1 - limit) * before and is_significant
    return Check(
        name="coverage", value=value, low=low, high=high, before=before, crossed=crossed, sentence=f"{sentence}.",
        look="the listings that are in no list: what they have in common, and whether photos or attributes are missing.",
        listings=now.active & (now.places() == 0),
    )  # fmt: skip


def concentration_check(now: SampledLists, then: SampledLists | None, limits: Thresholds) -> Check:
    """Check the Gini coefficient of how often lists show active listings (0 is equal), with a bootstrap over lists."""
    value, before, crossed = now.gini(), None, False
    sentence = f"The Gini coefficient of how often lists show active listings is {value:.2f}"
    if then is not None:
        before = then.gini()
        sentence += f"; it was {before:.2f} at the start of the test period"
        limit = limits.concentration_rise
        if limit is not None and value - before > limit and min(len(now.rows), len(then.rows)) > 1:
            rise = stats.bootstrap(
                (np.arange(len(now.rows)), np.arange(len(then.rows))),
                lambda item, two: now.gini(item) - then.gini(two),
                n_resamples=RESAMPLES, vectorized=False, method="percentile", confidence_level=1 - ALPHA, rng=0,
            ).confidence_interval  # fmt: skip
            crossed = bool(rise.low > 0)
    places = now.places()
    most = np.argsort(-np.where(now.active, places, -1), kind="stable")[: max(1, int(now.active.sum()) // 10)]
    return Check(
        name="concentration", value=value, before=before, crossed=crossed, sentence=f"{sentence}.",
        look="the listings that are shown most; `--at-most`, `--diversity` and the rule `boost = 'fresh …'` show others.",
        listings=~np.isin(np.arange(len(places)), most),
    )  # fmt: skip


def seller_check(run: Run, now: SampledLists, by: str, limits: Thresholds) -> Check:
    """Check the share of list entries of the tenth of sellers that is shown most, compared with its share of active listings.

    Raises:
        VibesError: the market has no such attribute.
    """
    rules = resolve_rules(
        Rules(at_most=1, seller=attribute_name(run.market, by, "Argument by")), run.market, True
    )
    codes = Groups.of(rules, run.market).seller
    assert codes is not None
    available = now.active & (codes >= 0)
    if not available.any():
        raise VibesError(
            f"Argument by names '{by}', which no active listing has; give another attribute of sellers."
        )
    sellers, who = np.unique(codes[available], return_inverse=True)
    places, listings = np.bincount(who, now.places()[available]), np.bincount(who)
    top = np.argsort(-places, kind="stable")[: max(1, round(len(sellers) / 10))]
    value, before = (
        float(places[top].sum() / max(1, places.sum())),
        float(listings[top].sum() / listings.sum()),
    )
    label = next(
        (attribute.label for attribute in run.market.attributes if attribute.name == rules.seller), by
    )
    return Check(
        name="sellers", of=by, value=value, before=before,
        crossed=limits.top_tenth is not None and value > limits.top_tenth,
        sentence=f"The tenth of {count(len(sellers), 'value')} of {label} that is shown most has {value:.0%} of the list entries and "
        f"{before:.0%} of the active listings.",
        look=f"who they are; `--at-most N {by}` limits them in each list.",
        listings=np.isin(codes, sellers[top]) & (codes >= 0),
    )  # fmt: skip


def age_check(run: Run, now: SampledLists) -> Check | None:
    """Check the share of list entries of young listings, compared with their share of active listings; None without dates."""
    since = run.catalogue.since
    available = now.active & (since > np.iinfo(np.int64).min)
    if not run.log.timed or not available.any():
        return None
    young, places = available & (now.at - since <= YOUNG * DAY), now.places()
    value, before = (
        float(places[young].sum() / max(1, places[available].sum())),
        float(young.sum() / available.sum()),
    )
    return Check(
        name="young", value=value, before=before, listings=young,
        sentence=f"Listings of the last {YOUNG} days have {value:.0%} of the list entries and are {before:.0%} of the active listings.",
        look="the rule `boost = 'fresh 0.5 14d'`, which gives new listings a higher score.",
    )  # fmt: skip


def cold_check(cold: np.ndarray, now: SampledLists, then: SampledLists | None, limits: Thresholds) -> Check:
    """Check the share of cold listings (L,) among active listings, and their share of list entries."""
    value, before = (
        None if lists is None or not lists.active.any() else float(cold[lists.active].mean())
        for lists in (now, then)
    )
    if value is None:
        return Check(name="cold", before=before, sentence="No listing is active, so none is cold.")
    share = float(now.places()[cold].sum() / max(1, now.places().sum()))
    was = "" if before is None else f", compared with {before:.0%} at the start of the test period"
    return Check(
        name="cold", value=value, before=before, listings=cold,
        crossed=limits.cold_share is not None and value > limits.cold_share,
        sentence=f"{value:.0%} of the active listings are cold (without an event in training){was}; they have {share:.0%} of the list "
        "entries.",
        look="the page Cold start; recall on cold listings in `vibes evaluate RUN`.",
    )  # fmt: skip


def gini(values: np.ndarray) -> float:
    """Return the Gini coefficient of amounts (n,): 0 if all are equal, towards 1 if one has all."""
    ordered, number = np.sort(values.astype(float)), len(values)
    total = ordered.sum()
    if not number or not total:
        return 0.0
    return float((2 * (np.arange(1, number + 1) * ordered).sum() / (number * total)) - (number + 1) / number)
