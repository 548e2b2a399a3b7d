"""What lists show now and showed when the test began: how much of the catalogue, of whom, and how old."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.log import DAY
from listing_vibes.run.groups import Groups, attribute_name, resolve_rules
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.scoring.metrics import Coverage
from listing_vibes.serving.monitor.checks import Check, Thresholds
from listing_vibes.serving.monitor.evidence import About
from listing_vibes.words import count

#: Lists that are made, at most; draws of them; a listing is young for so many days.
LISTS, DRAWS, YOUNG = 1000, 200, 14


@dataclass(frozen=True, eq=False)
class Shown:
    """Lists of the users who were active last before a moment.

    Attributes:
        at: the moment; live: (L,) bool; rows: (n, k) rows of listings, -1 where there are fewer.
        coverage: the share of what is live that is in at least one list, with its jackknife over users.
    """

    at: int
    live: np.ndarray
    rows: np.ndarray

    @property
    def coverage(self) -> tuple[float, float | None, float | None]:
        """Value, low and high."""
        found, users = Coverage(len(self.live)), np.arange(len(self.rows))
        there = self.rows >= 0
        user = np.repeat(users, there.sum(axis=1))
        found.add(user, self.rows[there], self.live[None])
        return found.value, *found.interval(users)

    def places(self, lists: np.ndarray | None = None) -> np.ndarray:
        """(L,) how many places each listing has, in all lists or in those drawn."""
        rows = self.rows if lists is None else self.rows[lists]
        return np.bincount(rows[rows >= 0], minlength=len(self.live))


def shown(run: Run, at: int, most: int, beside: str | None = None) -> Shown:
    """The lists at a moment of the `most` users who were active last before it."""
    log = run.log
    users = np.arange(len(log.users))
    end = np.array([log.history_at(int(user), at)[1] for user in users], np.int64)
    start = log.start[users]
    some = np.flatnonzero(end > start)
    some = some[np.argsort(-log.time[end[some] - 1], kind="stable")[:most]]
    some.sort()
    found = run.recommender(beside=beside).recommend(log, start[some], end[some], at, K)
    return Shown(at, run.catalogue.live(at) & run.index("model").known, found.rows)


def now_and_then(run: Run, then: int | None, beside: str | None = None) -> tuple[Shown, Shown | None]:
    """The lists after the last event and those at the moment `then`; of both as many a live listing, since more lists show
    more of a catalogue."""
    log, now = run.log, run.after_last_event
    if then is None or not log.timed:
        return shown(run, now, LISTS, beside), None
    active = [len(np.unique(log.user[log.time < at])) for at in (now, then)]
    live = [max(1, int(run.catalogue.live(at).sum())) for at in (now, then)]
    each = min(min(LISTS, users) / listings for users, listings in zip(active, live, strict=True))
    numbers = [max(2, round(each * listings)) for listings in live]
    return shown(run, now, numbers[0], beside), shown(run, then, numbers[1], beside)


def coverage_check(now: Shown, then: Shown | None, limits: Thresholds) -> Check:
    """The share of the live catalogue that is in anybody's list."""
    value, low, high = now.coverage
    told = f"{count(len(now.rows), 'list')} of {K} show {value:.0%} of the {count(int(now.live.sum()), 'live listing')}"
    before, crossed = None, False
    if then is not None:
        before, least, _ = then.coverage
        told += f"; when the test began, as many lists a listing showed {before:.0%}"
        limit = limits.coverage_drop
        apart = high is not None and least is not None and high < least
        crossed = limit is not None and value < (1 - limit) * before and apart
    look = "the listings that are in no list: what they have in common, and whether they have photos and attributes."
    return Check(name="coverage", value=value, low=low, high=high, before=before, crossed=crossed, sentence=told + ".", look=look)  # fmt: skip


def concentration_check(now: Shown, then: Shown | None, limits: Thresholds) -> Check:
    """How unequal the places in lists are among live listings: the Gini coefficient, 0 is equal."""
    value, before, crossed = gini(now.places()[now.live]), None, False
    told = f"The Gini coefficient of places in lists among live listings is {value:.2f}"
    if then is not None:
        before = gini(then.places()[then.live])
        told += f", and was {before:.2f} when the test began"
        limit = limits.concentration_rise
        rise = _draws(now) - _draws(then)
        crossed = limit is not None and value - before > limit and float(np.quantile(rise, 0.005)) > 0
    look = (
        "the listings with the most places; `--at-most`, `--diversity` and `--boost 'fresh …'` spread them."
    )
    return Check(name="concentration", value=value, before=before, crossed=bool(crossed), sentence=told + ".", look=look)  # fmt: skip


def about(run: Run, now: Shown, by: str | None) -> About:
    """The listings (L,) that each check of lists is about: in no list; not among the tenth that is shown most; of the sellers who
    are shown most; young."""
    places, since = now.places(), run.catalogue.since
    most = np.argsort(-np.where(now.live, places, -1), kind="stable")[: max(1, int(now.live.sum()) // 10)]
    found = {
        ("coverage", ""): now.live & (places == 0),
        ("concentration", ""): ~np.isin(np.arange(len(places)), most),
        ("young", ""): (since > np.iinfo(np.int64).min) & (now.at - since <= YOUNG * DAY),
    }
    if by is not None:
        codes = _sellers(run, by)[0]
        found["sellers", by] = np.isin(codes, _top(codes, now)[0]) & (codes >= 0)
    return found


def _sellers(run: Run, by: str) -> tuple[np.ndarray, str | None]:
    """(L,) a number of who offers each listing, below 0 where nobody says; the attribute's name."""
    name = attribute_name(run.market, by, "--by")
    rules = resolve_rules(Rules(at_most=1, seller=name), run.market, True)
    codes = Groups.of(rules, run.market).seller
    assert codes is not None
    return codes, rules.seller


def _top(codes: np.ndarray, now: Shown) -> tuple[np.ndarray, float, float, int]:
    """The tenth of sellers with the most places; their shares of the places and of what is live; how many sellers there are."""
    known = now.live & (codes >= 0)
    sellers, who = np.unique(codes[known], return_inverse=True)
    places, listings = np.bincount(who, now.places()[known]), np.bincount(who)
    top = np.argsort(-places, kind="stable")[: max(1, round(len(sellers) / 10))]
    return (
        sellers[top],
        float(places[top].sum() / max(1, places.sum())),
        float(listings[top].sum() / listings.sum()),
        len(sellers),
    )


def _draws(of: Shown) -> np.ndarray:
    rng, number = np.random.default_rng(0), len(of.rows)
    return np.array([gini(of.places(rng.integers(0, number, number))[of.live]) for _ in range(DRAWS)])


def seller_check(run: Run, now: Shown, by: str, limits: Thresholds) -> Check:
    """How many places the tenth of sellers has that has most, beside its share of what is live.

    Raises:
        VibesError: the market has no such attribute.
    """
    codes, name = _sellers(run, by)
    if not (now.live & (codes >= 0)).any():
        raise VibesError(
            f"Option --by names '{by}', which no live listing has; give another attribute of sellers."
        )
    _, value, live, sellers = _top(codes, now)
    crossed = limits.top_tenth is not None and value > limits.top_tenth
    label = next((one.label for one in run.market.attributes if one.name == name), by)
    return Check(
        name="sellers", of=by, value=value, before=live, crossed=crossed,
        sentence=f"The tenth of {count(sellers, 'value')} of {label} that is shown most has {value:.0%} of the places, with {live:.0%} "
        "of the live listings.",
        look=f"who they are; `--at-most N {by}` limits them in each list.",
    )  # fmt: skip


def age_check(run: Run, now: Shown) -> Check | None:
    """How many places young listings have, beside their share of what is live; None where nobody says when they came."""
    since = run.catalogue.since
    known = now.live & (since > np.iinfo(np.int64).min)
    if not run.log.timed or not known.any():
        return None
    young = known & (now.at - since <= YOUNG * DAY)
    places = now.places()
    value, live = float(places[young].sum() / max(1, places[known].sum())), float(young.sum() / known.sum())
    return Check(
        name="young", value=value, before=live,
        sentence=f"Listings of the last {YOUNG} days have {value:.0%} of the places, and are {live:.0%} of what is live.",
        look="`--boost 'fresh 0.5 14d'`, which gives new listings more.",
    )  # fmt: skip


def cold_check(run: Run, now: Shown, train: np.ndarray, then: Shown | None, limits: Thresholds) -> Check:
    """The share of live listings of which no event trained, and of the places that they have."""
    cold = run.log.counts(train) == 0
    value, before = (
        None if of is None or not of.live.any() else float(cold[of.live].mean()) for of in (now, then)
    )
    if value is None:
        return Check(name="cold", before=before, sentence="No listing is live, so none is cold.")
    places = now.places()
    shown_ = float(places[cold].sum() / max(1, places.sum()))
    was = "" if before is None else f", and were {before:.0%} when the test began"
    return Check(
        name="cold", value=value, before=before,
        crossed=limits.cold_share is not None and value > limits.cold_share,
        sentence=f"{value:.0%} of the live listings are cold (none of their events trained){was}; they have {shown_:.0%} of the places.",
        look="the page Cold start; recall on cold listings in `vibes evaluate RUN`.",
    )  # fmt: skip


def gini(values: np.ndarray) -> float:
    """The Gini coefficient of amounts (n,): 0 where all are equal, towards 1 where one has all."""
    ordered, number = np.sort(values.astype(float)), len(values)
    total = ordered.sum()
    if not number or not total:
        return 0.0
    return float((2 * (np.arange(1, number + 1) * ordered).sum() / (number * total)) - (number + 1) / number)
