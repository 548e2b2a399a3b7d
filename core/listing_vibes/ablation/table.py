"""What an ablation found: every variant's figures, and its paired difference to the variant it refers to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.evaluation.intervals import bootstrap_means, holm, interval, sign_flip_p
from listing_vibes.market.io import read_kept, require_numbers
from listing_vibes.scoring.metrics import DEFAULT, per_query, user_means

COLUMNS = (
    "variant", "seed", "slice", "metric", "k", "value", "low", "high", "queries", "reference", "difference", "p_value",
)  # fmt: skip
ALL = "all"


def read_ablation(path: Path) -> pd.DataFrame | None:
    """The table that `vibes ablate` wrote; None where there is none.

    Raises:
        VibesError: it is damaged, or lacks a column.
    """
    mend = "make it again with vibes ablate"
    table = read_kept(path, COLUMNS, mend)
    if table is not None:
        require_numbers(table, path, ("value", "queries"), mend)
        require_numbers(
            table, path, ("seed", "k", "low", "high", "difference", "p_value"), mend, missing=True
        )
    return table


@dataclass(frozen=True, eq=False)
class Measured:
    """One variant on the Q queries of an ablation."""

    name: str
    reference: str | None  # another measured variant
    ranks: Mapping[int, np.ndarray] = field(repr=False)  # seed: (Q,) int64, 1-based
    question: str = ""
    coverage: Mapping[int, tuple[float, float | None, float | None]] = field(
        default_factory=dict
    )  # value, low, high


def ablation_table(
    measured: Sequence[Measured],
    user: np.ndarray,
    slices: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """The rows of `ablation.parquet`.

    Of each variant: one row a metric and seed for the slice `all`; and with a missing seed the mean over its seeds, a
    user's values being averaged first, for `all` and for each of `slices` (name: (Q,) bool). `user` (Q,) says whose
    query each is. The interval is a bootstrap over users (95 %). `difference` is `value` minus that of `reference` on
    the same queries and (where it has it) the same seed; `p_value` is a sign-flip test over users, after Holm's
    correction for all differences of the grid in the same slice, metric, k and seed. An empty slice has no rows.
    """
    rows: list[tuple] = []
    everything = np.ones(len(user), bool)
    seeds = sorted({number for one in measured for number in one.ranks})
    for number in (None, *seeds):
        rows += _of_slice(measured, number, ALL, everything, user)
        for one in measured:
            rows += _coverage(one, number, len(user))
    for name, mask in slices.items():
        if mask.any():
            rows += _of_slice(measured, None, name, mask, user)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["k"] = table["k"].astype("Int64")
    table["seed"] = table["seed"].astype("Int64")
    table["reference"] = table["reference"].astype("str").where(table["reference"].notna(), None)
    order = {one.name: place for place, one in enumerate(measured)}
    return table.sort_values("variant", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _of_slice(
    measured: Sequence[Measured],
    number: int | None,
    name: str,
    mask: np.ndarray,
    user: np.ndarray,
) -> Iterator[tuple]:
    """The rows of one slice and one seed (None: the mean over seeds); all variants share one set of draws."""
    width = len(DEFAULT.names)
    values = {one.name: _values(one, number, mask, user) for one in measured}  # (U, M) each
    shown = [one for one in measured if number is None or number in one.ranks]
    paired = [one for one in shown if one.reference is not None]
    own = np.hstack([values[one.name] for one in shown])  # (U, V * M)
    low, high = _bounds(own)
    differences, corrected = np.zeros((0, width)), np.zeros((0, width))
    if paired:
        delta = np.hstack([values[one.name] - values[one.reference or ""] for one in paired])  # (U, P * M)
        differences = delta.mean(axis=0).reshape(-1, width)
        corrected = np.apply_along_axis(holm, 0, sign_flip_p(delta).reshape(-1, width))
    place = {one.name: row for row, one in enumerate(paired)}
    for row, one in enumerate(shown):
        for column, label in enumerate(DEFAULT.names):
            metric, _, k = label.partition("@")
            at = row * width + column
            pair = place.get(one.name)
            yield (
                one.name, number, name, metric, int(k) if k else None, float(own[:, at].mean()), low[at], high[at],
                int(mask.sum()), one.reference,
                None if pair is None else float(differences[pair, column]),
                None if pair is None else float(corrected[pair, column]),
            )  # fmt: skip


def _values(one: Measured, number: int | None, mask: np.ndarray, user: np.ndarray) -> np.ndarray:
    """(U, M) the metrics of each user; a variant that does not know the seed (a baseline) gives its mean."""
    chosen = list(one.ranks) if number is None or number not in one.ranks else [number]
    parts = [user_means(per_query(one.ranks[each][mask]), user[mask]) for each in chosen]
    return np.mean(parts, axis=0)


def _bounds(values: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    if len(values) < 2:
        return [None] * values.shape[1], [None] * values.shape[1]
    low, high = interval(bootstrap_means(values))
    return low.tolist(), high.tolist()


def _coverage(one: Measured, number: int | None, queries: int) -> Iterator[tuple]:
    """Catalogue coverage is no mean over users, so it has no difference; of several seeds it is their mean."""
    found = (
        list(one.coverage.values())
        if number is None
        else [one.coverage[n] for n in (number,) if n in one.coverage]
    )
    if not found:
        return
    means = [
        None if any(part is None for part in parts) else float(np.mean(parts))
        for parts in zip(*found, strict=True)
    ]
    yield (one.name, number, ALL, "coverage", DEFAULT.coverage, *means, queries, one.reference, None, None)
