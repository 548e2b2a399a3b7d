"""What market.toml excludes, or calls unwanted, and the tables do not have."""

import difflib
from pathlib import Path

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import HIDE, MarketConfig
from listing_vibes.market.defects import Defect


def excluded_in_vain(columns: list[str], path: Path, config: MarketConfig) -> list[Defect]:
    """What market.toml excludes that is not among the `columns` of `path`.

    Raises:
        VibesError: one that is not excluded is spelt nearly so: it would reach the model.
    """
    open_, found = [name for name in columns if name not in config.excluded], []
    for name in config.excluded:
        if name in columns or name == C.PLACE:
            continue
        meant = _meant(name, open_)
        if meant is not None:
            raise VibesError(
                f"market.toml excludes '{name}', which {path} does not have, while '{meant}' would reach the model; "
                "correct the name in market.toml, or remove it there."
            )
        found.append(Defect("market.toml", "excluded", 0, name, f"is no column of {path.name}; remove it"))
    return found


def _meant(name: str, others: list[str]) -> str | None:
    """The one of `others` that is spelt nearly as `name`, None where there is none."""
    near = difflib.get_close_matches(name.casefold(), [other.casefold() for other in others], 1, 0.8)
    return next(other for other in others if other.casefold() == near[0]) if near else None


def unwanted_in_vain(
    events: pd.DataFrame, actions: list[str], path: Path, config: MarketConfig
) -> list[Defect]:
    """What market.toml calls unwanted that is no action of `path`.

    Raises:
        VibesError: it names all actions that there are, or one that is none and spelt nearly as another.
    """
    if "unwanted" not in config.model_fields_set:
        return []
    named, found = config.unwanted, []
    for name in named:
        if name in actions or name == HIDE:
            continue
        meant = _meant(name, actions)
        if meant is not None:
            raise VibesError(
                f"market.toml calls '{name}' unwanted, which is no action of {path}, while '{meant}' is one; correct the name in "
                "market.toml, or remove it there."
            )
        found.append(Defect("market.toml", "unwanted", 0, name, f"is no action of {path.name}; remove it"))
    if actions and set(actions) <= set(named) and len(events) and events[C.ACTION].notna().all():
        raise VibesError(
            f"market.toml calls all actions of {path} unwanted ({', '.join(actions)}), so that no event says what users are after; "
            "leave one out there."
        )
    return found
