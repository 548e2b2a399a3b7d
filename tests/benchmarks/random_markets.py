"""Small markets of random tastes, attributes and sizes: by a generator whose attributes have the names and values of public towns, and by
the generator of the demo with random parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.demo import simulate as demo
from listing_vibes.demo.parameters import load_parameters
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.writer import write_market

FIRST_DAY = pd.Timestamp("2025-01-06", tz="UTC")
ROOM_TYPES = ("Entire home/apt", "Private room", "Shared room")
PROPERTY_TYPES = (
    ("Apartment", "House", "Bed & Breakfast", "Condominium", "Loft", "Villa", "Cabin", "Townhouse"),
    (
        "Entire home", "Entire rental unit", "Entire condo", "Entire guest suite", "Entire townhouse", "Entire villa", "Entire cottage",
        "Private room in home", "Private room in rental unit", "Private room in townhouse", "Entire guesthouse", "Room in hotel",
    ),
)  # fmt: skip
AMENITIES = (
    (
        "TV", "Internet", "Wireless Internet", "Kitchen", "Heating", "Washer", "Dryer", "Smoke Detector", "Carbon Monoxide Detector",
        "Essentials", "Shampoo", "Air Conditioning", "Free Parking on Premises", "Pool", "Hot Tub", "Gym", "Indoor Fireplace",
        "Breakfast", "Pets Allowed", "Family/Kid Friendly", "First Aid Kit", "Fire Extinguisher",
    ),
    (
        "TV", "Wifi", "Kitchen", "Heating", "Washer", "Dryer", "Smoke alarm", "Carbon monoxide alarm", "Essentials", "Shampoo",
        "Air conditioning", "Free parking on premises", "Pool", "Hot tub", "Gym", "Indoor fireplace", "Iron", "Hair dryer", "Hangers",
        "Dedicated workspace", "Private entrance", "Coffee maker", "Dishwasher", "Refrigerator", "Microwave", "BBQ grill", "Backyard",
        "Patio or balcony", "Bathtub", "Crib", "Elevator", "Bed linens", "First aid kit", "Fire extinguisher",
    ),
)  # fmt: skip
STYLES = ("bright", "cosy", "historic", "modern", "quiet", "rustic", "spacious", "artistic")
NUMBERS = ("accommodates", "bedrooms", "beds", "bathrooms", "price", "minimum_nights", "maximum_nights")
CATEGORIES = ("room_type", "property_type", "neighbourhood_cleansed", "host_id")
UNITS = {"price": "$", "minimum_nights": "nights", "maximum_nights": "nights"}


@dataclass(frozen=True)
class Recipe:
    """What is random about a market."""

    seed: int
    listings: int
    users: int
    events: int
    days: int
    timed: bool  # otherwise events have positions only
    dated: bool  # whether listings have a date of publication
    late: float  # share of listings that are published during the log
    columns: tuple[str, ...]  # the attributes that the table has
    worth: dict[str, float]  # mean utility of a match in an attribute, many of them 0
    taste: float  # utility of the taste as a whole
    hidden: float  # share of the taste that no attribute shows
    other: float  # chance that a user's wish in an attribute is not that of the listing in mind
    charm: float  # standard deviation of what pleases everybody
    fresh: float  # utility of a listing's first days
    popular: float  # utility of log(1 + recent events)
    memory: float  # days after which an event is no longer recent
    pause: float  # mean days between two events of a user
    returns: bool  # whether a user may choose a listing again

    @classmethod
    def draw(cls, seed: int, town: bool = False) -> Recipe:
        """Draw a recipe; that of a `town` has timestamps, most attributes, few events a user and long pauses between them."""
        rng = np.random.default_rng([seed, 11])

        def log_uniform(low: float, high: float) -> float:
            return float(np.exp(rng.uniform(np.log(low), np.log(high))))

        every = (*CATEGORIES, *NUMBERS, "instant_bookable", "amenities", "name", "place")
        often = {"name": 0.0 if town else 0.1}
        shown = tuple(name for name in every if rng.random() < often.get(name, 0.9 if town else 0.6))
        listings, users = int(log_uniform(250, 600)), int(log_uniform(100, 1000))
        events = int(np.clip(users * log_uniform(1.5, 20), 1000, 2500))
        if town:
            listings, events = int(log_uniform(250, 1000)), int(log_uniform(2000, 6000))
            users = int(events / rng.uniform(1.2, 2.5))
        return cls(
            seed,
            listings,
            users,
            events,
            days=int(log_uniform(60, 1500)),
            timed=town or rng.random() < 0.8,
            dated=not town and rng.random() < 0.5,
            late=rng.uniform(0, 0.6),
            columns=shown or ("room_type",),
            worth={name: float(rng.gamma(1.0)) * (rng.random() < 0.7) for name in every if name != "name"},
            taste=log_uniform(1, 6),
            hidden=rng.uniform(0, 0.6),
            other=rng.uniform(0, 0.5),
            charm=rng.uniform(0, 1),
            fresh=rng.uniform(0, 2),
            popular=rng.uniform(0, 0.9),
            memory=log_uniform(10, 200),
            pause=log_uniform(20, 200) if town else log_uniform(0.01, 60),
            returns=not town and rng.random() < 0.3,
        )


def simulate(path: Path, recipe: Recipe) -> None:
    """Write the market of a recipe: users choose by random utility (McFadden 1974), as in `listing_vibes.demo.choice`."""
    rng = np.random.default_rng([recipe.seed, 12])
    table, since = draw_listings(recipe, rng)
    user, listing, day = draw_events(recipe, utilities(recipe, table, rng), since, rng)
    events = pd.DataFrame(
        {C.USER: [f"user-{n}" for n in user], C.LISTING: table[C.LISTING].to_numpy()[listing]}
    )
    if recipe.timed:
        events[C.TIMESTAMP] = (FIRST_DAY + pd.to_timedelta(day, unit="D")).floor("s")
    else:
        events[C.POSITION] = events.groupby(C.USER).cumcount()
    if recipe.dated and recipe.timed:
        table[C.PUBLISHED] = (FIRST_DAY + pd.to_timedelta(since, unit="D")).floor("min")
    hidden = {*NUMBERS, *CATEGORIES, "instant_bookable", "amenities", "name", "style"} - {*recipe.columns}
    if "place" not in recipe.columns:
        hidden |= {C.LATITUDE, C.LONGITUDE}
    write_market(path, config_of(recipe), table.drop(columns=sorted(hidden)), None, events)


def config_of(recipe: Recipe) -> MarketConfig:
    """Return the types of the attributes, as an import of a public town has them."""
    kinds: dict[str, Any] = dict.fromkeys(NUMBERS, "number") | dict.fromkeys(CATEGORIES, "category")
    kinds |= {"instant_bookable": "flag", "amenities": "multi", "name": "text", "place": "place"}
    attributes = {
        name: AttributeConfig(kind=kinds[name], unit=UNITS.get(name, "")) for name in recipe.columns
    }
    return MarketConfig(name=f"Simulated market {recipe.seed}", currency="$", attributes=attributes)


def draw_listings(recipe: Recipe, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the listings, and the days (L,) of their publication; cells that depend on size, style, place and host."""
    count, wording = recipe.listings, int(rng.integers(2))
    areas = int(rng.integers(4, 60))
    center = rng.normal(0, 1, (areas, 2))
    area = rng.choice(areas, count, p=rng.dirichlet(np.ones(areas)))
    position = center[area] + rng.normal(0, 0.15, (count, 2))
    host = np.floor(rng.pareto(1.0, count) * rng.uniform(5, count)).astype(int) % count
    size, quality, style = rng.normal(size=count), rng.normal(size=count), rng.integers(0, len(STYLES), count)
    bedrooms = np.clip(np.round(1.6 + size + rng.normal(0, 0.4, count)), 0, 8)
    types, amenities = PROPERTY_TYPES[wording], np.array(AMENITIES[wording])
    likely = rng.normal(0, 1, (len(STYLES), len(types)))[style] + np.outer(size, rng.normal(0, 1, len(types)))
    kind = np.argmax(likely + rng.gumbel(size=likely.shape), axis=1)
    logit = rng.normal(0, 1.5, len(amenities)) + rng.normal(0, 1, (len(STYLES), len(amenities)))[style]
    has = rng.random((count, len(amenities))) < 1 / (
        1 + np.exp(-logit - np.outer(quality, rng.uniform(0, 1, len(amenities))))
    )
    room = np.digitize(size + rng.normal(0, 0.7, count), [-2.0, -0.4])
    price = np.exp(
        4.5 + 0.45 * size + 0.25 * quality + rng.normal(0, 0.3, areas)[area] + rng.normal(0, 0.2, count)
    )
    table = pd.DataFrame(
        {
            C.LISTING: [f"home-{number}" for number in range(count)],
            "name": [
                f"{STYLES[s].title()} {types[k].lower()} in area {a}"
                for s, k, a in zip(style, kind, area, strict=True)
            ],
            "style": style,
            "room_type": np.array(ROOM_TYPES)[2 - room],
            "property_type": np.array(types)[kind],
            "neighbourhood_cleansed": [f"area {recipe.seed}-{number}" for number in area],
            "host_id": [f"{recipe.seed}-{number}" for number in host],
            "accommodates": np.clip(2 * bedrooms + rng.integers(-1, 3, count), 1, 16),
            "bedrooms": bedrooms,
            "beds": np.maximum(1, bedrooms + rng.integers(-1, 3, count)),
            "bathrooms": np.maximum(1, np.round(2 * (0.6 * bedrooms + rng.normal(0, 0.4, count))) / 2),
            "price": np.maximum(10, np.round(price)),
            "minimum_nights": rng.choice([1, 2, 3, 5, 7, 30], count, p=[0.3, 0.3, 0.15, 0.05, 0.05, 0.15]),
            "maximum_nights": rng.choice([7, 28, 90, 365, 1125], count, p=[0.1, 0.1, 0.1, 0.3, 0.4]),
            "instant_bookable": rng.random(count) < rng.uniform(0.1, 0.9),
            "amenities": ["|".join(amenities[row]) for row in has],
            C.LATITUDE: 45 + position[:, 0] / 20,
            C.LONGITUDE: 10 + position[:, 1] / 20,
        }
    )
    empty = rng.random((count, len(NUMBERS))) < rng.uniform(0, 0.1, len(NUMBERS))
    table[[*NUMBERS]] = table[[*NUMBERS]].astype("float64").mask(empty)
    late = rng.random(count) < recipe.late
    return table, np.where(late, rng.uniform(0, recipe.days, count), -rng.uniform(0, 400, count))


def utilities(recipe: Recipe, table: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Return (U, L) float32: the taste of each user, who has one listing in mind, and in some attributes another one."""
    mind = rng.integers(0, recipe.listings, recipe.users)
    result = np.zeros((recipe.users, recipe.listings), np.float32)
    for name, worth in recipe.worth.items():
        if not worth:
            continue
        wish = np.where(
            rng.random(recipe.users) < recipe.other, rng.integers(0, recipe.listings, recipe.users), mind
        )
        match = matches(table, name, wish)
        own = worth * np.exp(rng.normal(0, 0.7, recipe.users))
        result += own.astype(np.float32)[:, None] * match
    latent = rng.normal(size=(recipe.listings, 3)) + 0.7 * rng.normal(size=(len(STYLES), 3))[table["style"]]
    unseen = np.asarray(latent[mind] @ latent.T, np.float32)  # (U, L)
    parts = [(1 - recipe.hidden, result), (recipe.hidden, unseen)]
    return sum(
        (recipe.taste * np.float32(share) / max(part.std(), 1e-6) * part for share, part in parts),
        np.float32(0),
    )


def matches(table: pd.DataFrame, name: str, wish: np.ndarray) -> np.ndarray:
    """Return (U, L) float32: how well each listing matches the `wish` (U,), a listing, in an attribute; standard deviation 1."""
    if name in CATEGORIES or name == "instant_bookable":
        code = pd.factorize(table[name])[0]
        match = code[wish][:, None] == code
    elif name == "place":
        place = table[[C.LATITUDE, C.LONGITUDE]].to_numpy()
        match = -np.sqrt(np.square(place[wish][:, None] - place).sum(axis=2))
    elif name == "amenities":
        has = table[name].str.get_dummies().to_numpy(np.float32)
        has = has - has.mean(axis=0)
        match = has[wish] @ has.T
    else:
        rank = table[name].rank(pct=True).fillna(0.5).to_numpy()
        match = -np.abs(rank[wish][:, None] - rank)
    match = np.asarray(match, np.float32)
    return match / max(float(match.std()), 1e-6)


def draw_events(
    recipe: Recipe, taste: np.ndarray, since: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return users, listings and days (E,) of the events, by user and day: each chooses by taste, charm, age and recent events."""
    users = np.append(
        np.arange(recipe.users),
        rng.choice(
            recipe.users,
            max(0, recipe.events - recipe.users),
            p=rng.dirichlet(np.full(recipe.users, 0.7)),
        ),
    )
    users = np.sort(users)
    first = np.searchsorted(users, users, side="left")
    gap = rng.exponential(recipe.pause, len(users)).cumsum()
    day = rng.uniform(0, recipe.days, recipe.users)[users] + gap - gap[first]
    users, day = users[day < recipe.days], day[day < recipe.days]
    order, charm = np.argsort(day, kind="stable"), recipe.charm * rng.normal(size=recipe.listings)
    recent, now = np.zeros(recipe.listings), 0.0
    chosen, seen = np.zeros(len(users), np.int64), [set() for _ in range(recipe.users)]
    for event in order:
        user, at = users[event], day[event]
        recent *= np.exp((now - at) / recipe.memory)
        now = at
        value = taste[user] + charm + recipe.popular * np.log1p(recent)
        value += recipe.fresh * np.exp(np.minimum(since - at, 0) / 30)
        value += rng.gumbel(size=recipe.listings)
        value[since > at] = -np.inf
        if not recipe.returns:
            value[list(seen[user])] = -np.inf
        chosen[event] = best = int(np.argmax(value))
        seen[user].add(best)
        recent[best] += 1
    return users, chosen, day


def simulate_demo(path: Path, seed: int) -> None:
    """Write a market of the demo's generator with random sizes and parameters, without photos, with some of its attributes."""
    rng, p = np.random.default_rng([seed, 13]), load_parameters()

    def scale(value: float) -> float:
        return float(value * rng.choice([0, 1]) * np.exp(rng.normal(0, 0.5)))

    names = ("over_budget", "bargain", "area", "place", "vibe", "quality", "charm")
    choice = p.choice.replace(**{name: scale(getattr(p.choice, name)) for name in names})
    page = p.page.replace(fresh=scale(p.page.fresh), popular=scale(p.page.popular))
    listing = p.listing.replace(life=float(rng.uniform(20, 80)))
    p = p.replace(choice=choice, page=page, listing=listing)
    size = {"listings": int(rng.integers(250, 500)), "users": int(rng.integers(60, 150))}
    demo.simulate(path, seed=seed, parameters=p, overwrite=True, **size)
    config = MarketConfig.load(path / "market.toml")
    without = [
        name
        for name, item in config.attributes.items()
        if name != "deal" and rng.random() < (0.9 if item.kind == "text" else 0.3)
    ]
    kept = {name: item for name, item in config.attributes.items() if name not in without}
    excluded = [C.LATITUDE, C.LONGITUDE] if C.PLACE in without else []
    excluded += [name for name in without if name != C.PLACE]
    title = None if "title" in without else config.title
    config.model_copy(update={"attributes": kept, "excluded": excluded, "title": title}).save(
        path / "market.toml"
    )
