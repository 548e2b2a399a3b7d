"""The latent homes of the demo market: the properties behind photos and listings, before any noise.

`python -m listing_vibes.demo.homes COUNT SEED` writes them as JSON lines, for the renderer. It uses only the standard library and
numpy, since the renderer's environment has nothing else.
"""

import json
import sys
from dataclasses import asdict, dataclass

import numpy as np

from listing_vibes.demo.parameters import Parameters, load_parameters

VIBES = (
    "worn_out",
    "rental_basic",
    "scandinavian",
    "loft",
    "classic",
    "boho",
    "midcentury",
    "minimalist",
    "designer",
)
BUILDINGS = ("block", "townhouse", "tower", "villa", "factory")
VIEWS = ("street", "park", "water", "roofs", "courtyard")
ROOMS = ("living", "kitchen", "bedroom", "bathroom", "front")
LOWEST_ROOFS = 2  # lower floors have no view over roofs


@dataclass(frozen=True)
class Home:
    """One home; `seed` is for all other details of a photo. Quality, light, density and clutter are in 0..1."""

    number: int
    seed: int
    vibe: str
    quality: float
    area_m2: float
    rooms: int
    floor: int
    floors: int
    view: str
    building: str
    built: int
    light: float
    density: float  # of furniture
    clutter: float
    balcony: bool
    hour: float  # time of day of the photos, 7..20
    photos: tuple[str, ...]  # the photographed rooms, the cover first

    @property
    def photo_paths(self) -> list[str]:
        """The paths of the photos, relative to the market, the cover first."""
        return [f"photos/{self.number:04d}_{room}.webp" for room in self.photos]


def homes(count: int, seed: int, parameters: Parameters | None = None) -> list[Home]:
    """Return `count` homes; the same seed gives the same homes, and home n does not depend on `count`."""
    parameters = parameters or load_parameters()
    return [_home(number, np.random.default_rng([seed, 1, number]), parameters) for number in range(count)]


def _home(number: int, rng: np.random.Generator, parameters: Parameters) -> Home:
    p = parameters.homes
    vibe = VIBES[_pick(rng, [parameters.vibe[name].share for name in VIBES])]
    style = parameters.vibe[vibe]
    building = BUILDINGS[_pick(rng, style.buildings)]
    first, last = p.built[building]
    built = int(rng.integers(first, last + 1))
    low, high = p.floors[building]
    floors = int(rng.integers(low, high + 1))
    floor = int(rng.integers(0, floors)) if building != "villa" else 0
    # The room sizes of a home depend on its building, and slightly on its vibe.
    rooms = 1 + _pick(rng, p.rooms)
    stretch = p.building_area[building] + style.area + rng.normal(0, p.area_spread)
    area = (p.area_base + p.area_room * rooms) * float(np.exp(stretch))
    views = {name: share for name, share in p.views.items() if name != "roofs" or floor >= LOWEST_ROOFS}
    view = list(views)[_pick(rng, list(views.values()))]
    quality = _within(style.quality + rng.normal(0, p.spread))
    light = style.light + p.building_light[building] + p.floors_light * min(floor, 8)
    return Home(
        number=number,
        seed=int(rng.integers(0, 2**31)),
        vibe=vibe,
        quality=quality,
        area_m2=round(area, 1),
        rooms=rooms,
        floor=floor,
        floors=floors,
        view=view,
        building=building,
        built=built,
        light=_within(light - 0.08 * (view == "courtyard") + rng.normal(0, p.spread)),
        density=_within(style.density + rng.normal(0, p.spread)),
        clutter=_within(style.clutter - 0.25 * (quality - style.quality) + rng.normal(0, p.spread)),
        balcony=bool(rng.random() < p.balcony[building]),
        hour=round(float(np.clip(rng.normal(13.0, 3.0), 7, 20)), 2),
        photos=_photos(rng, parameters),
    )


def _photos(rng: np.random.Generator, parameters: Parameters) -> tuple[str, ...]:
    p = parameters.homes
    chance = (p.living, p.kitchen, p.bedroom, p.bathroom, p.front)
    shown = [room for room, share in zip(ROOMS, chance, strict=True) if rng.random() < share]
    leads = rng.random() < p.front_first
    if not shown or shown == ["front"]:
        return ("living", *shown)  # a listing shows at least one room
    if "front" in shown and leads:
        shown.insert(0, shown.pop())
    return tuple(shown)


def _pick(rng: np.random.Generator, weights: list[float]) -> int:
    share = np.asarray(weights, float)
    return int(rng.choice(len(share), p=share / share.sum()))


def _within(value: float) -> float:
    return round(float(np.clip(value, 0, 1)), 4)


def main(arguments: list[str]) -> None:
    """Write COUNT homes of SEED to standard output, one JSON object a line."""
    count, seed = int(arguments[0]), int(arguments[1])
    for home in homes(count, seed):
        sys.stdout.write(json.dumps(asdict(home)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
