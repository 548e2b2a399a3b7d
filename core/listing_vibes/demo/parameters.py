"""The parameters of the demo market: `parameters.toml`, read into frozen sections (standard library only)."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from listing_vibes.errors import VibesError

FILE = Path(__file__).with_name("parameters.toml")
T = TypeVar("T")


@dataclass(frozen=True)
class MarketSize:
    """How large the market is and when it happens."""

    seed: int
    listings: int
    users: int
    first_day: str
    days: int


@dataclass(frozen=True)
class HomeParameters:
    """How homes are drawn."""

    rooms: list[float]
    area_base: float
    area_room: float
    area_spread: float
    spread: float
    floors_light: float
    views: dict[str, float]
    building_light: dict[str, float]
    building_area: dict[str, float]
    built: dict[str, list[int]]
    floors: dict[str, list[int]]
    balcony: dict[str, float]
    living: float
    kitchen: float
    bedroom: float
    bathroom: float
    front: float
    front_first: float


@dataclass(frozen=True)
class Vibe:
    """What a vibe does to a home, its price, and who likes it."""

    share: float
    quality: float
    light: float
    density: float
    clutter: float
    area: float
    buildings: list[float]
    price: float
    wanted: float
    appeal: float
    near: dict[str, float]


@dataclass(frozen=True)
class District:
    """One district of the city."""

    name: str
    x: float
    y: float
    level: float
    share: float
    known: list[str]


@dataclass(frozen=True)
class CityParameters:
    """The city."""

    latitude: float
    longitude: float
    spread_km: float
    blur_km: float
    affinity: float
    decay: float
    district: list[District]


@dataclass(frozen=True)
class ListingParameters:
    """How a home is advertised."""

    sale: float
    rent_m2: float
    sale_months: float
    area_power: float
    quality_price: float
    light_price: float
    floor_price: float
    view_price: dict[str, float]
    building_price: dict[str, float]
    balcony_price: float
    parking_price: float
    price_noise: float
    parking: dict[str, float]
    pets: float
    before: float
    life: float
    life_spread: float
    life_least: float
    life_most: float
    round_area: float
    area_noise: float
    wrong_rooms: float
    round_built: float
    missing: dict[str, float]


@dataclass(frozen=True)
class WordParameters:
    """How a listing is described."""

    no_description: float
    vague: float
    wrong: float
    hint: float
    honest_hint: float
    condition: float
    flattery: float
    condition_noise: float


@dataclass(frozen=True)
class UserParameters:
    """Who searches, when, and with which filters."""

    backlog: float
    search_days: float
    search_spread: float
    visits: float
    visits_shape: float
    weekday: list[float]
    browsing: float
    budget_spread: float
    area_spread: float
    place_spread_km: float
    place_filter: float
    radius_km: list[float]
    budget_slack: float
    cheap_filter: float
    cheap_slack: float
    area_slack: float
    wants_balcony: float
    has_pet: float


@dataclass(frozen=True)
class ChoiceParameters:
    """The utility of a listing for a person."""

    over_budget: float
    under_budget: float
    price_reach: float
    bargain: float
    area: float
    place: float
    vibe: float
    vibe_spread: float
    quality: float
    light: float
    balcony: float
    pets: float
    charm: float
    drift_keep: float
    drift_start: float
    drift_spread: float
    patience: float
    seen: float
    kept: float
    outside: float
    clicks: float
    most_clicks: int


@dataclass(frozen=True)
class PageParameters:
    """The order of a page of results, and who looks how far down."""

    position: float
    fresh: float
    fresh_days: float
    popular: float
    popular_days: int
    noise: float


@dataclass(frozen=True)
class InterestParameters:
    """What a visitor does with a listing, and for how long."""

    gallery: float
    noise: float
    actions: list[float]
    seconds: float
    growth: float
    seconds_noise: float
    longest: float
    unknown: float
    pause: float


@dataclass(frozen=True)
class Parameters:
    """All sections of the file."""

    market: MarketSize
    homes: HomeParameters
    vibe: dict[str, Vibe]
    city: CityParameters
    listing: ListingParameters
    words: WordParameters
    users: UserParameters
    choice: ChoiceParameters
    page: PageParameters
    interest: InterestParameters


SECTIONS: dict[str, type] = {
    "market": MarketSize,
    "homes": HomeParameters,
    "listing": ListingParameters,
    "words": WordParameters,
    "users": UserParameters,
    "choice": ChoiceParameters,
    "page": PageParameters,
    "interest": InterestParameters,
}


def load(path: Path = FILE) -> Parameters:
    """Read the parameters; every key must be there and none beside them.

    Raises:
        VibesError: the file is missing or no TOML, or a key is unknown or missing.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise VibesError(f"Cannot read {path} ({error.strerror}); install the package again.") from error
    except tomllib.TOMLDecodeError as error:
        raise VibesError(f"{path} is not valid TOML ({error}); mend that line.") from error
    city = dict(raw.get("city", {}))
    city["district"] = [_section(District, one, path, "city.district") for one in city.get("district", [])]
    return Parameters(
        vibe={name: _section(Vibe, one, path, f"vibe.{name}") for name, one in raw.get("vibe", {}).items()},
        city=_section(CityParameters, city, path, "city"),
        **{name: _section(kind, raw.get(name, {}), path, name) for name, kind in SECTIONS.items()},
    )


def _section(kind: type[T], table: dict[str, Any], path: Path, name: str) -> T:
    wanted = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(table) - wanted):
        raise VibesError(
            f"{path}: unknown key '{unknown[0]}' in [{name}]; remove it or correct its spelling."
        )
    if missing := sorted(wanted - set(table)):
        raise VibesError(f"{path}: [{name}] lacks the key '{missing[0]}'; add it.")
    return kind(**table)
