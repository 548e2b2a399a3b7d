"""The users of the demo market: what they search for, their tastes, and on which days they come."""

from dataclasses import dataclass

import numpy as np

from listing_vibes.demo.homes import VIBES
from listing_vibes.demo.listings import Offer
from listing_vibes.demo.parameters import Parameters

NEVER = np.float32(np.inf)


@dataclass(frozen=True, eq=False)
class People:
    """U users as arrays, in the order of their numbers."""

    sale: np.ndarray  # (U,) bool, True for buyers, False for renters
    log_budget: np.ndarray  # (U,) on their first day
    log_area: np.ndarray  # (U,) the desired area
    x: np.ndarray  # (U,) km, the desired location
    y: np.ndarray  # (U,)
    radius: np.ndarray  # (U,) km of the location filter, inf without one
    least: np.ndarray  # (U,) log price of the lower price filter relative to the budget, -inf without one
    balcony: np.ndarray  # (U,) bool, wants one
    pet: np.ndarray  # (U,) bool, has one
    taste: np.ndarray  # (U, 2, V) utility of each vibe by the favorite and by the second favorite
    drift: np.ndarray  # (U, W) weight of the second favorite in each week
    arrival: np.ndarray  # (U,) day of the first session
    visits: np.ndarray  # (U, D) bool, has a session that day

    def __len__(self) -> int:
        return len(self.sale)

    @property
    def names(self) -> list[str]:
        """Their user ids."""
        return [f"user-{number:05d}" for number in range(len(self))]

    def taste_at(self, user: np.ndarray, week: np.ndarray) -> np.ndarray:
        """Return (S, V): the utility of each vibe for `user` (S,) in `week` (S,), without the appeal to all users."""
        weight = self.drift[user, np.clip(week, 0, self.drift.shape[1] - 1)][:, None]  # (S, 1)
        return np.asarray((1 - weight) * self.taste[user, 0] + weight * self.taste[user, 1])


def people(count: int, offers: list[Offer], seed: int, parameters: Parameters) -> People:
    """Draw `count` users whose demand follows the supply of the market: each wants a home similar to one of the offers, and has a
    favorite vibe that is independent of it.
    """
    rng = np.random.default_rng([seed, 4])
    p, c = parameters.users, parameters.choice
    mind = rng.integers(0, len(offers), count)
    sale, worth, area, x, y = (
        np.array(column)[mind]
        for column in zip(
            *((o.sale, o.worth, np.log(o.home.area_m2), o.spot.x, o.spot.y) for o in offers), strict=True
        )
    )
    radius = rng.uniform(p.radius_km[0], p.radius_km[1], count)
    arrival, visits = _calendar(rng, count, parameters)
    return People(
        sale=sale,
        log_budget=worth + rng.normal(0, p.budget_spread, count),
        log_area=area + rng.normal(0, p.area_spread, count),
        x=x + rng.normal(0, p.place_spread_km, count),
        y=y + rng.normal(0, p.place_spread_km, count),
        radius=np.where(rng.random(count) < p.place_filter, radius, NEVER),
        least=np.where(rng.random(count) < p.cheap_filter, -p.cheap_slack, -NEVER),
        balcony=rng.random(count) < p.wants_balcony,
        pet=rng.random(count) < p.has_pet,
        taste=_tastes(rng, count, parameters),
        drift=_drift(
            rng, count, -(-parameters.market.days // 7), c.drift_start, c.drift_spread, c.drift_keep
        ),
        arrival=arrival,
        visits=visits,
    )


def _tastes(rng: np.random.Generator, count: int, parameters: Parameters) -> np.ndarray:
    """Draw (U, 2, V): strength x (1 for the favorite, less for similar vibes, 0 for the others)."""
    neighbors = np.array(
        [
            [1.0 if other == name else parameters.vibe[name].near.get(other, 0.0) for other in VIBES]
            for name in VIBES
        ]
    )
    requested = np.array([parameters.vibe[name].wanted for name in VIBES])
    favourite = rng.choice(len(VIBES), (count, 2), p=requested / requested.sum())
    strength = parameters.choice.vibe * np.exp(rng.normal(0, parameters.choice.vibe_spread, count))
    return np.asarray((strength[:, None, None] * neighbors[favourite]).astype(np.float32))


def _drift(
    rng: np.random.Generator, count: int, weeks: int, start: float, spread: float, keep: float
) -> np.ndarray:
    """Draw (U, W) in 0..1: the logistic of a stationary AR(1) around `start` with standard deviation `spread`."""
    state = rng.normal(0, spread, count)
    columns = []
    for _ in range(weeks):
        columns.append(1 / (1 + np.exp(-(start + state))))
        state = keep * state + np.sqrt(1 - keep**2) * rng.normal(0, spread, count)
    return np.stack(columns, axis=1).astype(np.float32)


def _calendar(rng: np.random.Generator, count: int, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Draw days of arrival (U,), and sessions (U, D) bool: one on that day, and randomly on days until the search ends."""
    p, days = parameters.users, parameters.market.days
    arrival = rng.integers(0, days, count)
    early = rng.random(count) < p.backlog
    arrival[early] = rng.integers(0, min(7, days), early.sum())
    length = p.search_days * np.exp(rng.normal(0, p.search_spread, count))
    chance = np.minimum(rng.gamma(p.visits_shape, p.visits / p.visits_shape, count), 0.9)
    day = np.arange(days)
    searching = (day > arrival[:, None]) & (day < (arrival + length)[:, None])  # (U, D)
    weekday = np.asarray(p.weekday)[day % 7]
    visits = searching & (rng.random((count, days)) < chance[:, None] * weekday)
    visits[np.arange(count), arrival] = True
    return arrival, visits
