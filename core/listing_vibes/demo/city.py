"""The made-up city of the demo market: twelve districts around a market square, on a plane in km."""

from dataclasses import dataclass

import numpy as np

from listing_vibes.demo.homes import Home
from listing_vibes.demo.parameters import Parameters

KM_PER_DEGREE = 111.2


@dataclass(frozen=True)
class Spot:
    """The location of a home: its district, and km east and north of the market square."""

    district: Parameters
    x: float
    y: float


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
