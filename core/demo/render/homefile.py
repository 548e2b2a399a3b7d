"""The homes as the demo market writes them: one JSON object a line. Needs the standard library alone."""

import json
from dataclasses import dataclass
from pathlib import Path

from core.demo.render.vibes import ROOMS, VIBES
from core.errors import VibesError


@dataclass(frozen=True)
class Home:
    """What the renderer reads of a home; further fields of the file are left aside."""

    number: int
    seed: int
    vibe: str
    quality: float
    area_m2: float
    floor: int
    floors: int
    view: str
    building: str
    built: int
    light: float
    density: float
    clutter: float
    balcony: bool
    hour: float
    photos: tuple[str, ...]


def read_homes(path: Path) -> list[Home]:
    """Every home of the file. Raises VibesError naming file and line for what cannot be drawn."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise VibesError(
            f"{path} cannot be read ({error.strerror}); write it with `python -m core.demo.homes`."
        ) from error
    return [_home(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _home(line: str, where: str) -> Home:
    try:
        fields = json.loads(line)
        home = Home(
            **{name: kind(fields[name]) for name, kind in _KINDS.items()}, photos=tuple(fields["photos"])
        )
    except (ValueError, TypeError) as error:
        raise VibesError(
            f"{where}: not a home as JSON ({error}); write the file with `python -m core.demo.homes`."
        ) from error
    except KeyError as error:
        raise VibesError(
            f"{where}: the field {error} is missing; write the file with `python -m core.demo.homes`."
        ) from error
    if home.vibe not in VIBES:
        raise VibesError(f"{where}: unknown vibe {home.vibe!r}; known are {', '.join(VIBES)}.")
    for room in home.photos:
        if room not in ROOMS:
            raise VibesError(f"{where}: unknown photo {room!r}; known are {', '.join(ROOMS)}.")
    return home


_KINDS = {
    "number": int, "seed": int, "vibe": str, "quality": float, "area_m2": float, "floor": int, "floors": int, "view": str,
    "building": str, "built": int, "light": float, "density": float, "clutter": float, "balcony": bool, "hour": float,
}  # fmt: skip
