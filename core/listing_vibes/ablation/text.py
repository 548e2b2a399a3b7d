"""An ablation as one JSON document, and as plain text in the order of the grid."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from listing_vibes.ablation.table import ALL, Measured
from listing_vibes.defaults import K
from listing_vibes.tables import render_table, write_interval, write_p

HEADLINE = ("recall", K)
SHOWN = (("recall", 10), ("recall", 30), ("ndcg", 10), ("ndcg", 30))
SIGNIFICANT = 0.05


def figures_of(table: pd.DataFrame, metric: str = "recall", k: int | None = K) -> pd.DataFrame:
    """One row a variant: the mean over seeds of one metric on all queries, and `lowest`, `highest`: its seeds."""
    mine = table[(table["slice"] == ALL) & (table["metric"] == metric)]
    mine = mine[mine["k"] == k] if k is not None else mine[mine["k"].isna()]
    seeds = mine[mine["seed"].notna()].groupby("variant")["value"].agg(["min", "max"])
    found = mine[mine["seed"].isna()].set_index("variant")
    return found.join(seeds.rename(columns={"min": "lowest", "max": "highest"}))


def ablation_document(
    table: pd.DataFrame,
    measured: Sequence[Measured],
    head: Mapping[str, Any],
    left_out: Mapping[str, str],
    failed: Mapping[str, str],
    notes: Mapping[str, str],
) -> dict[str, Any]:
    """What `vibes ablate --json` prints; plain numbers, None for what is not there.

    Of every variant the mean over seeds of each metric on all queries, each seed's value, and the difference to its
    reference. Slices are in `ablation.parquet`.
    """
    whole = table[table["slice"] == ALL]
    variants = []
    for one in measured:
        mine = whole[whole["variant"] == one.name]
        results = {}
        for row in mine[mine["seed"].isna()].itertuples():
            label = str(row.metric) if pd.isna(row.k) else f"{row.metric}@{row.k}"
            same = mine[(mine["metric"] == row.metric) & mine["seed"].notna()]
            same = same[same["k"].isna()] if pd.isna(row.k) else same[same["k"] == row.k]
            results[label] = {
                "value": _plain(row.value),
                "low": _plain(row.low),
                "high": _plain(row.high),
                "seeds": {
                    str(seed): float(value) for seed, value in zip(same["seed"], same["value"], strict=True)
                },
                "difference": _plain(row.difference),
                "p_value": _plain(row.p_value),
            }
        entry = {"name": one.name, "question": one.question, "reference": one.reference, "results": results}
        variants.append(entry | ({"note": notes[one.name]} if one.name in notes else {}))
    return {**head, "variants": variants, "left_out": dict(left_out), "failed": dict(failed)}


def ablation_text(
    table: pd.DataFrame,
    measured: Sequence[Measured],
    headline: str,
    left_out: Mapping[str, str],
    failed: Mapping[str, str],
    notes: Mapping[str, str],
) -> str:
    """The figures of all variants, grouped by question; then what was left out and what failed."""
    found = {pair: figures_of(table, *pair) for pair in SHOWN}
    lines, rows = [headline, ""], []
    for one in measured:
        row = found[HEADLINE].loc[one.name]
        has_difference = pd.notna(row["difference"])
        rows.append(
            {
                "question": one.question,
                "variant": one.name,
                **{f"{metric}@{k}": f"{found[metric, k].loc[one.name, 'value']:.3f}" for metric, k in SHOWN},
                "95 %": write_interval(row),
                "seeds": ""
                if row["lowest"] == row["highest"]
                else f"{row['lowest']:.3f}-{row['highest']:.3f}",
                "difference": f"{row['difference']:+.3f}" if has_difference else "",
                "to": row["reference"] if has_difference else "",
                "p": write_p(row["p_value"]) if has_difference else "",
            }
        )
    lines += [render_table(pd.DataFrame(rows)), *(f"{name}: {note}" for name, note in notes.items())]
    lines += ["", "p-values after Holm's correction for all differences of the grid; intervals over users."]
    lines += list(left_out.values()) + [f"'{name}' failed: {reason}" for name, reason in failed.items()]
    return "\n".join(lines)


def _plain(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
