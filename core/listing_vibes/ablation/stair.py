"""The ladder of an ablation: the recall of listing ids only, the gain of each ingredient, and the ceiling."""

from dataclasses import dataclass

import pandas as pd

from listing_vibes.ablation.table import figures_of
from listing_vibes.evaluation.intervals import SIGNIFICANT

GROUND = "best id model"
INGREDIENTS = ("attributes", "+ meta", "full")
#: Variants of the default grid from the lowest rung up, each with one more ingredient.
LABELS = {
    GROUND: "Ids alone",
    "attributes": "Attributes",
    "+ meta": "+ actions",
    "full": "+ photos",
    "oracle": "Ceiling",
}


@dataclass(frozen=True)
class Step:
    """One rung; `gain` is the difference to the previous rung, None for the first."""

    label: str
    value: float
    low: float | None
    high: float | None
    gain: float | None = None
    sure: bool = False  # whether the gain is significant after Holm's correction


def stair(table: pd.DataFrame) -> list[Step]:
    """Return the rungs from the best id model to the full model and the ceiling, if there is one, with recall@30.

    Every rung is compared with the previous one, as in the grid; empty if the ablation has no such chain. An
    ingredient that the market lacks has no rung.

    Args:
        table: see `listing_vibes.ablation.table.read_ablation`.
    """
    figures = figures_of(table)
    chain = figures.loc[[name for name in LABELS if name in figures.index]]
    is_chain = chain["reference"].iloc[1:].tolist() == chain.index[:-1].tolist()
    if GROUND not in chain.index or not chain.index.isin(INGREDIENTS).any() or not is_chain:
        return []
    numbers = chain[["value", "low", "high", "difference", "p_value"]].astype(object)
    rows = numbers.where(chain.notna(), None).to_dict("index")
    return [
        Step(
            LABELS[str(name)],
            row["value"],
            row["low"],
            row["high"],
            None if name == GROUND else row["difference"],
            name != GROUND and row["p_value"] is not None and row["p_value"] < SIGNIFICANT,
        )
        for name, row in rows.items()
    ]
