"""Results of an ablation: the metrics of every variant, its paired difference to its reference, and the ladder of ingredients."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import SIGNIFICANT, RankedQueries, with_holm
from listing_vibes.market.io import read_stored_table, require_numbers
from listing_vibes.scoring.ranking_metrics import CEILING, METRICS, ORACLE, method_name
from listing_vibes.words import render_table, write_interval, write_p

COLUMNS = (
    "variant", "seed", "slice", "metric", "k", "value", "low", "high", "queries", "reference", "difference", "p_value",
)  # fmt: skip
ALL = "all"
GROUND = "best id model"
INGREDIENTS = ("attributes", "+ meta", "full")
#: Variants of the default grid from the lowest rung up, each with one more ingredient.
LABELS = {
    GROUND: "Ids alone",
    "attributes": "Attributes",
    "+ meta": "+ actions",
    "full": "+ photos",
    ORACLE: CEILING,
}
#: Other variants are compared with the full model.
NAMES = {**LABELS, "full": "Full model"}
SHOWN = (("recall", 10), ("recall", 30), ("ndcg", 10), ("ndcg", 30))


@dataclass(frozen=True, eq=False)
class Measured:
    """One variant on the Q queries of an ablation."""

    name: str
    reference: str | None  # another evaluated variant
    ranks: Mapping[int, np.ndarray] = field(repr=False)  # by seed (Q,) int64, 1-based
    question: str = ""
    #: (value, low, high) by seed.
    coverage: Mapping[int, tuple[float | None, ...]] = field(default_factory=dict)


def variant_name(name: str) -> str:
    """Return the name of a variant at the start of a line or a cell."""
    return NAMES.get(name, method_name(name))


def read_ablation(path: Path) -> pd.DataFrame | None:
    """Read the table of `vibes ablate`; None if there is none.

    Raises:
        VibesError: the table is damaged, empty, or lacks a column.
    """
    hint = "create it again with vibes ablate"
    table = read_stored_table(path, COLUMNS, hint)
    if table is not None:
        if table.empty:
            raise VibesError(f"{path} is empty; {hint}.")
        require_numbers(table, path, ("value", "queries"), hint)
        require_numbers(
            table, path, ("seed", "k", "low", "high", "difference", "p_value"), hint, missing=True
        )
    return table


def ablation_table(
    measured: Sequence[Measured], user: np.ndarray, slices: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Return the rows of `ablation.parquet`.

    Each variant has one row per metric and seed for the slice `all`; and rows with a missing seed for the mean over its seeds (a
    user's values are averaged first), for `all` and for each of `slices` (name: (Q,) bool) that has queries. `user` (Q,) is
    the user of each query. The interval is a bootstrap over users (95 %). `difference` is `value` minus that of `reference`
    on the same queries and, if available, the same seed; `p_value` is a sign-flip test over users, after Holm's
    correction for all differences of the grid in the same slice, metric and seed.
    """
    everything = np.ones(len(user), bool)
    rows: list[dict[str, Any]] = []
    for seed in (None, *sorted({seed for variant in measured for seed in variant.ranks})):
        rows += _rows(measured, user, everything, {"seed": seed, "slice": ALL})
        for variant in measured:
            rows += _coverage_rows(variant, seed, len(user))
    for name, mask in slices.items():
        if mask.any():
            rows += _rows(measured, user, mask, {"seed": None, "slice": name})
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"k": "Int64", "seed": "Int64"})
    table["reference"] = table["reference"].astype("str").where(table["reference"].notna(), None)
    order = {variant.name: number for number, variant in enumerate(measured)}
    return table.sort_values("variant", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _rows(
    measured: Sequence[Measured], user: np.ndarray, mask: np.ndarray, head: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one slice and one seed (None: the mean over seeds)."""
    seed = head["seed"]
    # A baseline has a single seed, which is compared with each seed of the variants that refer to it.
    ranks = {
        variant.name: variant.ranks[seed] if seed in variant.ranks else np.stack([*variant.ranks.values()])
        for variant in measured
    }
    shown = [variant for variant in measured if seed is None or seed in variant.ranks]
    pairs = [(variant.name, variant.reference) for variant in shown if variant.reference is not None]
    queries = RankedQueries(user, ranks)
    means = queries.means(mask)
    result = dict(zip(pairs, with_holm([*queries.differences(pairs, mask).values()]), strict=True))
    for variant in shown:
        difference = result.get((variant.name, variant.reference or ""), {})
        for label in METRICS:
            metric, _, k = label.partition("@")
            item = difference.get(label, {})
            yield {
                **head, **means[variant.name][label], "variant": variant.name, "metric": metric, "k": int(k) if k else None,
                "queries": int(mask.sum()), "reference": variant.reference, "difference": item.get("value"), "p_value": item.get("p_holm"),
            }  # fmt: skip


def _coverage_rows(variant: Measured, seed: int | None, queries: int) -> Iterator[dict[str, Any]]:
    """Yield catalogue coverage, which is not a mean over users and so has no difference; for several seeds it is their mean."""
    seeds = list(variant.coverage) if seed is None else [seed]
    values = [variant.coverage[seed] for seed in seeds if seed in variant.coverage]
    if values:
        means = [None if None in parts else float(np.mean(parts)) for parts in zip(*values, strict=True)]
        yield {
            "variant": variant.name, "seed": seed, "slice": ALL, "metric": "coverage", "k": K,
            **dict(zip(("value", "low", "high"), means, strict=True)), "queries": queries, "reference": variant.reference,
        }  # fmt: skip


def figures_of(
    table: pd.DataFrame, metric: str = "recall", k: int | None = K, part: str = ALL
) -> pd.DataFrame:
    """Return one row per variant: the mean over seeds of one metric on a slice, the values of its `seeds`, and the `verdict`."""
    rows = table[(table["slice"] == part) & (table["metric"] == metric)]
    rows = rows[rows["k"] == k] if k is not None else rows[rows["k"].isna()]
    seeds = rows[rows["seed"].notna()].groupby("variant")["value"].agg(list).rename("seeds")
    means = rows[rows["seed"].isna()].set_index("variant")
    verdicts = [_verdict(row) for row in means.to_dict("records")]
    return means.join(seeds).assign(verdict=verdicts)


def _verdict(row: Mapping[Any, Any]) -> str:
    """Return "better" or "worse" than the reference if the difference is significant after Holm's correction."""
    if pd.isna(row["difference"]) or pd.isna(row["p_value"]):
        return "no reference"
    if row["p_value"] >= SIGNIFICANT:
        return "not significant"
    return "better" if row["difference"] > 0 else "worse"


def render_ablation(table: pd.DataFrame, measured: Sequence[Measured]) -> str:
    """Return the metrics of all variants as a text table, in the order of the grid."""
    figures = {pair: figures_of(table, *pair) for pair in SHOWN}
    rows = []
    for variant in measured:
        row = figures["recall", K].loc[variant.name]
        has_difference = pd.notna(row["difference"])
        lowest, highest = min(row["seeds"]), max(row["seeds"])
        rows.append(
            {
                "question": variant.question,
                "variant": variant.name,
                **{f"{name}@{k}": f"{frame.loc[variant.name, 'value']:.3f}" for (name, k), frame in figures.items()},
                "95 %": write_interval(row),
                "seeds": f"{lowest:.3f}-{highest:.3f}" if lowest != highest else "",
                "difference": f"{row['difference']:+.3f}" if has_difference else "",
                "to": row["reference"] if has_difference else "",
                "p": write_p(row["p_value"]) if has_difference else "",
            }
        )  # fmt: skip
    return render_table(pd.DataFrame(rows))


@dataclass(frozen=True)
class Rung:
    """One rung; `gain` is the difference to the previous rung, None for the first."""

    label: str
    value: float
    low: float | None
    high: float | None
    gain: float | None = None
    is_significant: bool = False  # whether the gain is significant after Holm's correction


def ladder(table: pd.DataFrame) -> list[Rung]:
    """Return the rungs from the best id model to the full model and the ceiling, if there is one, with recall@30.

    Every rung is compared with the previous one, as in the grid; empty if the ablation has no such chain. An
    ingredient that the market lacks has no rung.
    """
    figures = figures_of(table)
    chain = figures.loc[[name for name in LABELS if name in figures.index]]
    is_chain = chain["reference"].iloc[1:].tolist() == chain.index[:-1].tolist()
    if GROUND not in chain.index or not chain.index.isin(INGREDIENTS).any() or not is_chain:
        return []
    rows = chain.astype(object).where(chain.notna(), None).to_dict("index")
    return [
        Rung(
            LABELS[str(name)],
            row["value"],
            row["low"],
            row["high"],
            None if name == GROUND else row["difference"],
            name != GROUND and row["verdict"] in ("better", "worse"),
        )
        for name, row in rows.items()
    ]
