"""The report's figures of results: all methods, slices of queries, the training, the ablation."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from listing_vibes.ablation.table import figures_of, read_ablation
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import SIGNIFICANT
from listing_vibes.insight.rankings import METRIC, best_baseline
from listing_vibes.market.documents import NOT_AS_MEANT
from listing_vibes.report.figures import Curve, Row, Rows
from listing_vibes.report.text import (
    PROTOCOLS,
    compare_methods,
    describe_difference,
    describe_notes,
)
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, method_name
from listing_vibes.tables import write_p
from listing_vibes.words import count, percent

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

SLICES = ("warm listings", "cold listings", "warm users", "cold users")
TITLES = {"ndcg": "NDCG", "mrr": "MRR", "recall": "Recall", "coverage": "Coverage"}


def quality(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Return the results of all methods for `templates/measured.html`; None without test queries.

    Returns:
        `model`: the default ranking's metric, None if it was not evaluated; `verdicts`: results of paired tests, in words;
        `best`: the best baseline, in words; `figure`; `titles` and `lines`: a table of all metrics, the best method first;
        `protocol`: description of the protocol.
    """
    results = metrics["results"]
    ranked = sorted(results, key=lambda name: -(results[name].get(METRIC, {}).get("value") or 0))
    figures = {
        name: results[name][METRIC]
        for name in ranked
        if results[name].get(METRIC, {}).get("value") is not None
    }
    if not figures:
        return None
    size = f"{count(metrics.get('queries', 0), 'test query', 'test queries')} of {count(metrics.get('users', 0), 'user')}."
    metric_names = list(next(iter(results.values())))
    verdicts = compare_methods(metrics.get("differences", {}))
    best, best_text = best_baseline(results), ""
    if best is not None and DEFAULT_RANKING in results:
        value = percent(figures[best]["value"])
        best_text = f"The best baseline is {method_name(best)} with {value}. {describe_difference(metrics, best)}".rstrip()
    return {
        "model": figures.get(DEFAULT_RANKING),
        "verdicts": [f"{word} {', '.join(map(method_name, names))}" for word, names in verdicts.items() if names],
        "best": best_text,
        "figure": Rows(
            [_row(method_name(name), result, name == DEFAULT_RANKING) for name, result in figures.items()],
            f"Recall@30 by method with 95 % intervals over users; ■ is the default ranking. {size}",
        ),
        "titles": [_title(name) for name in metric_names],
        "lines": [
            (method_name(name), [results[name].get(metric, {}).get("value") for metric in metric_names])
            for name in ranked
        ],
        "protocol": PROTOCOLS.get(metrics.get("protocol", ""), "") + describe_notes(metrics),
    }  # fmt: skip


def _row(label: str, result: dict[str, float], is_default: bool, note: str = "") -> Row:
    return Row(
        label, result["value"], result["low"], result["high"], "model" if is_default else "other", note
    )


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


def training(run: Run) -> Curve | None:
    """Return the validation curve; None if the run has none.

    Raises:
        VibesError: the file is damaged.
    """
    path = run.path / "train.jsonl"
    if not path.is_file():
        return None
    key = "validation recall@30"
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        points = [
            (int(entry["step"]), float(entry[key])) for entry in entries if key in entry and "step" in entry
        ]
        if not all(0 <= step < 10**12 and math.isfinite(value) for step, value in points):
            raise ValueError("a figure that is none")
    except NOT_AS_MEANT as error:
        raise VibesError(f"{path} is damaged; train the run again, or remove the file.") from error
    if len(points) < 2:
        return None
    steps, values = zip(*points, strict=True)
    best = max(points, key=lambda point: point[1])[0]
    caption = (
        f"Recall@30 on the validation queries over {max(steps):,} training steps; between {percent(min(values))} and "
        f"{percent(max(values))}, highest at step {best:,}."
    )
    return Curve(steps, values, caption)


def ablation(run: Run) -> Rows | None:
    """Return every variant with its difference to its reference; None if the run has no ablation."""
    table = read_ablation(run.path / "ablation.parquet")
    if table is None:
        return None
    rows = []
    for name, row in figures_of(table).iterrows():
        kind, sign, note = "plain", "", ""
        if not pd.isna(row["difference"]):
            note = f"{100 * row['difference']:+.1f} points to {row['reference']}, p {write_p(row['p_value'])}"
            if row["p_value"] < SIGNIFICANT:
                kind, sign = ("better", "▲ ") if row["difference"] > 0 else ("worse", "▼ ")
        low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
        rows.append(Row(f"{sign}{name}", float(row["value"]), low, high, kind, note))
    caption = "Recall@30 of every variant, mean over users and trainings, with 95 % intervals."
    return Rows(rows, caption) if rows else None
