"""What recall to expect of a model in a market that it never saw: from markets that it, or its like, was tried on.

A row says how a model trained without a market did in it, beside the neighbours by attributes, which need no training.
Recall differs between markets with how hard they are, and the neighbours meet that as well: the ratio of the two is far
steadier. What is expected is the market's own neighbours times the mean ratio (of logarithms; with a line over the shift of
the values where leave-one-out is the better for it), and the interval is Student's for one more market.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from listing_vibes.market.documents import read_json, write_json

FILE = "calibration.json"
#: Markets that a model must have been tried on; and from which on shift may count.
FEWEST, FEWEST_FOR_A_LINE = 3, 6
LEVEL = 0.95


class Tried(BaseModel):
    """How a model did in a market that took no part in its training."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    market: str
    shift: float = Field(ge=0, le=1)  # mean total variation of the attributes from the nearest known market
    model: float = Field(ge=0, le=1)  # recall@30
    neighbours: float = Field(ge=0, le=1)  # recall@30 of the neighbours by attributes


class Foretold(BaseModel):
    """Recall@30 to expect, the interval that holds it in 95 of 100 markets, and of how many this was learned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    low: float
    high: float
    markets: int
    held: int  # of these, how many a forecast from the others held


def foretell(tried: Sequence[Tried], shift: float, neighbours: float) -> Foretold | None:
    """What to expect where the neighbours reach `neighbours`; None where too little was tried."""
    rows = [row for row in tried if row.model > 0 and row.neighbours > 0]
    if len(rows) < FEWEST or not neighbours > 0:
        return None
    value, low, high = _forecast(rows, shift, neighbours)
    held = 0
    if len(rows) > FEWEST:
        for place, row in enumerate(rows):
            _, least, most = _forecast([*rows[:place], *rows[place + 1 :]], row.shift, row.neighbours)
            held += least <= row.model <= most
    return Foretold(value=value, low=low, high=high, markets=len(rows), held=held)


def _forecast(rows: Sequence[Tried], shift: float, neighbours: float) -> tuple[float, float, float]:
    from scipy.stats import t as student  # most models are tried in too few markets to ask it

    ratio = np.log([row.model / row.neighbours for row in rows])
    ones = np.ones((len(rows), 1))
    line = np.column_stack([ones, [row.shift for row in rows]])
    use = (
        len(rows) >= FEWEST_FOR_A_LINE
        and np.ptp(line[:, 1]) > 0
        and _missed(line, ratio) < _missed(ones, ratio)
    )
    design, asked = (line, np.array([1.0, shift])) if use else (ones, np.ones(1))
    fitted = np.linalg.lstsq(design, ratio, rcond=None)[0]
    free = len(rows) - design.shape[1]
    spread = np.sqrt(np.square(ratio - design @ fitted).sum() / free)
    wide = np.sqrt(1 + asked @ np.linalg.inv(design.T @ design) @ asked)
    reach = student.ppf((1 + LEVEL) / 2, free) * spread * wide
    middle = float(asked @ fitted)
    return tuple(float(min(1.0, neighbours * np.exp(middle + by))) for by in (0.0, -reach, reach))  # type: ignore[return-value]


def _missed(design: np.ndarray, wanted: np.ndarray) -> float:
    """The sum of squares that leave-one-out misses `wanted` (n,) by."""
    hat = design @ np.linalg.pinv(design)
    return float(np.square((wanted - hat @ wanted) / np.maximum(1 - np.diag(hat), 1e-9)).sum())


def save_tried(run: Path, tried: Sequence[Tried]) -> None:
    """Write `calibration.json` into the folder of a model."""
    write_json(run / FILE, [row.model_dump() for row in tried], ensure_ascii=False, indent=1)


def load_tried(run: Path) -> list[Tried]:
    """What the model in a run folder was tried on.

    Raises:
        VibesError: the file is damaged.
    """
    return (
        read_json(
            run / FILE,
            "remove it, or calibrate the model again",
            lambda all_: [Tried.model_validate(one) for one in all_],
        )
        or []
    )
