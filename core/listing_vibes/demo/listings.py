"""Listings from latent homes: prices, dates, and the cells that an advertiser fills in, with realistic noise.

The price is hedonic (Rosen 1974, Journal of Political Economy 82): log price = deal + a log area + place + building +
view + floor + light + quality + balcony + parking + (weakly) vibe + noise. The vibe itself is in no column.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.demo import descriptions
from listing_vibes.demo.homes import Home
from listing_vibes.demo.parameters import Parameters
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig

BUILDING_LABELS = {
    "block": "apartment block",
    "townhouse": "townhouse",
    "tower": "tower",
    "villa": "villa",
    "factory": "converted factory",
}
KM_PER_DEGREE = 111.2
TYPICAL_AREA = 60.0  # m2, the area for which the parameters give the price per m2
ACTIONS = ("view", "photo_swipe", "favourite", "phone", "message")


@dataclass(frozen=True)
class Spot:
    """The location of a home: its district, and km east and north of the market square."""

    district: Parameters
    x: float
    y: float


@dataclass(frozen=True)
class Offer:
    """A home on the market with its true properties, whether or not its listing states them."""

    home: Home
    spot: Spot
    sale: bool
    parking: bool
    pets: bool
    worth: float  # log of the home's hedonic price
    price: float  # euros, the listed price
    since: float  # days after the first day
    until: float
    charm: float  # standard normal, an appeal to all users that is in no column

    @property
    def listing_id(self) -> str:
        """The id of its listing."""
        return f"home-{self.home.number:04d}"


def offers(homes: list[Home], seed: int, parameters: Parameters) -> list[Offer]:
    """Draw one offer for each home; that of home n does not depend on the others."""
    return [_offer(home, np.random.default_rng([seed, 2, home.number]), parameters) for home in homes]


def _offer(home: Home, rng: np.random.Generator, parameters: Parameters) -> Offer:
    p = parameters.listing
    spot = place(home, rng, parameters.city)
    sale = bool(rng.random() < p.sale)
    parking = bool(rng.random() < p.parking[home.building])
    worth = worth_of(home, spot, sale, parking, parameters)
    query = float(np.exp(worth + rng.normal(0, p.price_noise)))
    step = 5000 if sale else 10
    since, until = _dates(rng, parameters)
    pets, charm = bool(rng.random() < p.pets), float(rng.normal())
    return Offer(
        home, spot, sale, parking, pets, worth, max(step, round(query / step) * step), since, until, charm
    )


def worth_of(home: Home, spot: Spot, sale: bool, parking: bool, parameters: Parameters) -> float:
    """Return the hedonic log price of a home, in euros (a month, unless for sale)."""
    p = parameters.listing
    month = p.rent_m2 * TYPICAL_AREA * (home.area_m2 / TYPICAL_AREA) ** p.area_power
    return float(
        np.log(month * (p.sale_months if sale else 1))
        + level(spot, parameters.city)
        + p.view_price[home.view]
        + p.building_price[home.building]
        + p.floor_price * min(home.floor, 10)
        + p.light_price * (home.light - 0.5)
        + p.quality_price * (home.quality - 0.5)
        + p.balcony_price * home.balcony
        + p.parking_price * parking
        + parameters.vibe[home.vibe].price
    )


def _dates(rng: np.random.Generator, parameters: Parameters) -> tuple[float, float]:
    """Draw days of publication and expiry; a listing that expires before the log begins is drawn again."""
    p = parameters.listing
    while True:
        since = rng.uniform(-p.before, parameters.market.days - 1)
        life = np.clip(p.life * np.exp(rng.normal(0, p.life_spread)), p.life_least, p.life_most)
        if since + life > 2:
            return float(since), float(since + life)


def listings_frame(offers: list[Offer], seed: int, parameters: Parameters) -> pd.DataFrame:
    """Return the table `listings`, in the order of the offers."""
    table = pd.DataFrame(
        [_row(offer, np.random.default_rng([seed, 3, offer.home.number]), parameters) for offer in offers]
    )
    for name in ("balcony", "pets", "parking"):
        table[name] = table[name].astype("boolean")
    for name in ("rooms", "floor", "built"):
        table[name] = table[name].astype("float64")
    return table


def _row(offer: Offer, rng: np.random.Generator, parameters: Parameters) -> dict[str, Any]:
    p, home, district = parameters.listing, offer.home, offer.spot.district.name
    first = pd.Timestamp(parameters.market.first_day, tz="UTC")
    area = home.area_m2 * float(np.exp(rng.normal(0, p.area_noise)))
    area = round(area / 5) * 5 if rng.random() < p.round_area else round(area)
    built = round(home.built / 10) * 10 if rng.random() < p.round_built else home.built
    blur = rng.normal(0, parameters.city.blur_km, 2)
    latitude, longitude = degrees(offer.spot.x + blur[0], offer.spot.y + blur[1], parameters.city)
    row: dict[str, Any] = {
        C.LISTING: offer.listing_id,
        C.PUBLISHED: (first + pd.Timedelta(days=offer.since)).floor("min"),
        C.EXPIRES: (first + pd.Timedelta(days=offer.until)).ceil("min"),
        "title": descriptions.title(home, district, rng),
        "deal": "sale" if offer.sale else "rent",
        "district": district,
        "building": BUILDING_LABELS[home.building],
        "rooms": home.rooms + int(rng.random() < p.wrong_rooms),
        "area_m2": float(area),
        "floor": home.floor,
        "built": built,
        "price": float(offer.price),
        "balcony": home.balcony,
        "pets": offer.pets,
        "parking": offer.parking,
        C.LATITUDE: latitude,
        C.LONGITUDE: longitude,
        C.DESCRIPTION: descriptions.description(home, district, rng, parameters.words),
    }
    for name, share in p.missing.items():
        if rng.random() < share:
            row[name] = None
    return row


def market_config() -> MarketConfig:
    """Return the names, labels and units of the demo market."""
    return MarketConfig(
        name="Demo: a simulated market of homes",
        note="Generated: these homes do not exist, their photos are rendered and their visitors simulated. The figures "
        "show the tool, not the world.",
        currency="€",
        title="title",
        actions=list(ACTIONS),
        attributes={
            "title": AttributeConfig(kind="text", label="Title"),
            "deal": AttributeConfig(kind="category", label="Deal"),
            "district": AttributeConfig(kind="category", label="District"),
            "building": AttributeConfig(kind="category", label="Building"),
            "rooms": AttributeConfig(kind="number", label="Rooms"),
            "area_m2": AttributeConfig(kind="number", label="Area", unit="m²"),
            "floor": AttributeConfig(kind="number", label="Floor"),
            "built": AttributeConfig(kind="number", label="Built in"),
            "price": AttributeConfig(kind="number", label="Price", unit="€"),
            "balcony": AttributeConfig(kind="flag", label="Balcony"),
            "pets": AttributeConfig(kind="flag", label="Pets allowed"),
            "parking": AttributeConfig(kind="flag", label="Parking"),
            C.DESCRIPTION: AttributeConfig(kind="text", label="Description"),
            C.PLACE: AttributeConfig(kind="place", label="Location"),
        },
    )


def place(home: Home, rng: np.random.Generator, city: Parameters) -> Spot:
    """Draw a location for a home: districts known for its building or its view are more likely."""
    weight = np.array(
        [
            d.share * city.affinity ** ((home.building in d.known) + (home.view in d.known))
            for d in city.district
        ]
    )
    district = city.district[int(rng.choice(len(weight), p=weight / weight.sum()))]
    x, y = rng.normal(0, city.spread_km, 2)
    return Spot(district, district.x + float(x), district.y + float(y))


def level(spot: Spot, city: Parameters) -> float:
    """Return the location's effect on a log price: the level of the district, and the distance to the market square."""
    return float(np.log(spot.district.level) - city.decay * np.hypot(spot.x, spot.y))


def degrees(x: float, y: float, city: Parameters) -> tuple[float, float]:
    """Return latitude and longitude of a point in km east and north of the market square."""
    north = city.latitude + y / KM_PER_DEGREE
    east = city.longitude + x / (KM_PER_DEGREE * np.cos(np.radians(city.latitude)))
    return round(float(north), 5), round(float(east), 5)
