"""The sessions of the demo market, day by day: which users come, what they open, and their events (the model: `choice`)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from listing_vibes.demo.choice import Stock, exposure, matches, order, utility
from listing_vibes.demo.listings import ACTIONS, Offer
from listing_vibes.demo.parameters import Parameters
from listing_vibes.demo.users import People
from listing_vibes.market.columns import Columns as C

DAY_SECONDS = 86_400
#: Starting hours of sessions: share, mean, standard deviation.
HOURS = ((0.15, 8.2, 0.9), (0.25, 12.6, 1.3), (0.60, 20.3, 1.6))
NEW, SEEN, SAVED = 0, 1, 2
SAVES = ACTIONS.index("favourite")  # from this action on, a listing counts as saved


def simulate_events(
    offers: list[Offer], stock: Stock, people: People, seed: int, parameters: Parameters
) -> pd.DataFrame:
    """Return the table `events`, sorted by user and time."""
    days = _days(stock, people, np.random.default_rng([seed, 5]), parameters)
    visits = pd.concat(days).sort_values(["user", "second"], kind="stable", ignore_index=True)
    first = pd.Timestamp(parameters.market.first_day, tz="UTC")
    return pd.DataFrame(
        {
            C.USER: np.array(people.names, object)[visits["user"]],
            C.LISTING: np.array([o.listing_id for o in offers], object)[visits["listing"]],
            C.TIMESTAMP: first + pd.to_timedelta(visits["second"], unit="s"),
            C.ACTION: np.array(ACTIONS, object)[visits["action"]],
            C.DURATION: visits["duration"],
        }
    )


def _days(
    stock: Stock, people: People, rng: np.random.Generator, parameters: Parameters
) -> Iterator[pd.DataFrame]:
    """Yield the visits of each day: `user, listing, second, action, duration`, as numbers; seconds after the first day."""
    memory = np.zeros((len(people), len(stock.sale)), np.int8)  # (U, L) NEW, SEEN or SAVED
    views = np.zeros((parameters.market.days, len(stock.sale)))  # (D, L)
    for day in range(parameters.market.days):
        user = np.flatnonzero(people.visits[:, day])
        recent = views[max(0, day - parameters.page.popular_days) : day].sum(axis=0)  # (L,)
        visits = _day(stock, people, user, day, recent, memory, rng, parameters)
        state = np.where(visits["action"] >= SAVES, SAVED, SEEN).astype(np.int8)
        np.maximum.at(memory, (visits["user"], visits["listing"]), state)
        views[day] = np.bincount(visits["listing"], minlength=len(stock.sale))
        yield visits


def _day(
    stock: Stock,
    people: People,
    user: np.ndarray,
    day: int,
    recent: np.ndarray,
    memory: np.ndarray,
    rng: np.random.Generator,
    parameters: Parameters,
) -> pd.DataFrame:
    """Simulate one session for each of `user` (S,)."""
    c, page = parameters.choice, parameters.page
    start = day + _hours(rng, len(user)) / 24  # (S,) days
    browses = rng.random(len(user)) < parameters.users.browsing
    shown = matches(stock, people, user, start, parameters) | browses[:, None]
    shown &= stock.live(start)  # (S, L)
    sorting = order(stock, start, recent, page) + rng.normal(0, page.noise, shown.shape)
    value = utility(stock, people, user, start, parameters)
    values = memory[user]
    offset = exposure(sorting, shown, page.position) + c.seen * (values == SEEN) + c.saved * (values == SAVED)
    total = np.where(shown, value + offset + rng.gumbel(0, 1, shown.shape), -np.inf)  # (S, L)
    most = min(c.most_clicks, total.shape[1])
    chosen = np.argsort(-total, axis=1)[:, :most]  # (S, K) best first
    clicks = rng.geometric(1 / c.clicks, len(user))
    outside = c.outside + rng.gumbel(0, 1, len(user))
    opened = (np.take_along_axis(total, chosen, axis=1) > outside[:, None]) & (
        np.arange(most) < clicks[:, None]
    )
    interest = _interest(utility(stock, people, user, start, parameters, parameters.interest.gallery), shown)
    interest = np.take_along_axis(interest, chosen, axis=1)  # (S, K)
    interest = interest + rng.normal(0, parameters.interest.noise, interest.shape)
    return _visits(stock, user, start, chosen, opened, interest, rng, parameters)


def _visits(
    stock: Stock,
    user: np.ndarray,
    start: np.ndarray,
    chosen: np.ndarray,
    opened: np.ndarray,
    interest: np.ndarray,
    rng: np.random.Generator,
    parameters: Parameters,
) -> pd.DataFrame:
    """Return the events after the clicks: actions, seconds, and the resulting moments."""
    i = parameters.interest
    action = np.searchsorted(i.actions, interest)  # (S, K)
    log_seconds = np.log(i.seconds) + i.growth * interest + rng.normal(0, i.seconds_noise, interest.shape)
    seconds = np.clip(np.exp(log_seconds), 1, i.longest)
    pause = 1 + i.pause * np.exp(rng.normal(0, 0.7, interest.shape))
    spent = np.where(opened, seconds + pause, 0)
    second = start[:, None] * DAY_SECONDS + np.cumsum(spent, axis=1) - spent
    opened = opened & (
        second < stock.until[chosen] * DAY_SECONDS
    )  # it may expire while the user views others
    row, column = np.nonzero(opened)
    duration = np.round(seconds[row, column], 1)
    duration[rng.random(len(row)) < i.unknown] = np.nan
    return pd.DataFrame(
        {
            "user": user[row],
            "listing": chosen[row, column],
            "second": np.floor(second[row, column]).astype(np.int64),
            "action": action[row, column],
            "duration": duration,
        }
    )


def _interest(value: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Return (S, L): `value` standardized over the `shown` listings of each session."""
    count = np.maximum(shown.sum(axis=1, keepdims=True), 1)
    mean = np.where(shown, value, 0).sum(axis=1, keepdims=True) / count
    spread = np.sqrt(np.where(shown, (value - mean) ** 2, 0).sum(axis=1, keepdims=True) / count)
    return np.asarray((value - mean) / np.maximum(spread, 0.3))


def _hours(rng: np.random.Generator, count: int) -> np.ndarray:
    share, mean, spread = np.array(HOURS).T
    part = rng.choice(len(share), count, p=share)
    return np.asarray(np.clip(rng.normal(mean[part], spread[part]), 6.0, 23.5))
