"""The stair of the method: what listing ids alone reach, what each ingredient adds to it, and what nobody could exceed."""

from dataclasses import dataclass

import pandas as pd

from listing_vibes.ablation.text import SIGNIFICANT, figures_of

GROUND, CEILING = (
    "best id model",
    "oracle",
)  # variants of the default grid, as are these, each with one ingredient more
INGREDIENTS = {"attributes": "Attributes", "+ meta": "+ actions", "full": "+ photos"}
LABELS = {GROUND: "Ids alone", **INGREDIENTS, CEILING: "Ceiling"}


@dataclass(frozen=True)
class Step:
    """One step of the stair; `gain` is the difference to the step before it, None on the first."""

    label: str
    value: float
    low: float | None
    high: float | None
    gain: float | None = None
    sure: bool = False  # of the difference: p < .05 after Holm's correction


def stair(table: pd.DataFrame) -> list[Step]:
    """The steps from the best id model to the whole one and the ceiling, where there is one, by recall@30.

    Every step is compared with the one before it, as the grid has it; empty where the ablation has no such chain. An
    ingredient that the market lacks is no step.

    Args:
        table: as `listing_vibes.ablation.table.read_ablation` gives it.
    """
    found = figures_of(table)
    chain = [GROUND, *(name for name in INGREDIENTS if name in found.index)]
    if CEILING in found.index:
        chain.append(CEILING)
    before = dict(zip(chain[1:], chain, strict=False))
    told = [name in found.index and found.loc[name, "reference"] == before[name] for name in chain[1:]]
    if GROUND not in found.index or not any(name in INGREDIENTS for name in chain) or not all(told):
        return []
    return [_step(found.loc[name], LABELS[name], first=name == GROUND) for name in chain]


def _step(row: pd.Series, label: str, first: bool) -> Step:
    low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
    if first or pd.isna(row["difference"]):
        return Step(label, float(row["value"]), low, high)
    sure = not pd.isna(row["p_value"]) and bool(row["p_value"] < SIGNIFICANT)
    return Step(label, float(row["value"]), low, high, float(row["difference"]), sure)
