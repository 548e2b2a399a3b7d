"""An upper bound: a scorer that knows the latent utilities, tastes and filters, but not the noise."""

import numpy as np

from listing_vibes.demo.choice import exposure, matches, order, utility
from listing_vibes.demo.simulate import World
from listing_vibes.market.log import DAY, EventLog
from listing_vibes.market.splits import Queries
from listing_vibes.scoring.ranking_metrics import ORACLE

DRAWS = 8  # pages over which the position is averaged


class Oracle:
    """Score listings by the log probability that a click of the user at the moment is on the listing.

    With b the share of sessions without filters, M the active listings that pass the filters and A all active ones,
    log((1 - b) [j in M] exp(V_j + E_j) / sum over M + b exp(V_j + E_j) / sum over A), where E is averaged over random
    pages. From the log it uses the views of the days before a query's day, as the page itself does.
    """

    name = ORACLE

    def __init__(self, world: World, log: EventLog) -> None:
        numbers = {name: number for number, name in enumerate(world.people.names)}
        self.world = world
        self.user = np.array([numbers[name] for name in log.users])  # (U of the log,)
        days = world.parameters.market.days
        day = np.clip((log.time - world.first) // DAY, 0, days - 1)
        views = np.bincount(day * log.listings + log.listing, minlength=days * log.listings)
        self.until = np.vstack(
            [np.zeros((1, log.listings)), views.reshape(days, log.listings).cumsum(axis=0)]
        )  # (D + 1, L) views before each day
        self.noise = np.random.default_rng(0).normal(
            0, world.parameters.page.noise, (DRAWS, log.listings)
        )  # (R, L)

    def score(self, batch: Queries) -> np.ndarray:
        """Return (B, L) float32; `-inf` for listings that are not active."""
        world, page = self.world, self.world.parameters.page
        user, day = self.user[batch.user], (batch.at - world.first) / DAY
        live = world.stock.live(day)
        matched = matches(world.stock, world.people, user, day, world.parameters) & live
        full = np.clip(day.astype(int), 0, len(self.until) - 2)
        recent = self.until[full] - self.until[np.maximum(full - page.popular_days, 0)]  # (B, L)
        sorting = order(world.stock, day, recent, page)
        value = utility(world.stock, world.people, user, day, world.parameters)
        browsing = world.parameters.users.browsing
        chance = (1 - browsing) * self._chance(value, sorting, matched)
        chance += browsing * self._chance(value, sorting, live)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(chance).astype(np.float32))

    def _chance(self, value: np.ndarray, sorting: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """Return (B, L): multinomial logit probabilities over the `shown` listings."""
        position = self.world.parameters.page.position
        seen = sum(exposure(sorting + noise, shown, position) for noise in self.noise) / DRAWS
        total = np.where(shown, value + seen, -np.inf)
        top = np.max(total, axis=1, keepdims=True)
        weight = np.exp(total - np.where(np.isfinite(top), top, 0), dtype=np.float64)
        return np.asarray(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-300))
