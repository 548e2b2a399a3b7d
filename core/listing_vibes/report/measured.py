"""What the report says of measured things: how good the recommendations are, for whom, the training, the ablation."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from listing_vibes.ablation.table import read_ablation
from listing_vibes.ablation.text import figures_of
from listing_vibes.errors import VibesError
from listing_vibes.market.documents import NOT_AS_MEANT
from listing_vibes.report.figures import Curve, Row, Rows
from listing_vibes.report.paired import beside, hardest_rival
from listing_vibes.report.text import NAMES, PROTOCOLS, SURE, also_told, rivals
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING
from listing_vibes.tables import write_p
from listing_vibes.words import count, percent

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

METRIC = "recall@30"
SLICES = ("warm listings", "cold listings", "warm users", "cold users")
TITLES = {"ndcg": "NDCG", "mrr": "MRR", "recall": "Recall", "coverage": "Coverage"}


@dataclass(frozen=True)
class Quality:
    """How good the recommendations are.

    Attributes:
        model: the model's figure, `value, low, high`; None where it was not measured.
        rivals: what paired tests say of it and the other methods, in words.
        hardest: the best method beside the model and its figure, and the difference to it, in words; "" where none is.
        figure: all methods, the best first.
        titles, lines: a table of all measures; a line is a method and its values, None where one is missing.
        protocol: how all this was measured.
    """

    model: dict[str, float] | None
    rivals: Sequence[str]
    hardest: str
    figure: Rows
    titles: Sequence[str]
    lines: Sequence[tuple[str, list[float | None]]]
    protocol: str


def name_of(scorer: str) -> str:
    """What the report calls a scorer."""
    return NAMES.get(scorer, scorer[:1].upper() + scorer[1:])


def quality(metrics: dict[str, Any]) -> Quality | None:
    """The figures of all methods; None where no query was tested."""
    results = metrics["results"]
    rows = [
        Row(
            name_of(name),
            one["value"],
            one["low"],
            one["high"],
            "model" if name == DEFAULT_RANKING else "other",
        )
        for name, scorer in results.items()
        if (one := scorer.get(METRIC)) and one["value"] is not None
    ]
    if not rows:
        return None
    model = results.get(DEFAULT_RANKING, {}).get(METRIC)
    told = rivals(metrics.get("differences", {}), METRIC)
    asked = f"{count(metrics.get('queries', 0), 'test query', 'test queries')} of {count(metrics.get('users', 0), 'user')}."
    measures = list(next(iter(results.values())))
    best_first = sorted(results, key=lambda name: -(results[name].get(METRIC, {}).get("value") or 0))
    return Quality(
        model=model if model and model["value"] is not None else None,
        rivals=[f"{word} {', '.join(map(name_of, names))}" for word, names in told.items() if names],
        hardest=_hardest(metrics),
        figure=Rows(
            sorted(rows, key=lambda row: -row.value),
            f"Recall@30 by method with 95 % intervals over users; ■ is the default ranking. {asked}",
        ),
        titles=[_title(measure) for measure in measures],
        lines=[
            (name_of(name), [results[name].get(measure, {}).get("value") for measure in measures])
            for name in best_first
        ],
        protocol=PROTOCOLS.get(metrics.get("protocol", ""), "") + also_told(metrics),
    )


def _hardest(metrics: dict[str, Any]) -> str:
    name = hardest_rival(metrics["results"], METRIC)
    if name is None or DEFAULT_RANKING not in metrics["results"]:
        return ""
    value = metrics["results"][name][METRIC]["value"]
    return f"The hardest rival is {name_of(name)} with {percent(value)}. {beside(metrics, name, METRIC)}".rstrip()


def _title(measure: str) -> str:
    name, at, k = measure.partition("@")
    return TITLES.get(name, name) + at + k


def slices_of(metrics: dict[str, Any]) -> Rows | None:
    """Recall of the model by kind of query."""
    rows = []
    for name, one in metrics.get("slices", {}).items():
        mine = one.get("results", {}).get(DEFAULT_RANKING, {}).get(METRIC)
        if (name in SLICES or name.startswith("history ")) and mine and mine["value"] is not None:
            label, note = name[:1].upper() + name[1:], count(one["queries"], "query", "queries")
            rows.append(Row(label, mine["value"], mine["low"], mine["high"], "model", note))
    caption = "Recall@30 of the default ranking by kind of query, with 95 % intervals over users."
    return Rows(rows, caption) if rows else None


def training(run: Run) -> Curve | None:
    """The validation curve; None where the run has none."""
    path = run.path / "train.jsonl"
    if not path.is_file():
        return None
    key = "validation recall@30"
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        found = [(int(one["step"]), float(one[key])) for one in entries if key in one and "step" in one]
        if not all(0 <= step < 10**12 and math.isfinite(value) for step, value in found):
            raise ValueError("a figure that is none")
    except NOT_AS_MEANT as error:
        raise VibesError(f"{path} is damaged; train the run again, or remove the file.") from error
    if len(found) < 2:
        return None
    steps, values = zip(*found, strict=True)
    told = f"between {percent(min(values))} and {percent(max(values))}, highest at step {steps[values.index(max(values))]:,}"
    return Curve(
        steps, values, f"Recall@30 on the validation queries over {max(steps):,} training steps; {told}."
    )


def ablation(run: Run) -> Rows | None:
    """Every variant against what it is compared with; None where the run has no ablation."""
    table = read_ablation(run.path / "ablation.parquet")
    if table is None:
        return None
    found = figures_of(table)
    rows = []
    for name, row in found.iterrows():
        paired = not pd.isna(row["difference"])
        sure = paired and row["p_value"] < SURE
        note = (
            f"{100 * row['difference']:+.1f} points to {row['reference']}, p {write_p(row['p_value'])}"
            if paired
            else ""
        )
        low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
        kind = "plain" if not sure else "better" if row["difference"] > 0 else "worse"
        sign = "" if not sure else "▲ " if kind == "better" else "▼ "
        rows.append(Row(sign + str(name), float(row["value"]), low, high, kind, note))
    caption = "Recall@30 of every variant, mean over users and trainings, with 95 % intervals."
    return Rows(rows, caption) if rows else None
