"""The choice model of the demo market: which listings a person opens, and what they do there.

**Utility.** Random utility maximisation (McFadden 1974, "Conditional logit analysis of qualitative choice behavior").
For user u and listing j on day t

    U_uj = V_uj(t) + E_uj + e_uj,   e_uj ~ Gumbel(0, 1) independent
    V_uj = - over (log p_j - b_u(t))+ - under (b_u(t) - log p_j)+       budget; gaps beyond `price_reach` count as that
           + bargain (w_j - log p_j)                                    asked below what the home is worth
           - area |log a_j - log a_u| - place d(u, j)                   size; km from the place in mind
           + T_u,v(j)(t) + appeal_v(j)                                  the vibe, seen on the photos alone
           + quality (q_j - 1/2) + light (l_j - 1/2)                    seen on the photos, faintly told by price and text
           + balcony [u wants, j has] + pets [u has one, j forbids]
           + charm c_j                                                  pleases everybody, in no column

Chances of a choice are then multinomial logit. Sampling several clicks without replacement by the k largest U_uj is the
Plackett-Luce model (Plackett 1975; the Gumbel-top-k trick, Kool, van Hoof & Welling 2019). Closing the page is an
alternative of its own, `outside` + Gumbel: listings below it are not opened.

**Taste.** T_u = s_u ((1 - m_u(t)) near[f_u] + m_u(t) near[g_u]): a favourite vibe f, a second one g, log-normal strength
s_u; m_u(t) is the logistic of an AR(1) a week, so that tastes drift. The budget grows by `patience` a week of search.

**Awareness.** Only listings that are live and pass the user's filters (deal, budget, least price, area, radius) can be
chosen: consideration sets (Manski 1977; Swait & Ben-Akiva 1987). A share `browsing` of the sessions has no filters.

**Position.** Results are ordered by freshness, recent views and noise; a listing at rank r is examined with chance
r^-position (Richardson, Dominowska & Ragno 2007; Craswell et al. 2008; Joachims, Swaminathan & Schnabel 2017). An
alternative considered with chance w has the multinomial logit offset E_uj = log w = - position log r.

**Sessions.** At most one a day, day and hour by a calendar; clicks 1 + geometric. A listing viewed before is less
attractive by `seen`, one kept by `kept`; the user comes back all the same, as in life.

**Interest.** Behind the click the whole gallery is seen: V with T_u times `gallery`, standardised over what the session
could show, plus normal noise. Actions are an ordered probit on it (view < photo_swipe < favourite < phone < message); log
seconds = log `seconds` + growth x interest + normal noise (dwell time grows with interest and is log-normal: Liu, White &
Dumais 2010; Yi et al. 2014, "Beyond clicks: dwell time for personalization").
"""

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
    common: np.ndarray  # (L,) the utility that is the same for everybody
    since: np.ndarray  # (L,) float64 days
    until: np.ndarray  # (L,) float64 days

    @classmethod
    def of(cls, offers: list[Offer], parameters: Parameters) -> "Stock":
        """The arrays of some offers."""
        c, floats = parameters.choice, lambda values: np.array(list(values), np.float32)
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
        """(S, L) bool at the moments `day` (S,), in days after the first."""
        return (self.since <= day[:, None]) & (day[:, None] < self.until)


def utility(
    stock: Stock,
    people: People,
    user: np.ndarray,
    day: np.ndarray,
    parameters: Parameters,
    gallery: float = 1.0,
) -> np.ndarray:
    """(S, L) float32: V of every listing for `user` (S,) on `day` (S,); `gallery` multiplies the taste for vibes."""
    c = parameters.choice
    gap = stock.log_price - _budget(people, user, day, c.patience)[:, None]  # (S, L)
    value = -c.over_budget * np.clip(gap, 0, c.price_reach) - c.under_budget * np.clip(-gap, 0, c.price_reach)
    value -= c.area * np.abs(stock.log_area - people.log_area[user, None])
    value -= c.place * _distance(stock, people, user)
    taste = people.taste_at(user, (day // 7).astype(int))  # (S, V)
    value += gallery * taste[:, stock.vibe] + stock.common
    value += c.balcony * (people.balcony[user, None] & stock.balcony)
    value += c.pets * (people.pet[user, None] & ~stock.pets)
    return value.astype(np.float32)


def matches(
    stock: Stock, people: People, user: np.ndarray, day: np.ndarray, parameters: Parameters
) -> np.ndarray:
    """(S, L) bool: which listings pass the filters of `user` (S,) on `day` (S,), live or not."""
    p = parameters.users
    gap = stock.log_price - _budget(people, user, day, parameters.choice.patience)[:, None]  # (S, L)
    passes = stock.sale == people.sale[user, None]
    passes &= (gap <= p.budget_slack) & (gap >= people.least[user, None])
    passes &= stock.log_area >= people.log_area[user, None] - p.area_slack
    return passes & (_distance(stock, people, user) <= people.radius[user, None])


def order(stock: Stock, day: np.ndarray, recent: np.ndarray, page: Parameters) -> np.ndarray:
    """(S, L): what the page sorts by on `day` (S,), before its noise; `recent` (S, L) or (L,) counts late views."""
    age = np.maximum(day[:, None] - stock.since, 0)
    return page.fresh * np.exp(-age / page.fresh_days) + page.popular * np.log1p(recent)


def exposure(sorting: np.ndarray, shown: np.ndarray, position: float) -> np.ndarray:
    """(S, L) E: minus `position` x log rank of each of the `shown` listings, the largest `sorting` first; 0 elsewhere."""
    listing = np.argsort(np.where(shown, -sorting, np.inf), axis=1)  # (S, L)
    rank = np.empty_like(listing)
    np.put_along_axis(rank, listing, np.arange(1, sorting.shape[1] + 1)[None, :], axis=1)
    return np.where(shown, -position * np.log(rank), 0).astype(np.float32)


def _budget(people: People, user: np.ndarray, day: np.ndarray, patience: float) -> np.ndarray:
    return people.log_budget[user] + patience * (day - people.arrival[user]) / 7


def _distance(stock: Stock, people: People, user: np.ndarray) -> np.ndarray:
    return np.hypot(stock.x - people.x[user, None], stock.y - people.y[user, None])  # (S, L) km
