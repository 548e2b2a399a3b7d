"""Models that ship with the project, by name."""

from __future__ import annotations

from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.market.caches import DEMO, MODELS


def named_model(run: Path | str) -> Path:
    """The run folder of a model: `homes`, `demo`, or the folder itself where there is one of that path.

    Raises:
        VibesError: there is neither.
    """
    path = Path(run)
    if path.is_dir() or len(path.parts) != 1:
        return path
    known = {"demo": DEMO / "run", **{one.parent.name: one.parent for one in MODELS.glob("*/run.toml")}}
    if path.name not in known:
        raise VibesError(
            f"There is no run folder {path}, and no model of that name; those that ship are {' and '.join(sorted(known))}."
        )
    return known[path.name]
