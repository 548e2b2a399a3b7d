"""The parameters of the demo market from `parameters.toml`, whose comments explain them (standard library only)."""

import tomllib
from functools import cache
from pathlib import Path
from types import SimpleNamespace

FILE = Path(__file__).with_name("parameters.toml")


class Parameters(SimpleNamespace):
    """A section of the file, with its keys as attributes; mappings by buildings, views or vibes stay dicts."""

    def replace(self, **values: object) -> "Parameters":
        """Return the same section with other values."""
        return Parameters(**{**vars(self), **values})


@cache
def load_parameters() -> Parameters:
    """Return all sections of the file; `vibe` is a dict of sections, `city.district` a list of them."""
    sections = tomllib.loads(FILE.read_text(encoding="utf-8"))
    vibes = {name: Parameters(**style) for name, style in sections.pop("vibe").items()}
    sections["city"]["district"] = [Parameters(**district) for district in sections["city"]["district"]]
    return Parameters(vibe=vibes, **{name: Parameters(**values) for name, values in sections.items()})
