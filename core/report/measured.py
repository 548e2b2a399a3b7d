"""What the report says of measured things: how good the recommendations are, for whom, the training, the ablation."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from core.ablation.text import figures_of, p_text
from core.errors import VibesError
from core.market.io import read_table
from core.report.figures import Row, bounds, curve_figure, rows_figure, share, table
from core.report.text import NAMES, PROTOCOLS, SURE, also_told, rivals

if TYPE_CHECKING:
    from core.run.run import Run

METRIC = "recall@30"
SLICES = ("warm listings", "cold listings", "warm users", "cold users")


def name_of(scorer: str) -> str:
    """What the report calls a scorer."""
    return NAMES.get(scorer, scorer[:1].upper() + scorer[1:])


def quality(metrics: dict[str, Any]) -> str:
    """The figure of all methods, and the model in one sentence."""
    results = metrics["results"]
    rows = [
        Row(
            name_of(name),
            one[METRIC]["value"],
            one[METRIC]["low"],
            one[METRIC]["high"],
            "model" if name == "model" else "other",
        )
        for name, one in results.items()
        if one.get(METRIC, {}).get("value") is not None
    ]
    if not rows:
        return "<h2>How good are the recommendations?</h2><p>There was no query to test on.</p>"
    rows.sort(key=lambda row: -row.value)
    mine = results.get("model", {}).get(METRIC)
    lead = ""
    if mine is not None and mine["value"] is not None:
        lead = (
            f"<p class=big>{share(mine['value'])}</p><p>of the next listings that people touched were among the 30 that the "
            f"model put first (recall@30; 95 % interval {bounds(mine['low'], mine['high']) or 'unknown'}). {_verdict(metrics)}</p>"
        )
    asked = f"{metrics.get('queries', 0):,} test queries of {metrics.get('users', 0):,} users. "
    figure = rows_figure(rows, f"Recall@30 by method with 95 % intervals over users; ■ is the model. {asked}")
    columns = list(next(iter(results.values())))
    lines = [
        [
            name_of(name),
            *(
                share(one[metric]["value"]) if one.get(metric, {}).get("value") is not None else "—"
                for metric in columns
            ),
        ]
        for name, one in sorted(
            results.items(), key=lambda item: -(item[1].get(METRIC, {}).get("value") or 0)
        )
    ]
    titles = [
        metric.replace("ndcg", "NDCG")
        .replace("mrr", "MRR")
        .replace("recall", "Recall")
        .replace("coverage", "Coverage")
        for metric in columns
    ]
    more = table(["Method", *titles], lines, range(1, len(titles) + 1))
    protocol = PROTOCOLS.get(metrics.get("protocol", ""), "") + also_told(metrics)
    return (
        f"<h2>How good are the recommendations?</h2>{lead}{figure}<p class=soft>{escape(protocol)}</p>"
        f"<details open><summary>All measures</summary>{more}</details>"
    )


def _verdict(metrics: dict[str, Any]) -> str:
    told = rivals(metrics.get("differences", {}), METRIC)
    parts = [f"{word} {', '.join(map(name_of, names))}" for word, names in told.items() if names]
    return f"In paired tests the model is {'; '.join(parts)}." if parts else ""


def slices_of(metrics: dict[str, Any]) -> str:
    """Recall of the model by kind of query."""
    slices = metrics.get("slices", {})
    shown = [name for name in slices if name in SLICES or name.startswith("history ")]
    rows = []
    for name in shown:
        one = slices[name]
        mine = one.get("results", {}).get("model", {}).get(METRIC)
        if mine and mine["value"] is not None:
            note = f"{one['queries']:,} queries"
            rows.append(
                Row(name[:1].upper() + name[1:], mine["value"], mine["low"], mine["high"], "model", note)
            )
    if not rows:
        return ""
    return (
        "<h2>For whom does it work?</h2><p>Cold means: not seen in training. History is how many events were known.</p>"
        + rows_figure(rows, "Recall@30 of the model by kind of query, with 95 % intervals over users.")
    )


def training(run: Run) -> str:
    """The validation curve; empty where the run has none."""
    path = run.path / "train.jsonl"
    if not path.is_file():
        return ""
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise VibesError(f"{path} is damaged; train the run again, or remove the file.") from error
    key = "validation recall@30"
    found = [(one["step"], one[key]) for one in entries if key in one and "step" in one]
    if len(found) < 2:
        return ""
    steps, values = zip(*found, strict=True)
    best = max(values)
    caption = f"Recall@30 on the validation queries over {max(steps):,} training steps; from {share(min(values))} to {share(best)}."
    return f"<h2>How it learned</h2>{curve_figure(steps, values, caption)}"


def ablation(run: Run) -> str:
    """Every variant against what it is compared with; empty where the run has no ablation."""
    path = run.path / "ablation.parquet"
    if not path.is_file():
        return ""
    found = figures_of(read_table(path))
    if found.empty:
        return ""
    rows = []
    for name, row in found.iterrows():
        paired = not pd.isna(row["difference"])
        sure = paired and row["p_value"] < SURE
        note = (
            f"{100 * row['difference']:+.1f} points to {row['reference']}, {p_text(row['p_value'])}"
            if paired
            else ""
        )
        low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
        kind = "plain" if not sure else "better" if row["difference"] > 0 else "worse"
        sign = "" if not sure else "▲ " if kind == "better" else "▼ "
        rows.append(Row(sign + str(name), float(row["value"]), low, high, kind, note))
    return (
        "<h2>What is each part worth?</h2><p>Each variant was asked the same questions. Where a line names another variant, it is "
        "compared with that one: ▲ is better and ▼ is worse (p &lt; .05 after Holm's correction).</p>"
        + rows_figure(rows, "Recall@30 of every variant, mean over users and trainings, with 95 % intervals.")
    )
