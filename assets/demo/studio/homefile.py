"""The homes as the demo market writes them: one JSON object a line. Needs the standard library and numpy."""

import json
from pathlib import Path
from typing import get_origin, get_type_hints

from listing_vibes.demo.homes import ROOMS, VIBES, Home
from listing_vibes.errors import VibesError

#: What each field is made by: int, float, bool, str, or tuple.
KINDS = {name: get_origin(kind) or kind for name, kind in get_type_hints(Home).items()}


def read_homes(path: Path) -> list[Home]:
    """Every home of the file. Raises VibesError naming file and line for what cannot be drawn."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise VibesError(
            f"{path} cannot be read ({error.strerror}); write it with `python -m listing_vibes.demo.homes`."
        ) from error
    return [_home(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _home(line: str, where: str) -> Home:
    try:
        cells = json.loads(line)
        home = Home(**{name: kind(cells[name]) for name, kind in KINDS.items()})
    except (ValueError, TypeError) as error:
        raise VibesError(
            f"{where}: not a home as JSON ({error}); write the file with `python -m listing_vibes.demo.homes`."
        ) from error
    except KeyError as error:
        raise VibesError(
            f"{where}: the field {error} is missing; write the file with `python -m listing_vibes.demo.homes`."
        ) from error
    if home.vibe not in VIBES:
        raise VibesError(f"{where}: unknown vibe {home.vibe!r}; known are {', '.join(VIBES)}.")
    for room in home.photos:
        if room not in ROOMS:
            raise VibesError(f"{where}: unknown photo {room!r}; known are {', '.join(ROOMS)}.")
    return home
