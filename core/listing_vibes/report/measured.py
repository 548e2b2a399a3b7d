"""Figures of results: all methods, a few of them, slices of queries, the ablation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from listing_vibes.ablation.table import figures_of, read_ablation, variant_name
from listing_vibes.evaluation.intervals import SIGNIFICANT
from listing_vibes.insight.beats import Bar
from listing_vibes.insight.rankings import METRIC, best_baseline
from listing_vibes.report.figures import Row, Rows
from listing_vibes.report.text import PROTOCOLS, compare_methods, describe_difference, describe_notes
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, method_name
from listing_vibes.tables import write_p
from listing_vibes.words import count, percent

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

SLICES = ("warm listings", "cold listings", "warm users", "cold users")
TITLES = {"ndcg": "NDCG", "mrr": "MRR", "recall": "Recall", "coverage": "Coverage"}


def quality(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Return the results of all methods for `templates/deck.html`; None without test queries.

    Returns:
        `lines`: the result of the default ranking, its comparison with baselines, and the protocol, in words; `figure`; `titles`
        and `table`: all metrics of each method, the best method first.
    """
    results = metrics["results"]
    ranked = sorted(results, key=lambda name: -(results[name].get(METRIC, {}).get("value") or 0))
    figures = {name: results[name].get(METRIC, {}) for name in ranked}
    rows = [
        _row(method_name(name), figure, name == DEFAULT_RANKING)
        for name, figure in figures.items()
        if figure.get("value") is not None
    ]
    if not rows:
        return None
    lines, best = [], best_baseline(results)
    if (value := figures.get(DEFAULT_RANKING, {}).get("value")) is not None:
        lines.append(
            f"{percent(value)} of the next listings that people interacted with were among the 30 that the default ranking put first."
        )
        if best is not None:
            share = percent(figures[best]["value"])
            lines.append(
                f"The best baseline is {method_name(best)} with {share}. {describe_difference(metrics, best)}"
            )
    verdicts = compare_methods(metrics.get("differences", {}))
    if words := [f"{word} {', '.join(map(method_name, names))}" for word, names in verdicts.items() if names]:
        lines.append(f"In paired tests the default ranking is {'; '.join(words)}.")
    lines.append(PROTOCOLS.get(metrics.get("protocol", ""), "") + describe_notes(metrics))
    size = f"{count(metrics.get('queries', 0), 'test query', 'test queries')} of {count(metrics.get('users', 0), 'user')}."
    names = list(next(iter(results.values())))
    caption = f"Recall@30 by method with 95 % intervals over users; ■ is the default ranking. {size}"
    return {
        "lines": lines,
        "figure": Rows(rows, caption),
        "titles": [_title(name) for name in names],
        "table": [
            (method_name(name), [results[name].get(metric, {}).get("value") for metric in names])
            for name in ranked
        ],
    }


def bars(figures: Sequence[Bar]) -> Rows:
    """Return the recall of a few methods, the default ranking marked."""
    caption = "Recall@30: of the listings that people opened next, the share that was among the first 30 of the list."
    rows = [_row(bar.label, bar.model_dump(), bar.method == DEFAULT_RANKING) for bar in figures]
    return Rows(rows, caption, as_bars=True)


def _row(label: str, result: Mapping[str, Any], is_default: bool, note: str = "") -> Row:
    kind = "model" if is_default else "other"
    return Row(label, result["value"], result["low"], result["high"], kind, note)


def _title(metric: str) -> str:
    name, at, k = metric.partition("@")
    return TITLES.get(name, name) + at + k


def slices_of(metrics: dict[str, Any]) -> Rows | None:
    """Return the recall of the default ranking by slice of queries."""
    rows = []
    for name, part in metrics.get("slices", {}).items():
        result = part.get("results", {}).get(DEFAULT_RANKING, {}).get(METRIC)
        if (name in SLICES or name.startswith("history ")) and result and result["value"] is not None:
            label, note = name[:1].upper() + name[1:], count(part["queries"], "query", "queries")
            rows.append(_row(label, result, True, note))
    caption = "Recall@30 of the default ranking by kind of query, with 95 % intervals over users."
    return Rows(rows, caption) if rows else None


def ablation(run: Run) -> Rows | None:
    """Return every variant with its difference to its reference; None if the run has no ablation."""
    table = read_ablation(run.path / "ablation.parquet")
    if table is None:
        return None
    rows = []
    for name, row in figures_of(table).iterrows():
        kind, sign, note = "plain", "", ""
        if not pd.isna(row["difference"]):
            note = f"{100 * row['difference']:+.1f} points to {variant_name(row['reference'])}, p {write_p(row['p_value'])}"
            if row["p_value"] < SIGNIFICANT:
                kind, sign = ("better", "▲ ") if row["difference"] > 0 else ("worse", "▼ ")
        low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
        rows.append(Row(f"{sign}{variant_name(name)}", float(row["value"]), low, high, kind, note))
    caption = "Recall@30 of every variant, mean over users and trainings, with 95 % intervals."
    return Rows(rows, caption) if rows else None
