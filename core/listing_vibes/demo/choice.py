"""The choice model of the demo market: which listings a user opens, and the events that follow.

**Utility.** Random utility maximization (McFadden 1974, "Conditional logit analysis of qualitative choice behavior").
For user u and listing j on day t

    U_uj = V_uj(t) + E_uj + e_uj,   e_uj ~ Gumbel(0, 1) independent
    V_uj = - over (log p_j - b_u(t))+ - under (b_u(t) - log p_j)+       budget; gaps beyond `price_reach` count as that
           + bargain (w_j - log p_j)                                    listed below the hedonic price
           - area |log a_j - log a_u| - place d(u, j)                   size; km from the desired location
           + T_u,v(j)(t) + appeal_v(j)                                  the vibe, visible only in the photos
           + quality (q_j - 1/2) + light (l_j - 1/2)                    visible in the photos, weakly related to price and text
           + balcony [u wants, j has] + pets [u has one, j forbids]
           + charm c_j                                                  same for all users, in no column

The choice probabilities are then multinomial logit. Sampling several clicks without replacement by the k largest U_uj is the
Plackett-Luce model (Plackett 1975; the Gumbel-top-k trick, Kool, van Hoof & Welling 2019). Leaving the page is a further
alternative, `outside` + Gumbel: listings below it are not opened.

**Taste.** T_u = s_u ((1 - m_u(t)) near[f_u] + m_u(t) near[g_u]): a favorite vibe f, a second one g, log-normal strength
s_u; m_u(t) is the logistic of a weekly AR(1), so that tastes drift. The budget grows by `patience` per week of search.

**Awareness.** Only listings that are active and pass the user's filters (deal, budget, minimum price, area, radius) can be
chosen: consideration sets (Manski 1977; Swait & Ben-Akiva 1987). A share `browsing` of the sessions has no filters.

**Position.** Results are ordered by freshness, recent views and noise; a listing at rank r is examined with chance
r^-position (Richardson, Dominowska & Ragno 2007; Craswell et al. 2008; Joachims, Swaminathan & Schnabel 2017). An
alternative that is considered with probability w has the multinomial logit offset E_uj = log w = - position log r.

**Sessions.** At most one per day, day and hour from a calendar; clicks 1 + geometric. A listing viewed before is less
attractive by `seen`, a saved one by `saved`; users still return to them, as real users do.

**Interest.** After the click all photos are seen: V with T_u times `gallery`, standardized over what the session
could show, plus normal noise. Actions are an ordered probit on it (view < photo_swipe < favourite < phone < message); log
seconds = log `seconds` + growth x interest + normal noise (dwell time grows with interest and is log-normal: Liu, White &
Dumais 2010; Yi et al. 2014, "Beyond clicks: dwell time for personalization").
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from listing_vibes.demo.homes import VIBES
from listing_vibes.demo.listings import Offer
from listing_vibes.demo.parameters import Parameters
from listing_vibes.demo.users import People


@dataclass(frozen=True, eq=False)
class Stock:
    """The L offers as arrays, in the order of the listings table."""

    sale: np.ndarray  # (L,) bool
    log_price: np.ndarray  # (L,) float32
    log_area: np.ndarray  # (L,)
    x: np.ndarray  # (L,) km
    y: np.ndarray  # (L,)
    vibe: np.ndarray  # (L,) index into VIBES
    balcony: np.ndarray  # (L,) bool
    pets: np.ndarray  # (L,) bool, allowed
    common: np.ndarray  # (L,) the utility that is the same for all users
    since: np.ndarray  # (L,) float64 days
    until: np.ndarray  # (L,) float64 days

    @classmethod
    def of(cls, offers: list[Offer], parameters: Parameters) -> "Stock":
        """Return the arrays of the offers."""
        c = parameters.choice

        def floats(values: Iterable[float]) -> np.ndarray:
            return np.fromiter(values, np.float32)

        return cls(
            sale=np.array([o.sale for o in offers]),
            log_price=floats(np.log(o.price) for o in offers),
            log_area=floats(np.log(o.home.area_m2) for o in offers),
            x=floats(o.spot.x for o in offers),
            y=floats(o.spot.y for o in offers),
            vibe=np.array([VIBES.index(o.home.vibe) for o in offers]),
            balcony=np.array([o.home.balcony for o in offers]),
            pets=np.array([o.pets for o in offers]),
            common=floats(
                c.bargain * (o.worth - np.log(o.price))
                + c.quality * (o.home.quality - 0.5)
                + c.light * (o.home.light - 0.5)
                + c.charm * o.charm
                + parameters.vibe[o.home.vibe].appeal
                for o in offers
            ),
            since=np.array([o.since for o in offers]),
            until=np.array([o.until for o in offers]),
        )

    def live(self, day: np.ndarray) -> np.ndarray:
        """Return (S, L) bool: which listings are active at the moments `day` (S,), in days after the first."""
        return (self.since <= day[:, None]) & (day[:, None] < self.until)


def utility(
    stock: Stock,
    people: People,
    user: np.ndarray,
    day: np.ndarray,
    parameters: Parameters,
    gallery: float = 1.0,
) -> np.ndarray:
    """Return (S, L) float32: V of every listing for `user` (S,) on `day` (S,); `gallery` multiplies the taste for vibes."""
    c = parameters.choice
    gap = stock.log_price - _budget(people, user, day, c.patience)[:, None]  # (S, L)
    value = -c.over_budget * np.clip(gap, 0, c.price_reach) - c.under_budget * np.clip(-gap, 0, c.price_reach)
    value -= c.area * np.abs(stock.log_area - people.log_area[user, None])
    value -= c.place * _distance(stock, people, user)
    taste = people.taste_at(user, (day // 7).astype(int))  # (S, V)
    value += gallery * taste[:, stock.vibe] + stock.common
    value += c.balcony * (people.balcony[user, None] & stock.balcony)
    value += c.pets * (people.pet[user, None] & ~stock.pets)
    return np.asarray(value.astype(np.float32))


def matches(
    stock: Stock, people: People, user: np.ndarray, day: np.ndarray, parameters: Parameters
) -> np.ndarray:
    """Return (S, L) bool: which listings pass the filters of `user` (S,) on `day` (S,), active or not."""
    p = parameters.users
    gap = stock.log_price - _budget(people, user, day, parameters.choice.patience)[:, None]  # (S, L)
    passes = stock.sale == people.sale[user, None]
    passes &= (gap <= p.budget_slack) & (gap >= people.least[user, None])
    passes &= stock.log_area >= people.log_area[user, None] - p.area_slack
    return np.asarray(passes & (_distance(stock, people, user) <= people.radius[user, None]))


def order(stock: Stock, day: np.ndarray, recent: np.ndarray, page: Parameters) -> np.ndarray:
    """Return (S, L): the sort key of the page on `day` (S,), before its noise; `recent` (S, L) or (L,) counts recent views."""
    age = np.maximum(day[:, None] - stock.since, 0)
    return np.asarray(page.fresh * np.exp(-age / page.fresh_days) + page.popular * np.log1p(recent))


def exposure(sorting: np.ndarray, shown: np.ndarray, position: float) -> np.ndarray:
    """Return (S, L) E: minus `position` x log rank of each of the `shown` listings, the largest `sorting` first; 0 elsewhere."""
    listing = np.argsort(np.where(shown, -sorting, np.inf), axis=1)  # (S, L)
    rank = np.empty_like(listing)
    np.put_along_axis(rank, listing, np.arange(1, sorting.shape[1] + 1)[None, :], axis=1)
    return np.where(shown, -position * np.log(rank), 0).astype(np.float32)


def _budget(people: People, user: np.ndarray, day: np.ndarray, patience: float) -> np.ndarray:
    return np.asarray(people.log_budget[user] + patience * (day - people.arrival[user]) / 7)


def _distance(stock: Stock, people: People, user: np.ndarray) -> np.ndarray:
    return np.asarray(np.hypot(stock.x - people.x[user, None], stock.y - people.y[user, None]))  # (S, L) km
