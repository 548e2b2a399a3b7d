"""The results of a run in words and as figures."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from listing_vibes.ablation.table import figures_of, read_ablation, variant_name
from listing_vibes.evaluation.intervals import SIGNIFICANT
from listing_vibes.evaluation.result import DRAWN, LEFT_OUT
from listing_vibes.insight.beats import Bar
from listing_vibes.insight.rankings import best_baseline
from listing_vibes.report.figures import Row, Rows
from listing_vibes.run.run import Run
from listing_vibes.scoring.metrics import METRIC
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, ORACLE, method_name, uses_model
from listing_vibes.tables import write_p
from listing_vibes.words import capitalize, count, enumerated

BETTER, WORSE, NOT_DIFFERENT = "significantly better", "significantly worse", "not significantly different"
#: Class of the style sheet and sign of a variant of an ablation.
VERDICTS = {"better": ("better", "▲ "), "worse": ("worse", "▼ ")}
SLICES = ("warm listings", "cold listings", "warm users", "cold users")
TITLES = {"ndcg": "NDCG", "mrr": "MRR", "recall": "Recall", "coverage": "Coverage"}
USED_UP = (
    "The model was trained on every event of this market, so nothing is left to measure it on. The run that it repeats "
    "has the figures."
)


def quality(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Return the results of all methods for `templates/deck.html`; None without test queries.

    Returns:
        `value`: that of the default ranking; `best`: name and value of the best baseline; `difference`, `verdicts` and `notes`, in
        words; `figure`; `titles` and `table`: all metrics of each method, the best method first.
    """
    results = metrics.get("results", {})
    ranked = sorted(results, key=lambda name: -(results[name].get(METRIC, {}).get("value") or 0))
    figures = {name: results[name].get(METRIC, {}) for name in ranked}
    rows = [
        _row(method_name(name), figure, name == DEFAULT_RANKING)
        for name, figure in figures.items()
        if figure.get("value") is not None
    ]
    if not rows:
        return None
    best = best_baseline(results)
    notes = {name: note for name, note in metrics.get("notes", {}).items() if name != DEFAULT_RANKING}
    size = f"{count(metrics.get('queries', 0), 'test query', 'test queries')} of {count(metrics.get('users', 0), 'user')}."
    names = list(next(iter(results.values())))
    caption = f"Recall@30 by method with 95 % intervals over users; ■ is the default ranking. {size}"
    return {
        "value": figures.get(DEFAULT_RANKING, {}).get("value"),
        "best": None if best is None else (method_name(best), figures[best]["value"]),
        "difference": "" if best is None else describe_difference(metrics, best),
        "verdicts": compare_methods(metrics.get("differences", {})),
        "notes": describe_notes({**metrics, "notes": notes}),
        "figure": Rows(rows, caption),
        "titles": [
            TITLES.get(name, name) + at + k for name, at, k in (name.partition("@") for name in names)
        ],
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


def slices_of(metrics: dict[str, Any]) -> Rows | None:
    """Return the recall of the default ranking by slice of queries."""
    rows = []
    for name, part in metrics.get("slices", {}).items():
        result = part.get("results", {}).get(DEFAULT_RANKING, {}).get(METRIC)
        if (name in SLICES or name.startswith("history ")) and result and result["value"] is not None:
            label, note = capitalize(name), count(part["queries"], "query", "queries")
            rows.append(_row(label, result, True, note))
    caption = "Recall@30 of the default ranking by kind of query, with 95 % intervals over users."
    return Rows(rows, caption) if rows else None


def _row(label: str, result: dict[str, Any], is_default: bool, note: str = "") -> Row:
    kind = "model" if is_default else "other"
    return Row(label, result["value"], result["low"], result["high"], kind, note)


def ablation(run: Run) -> Rows | None:
    """Return every variant with its difference to its reference; None if the run has no ablation."""
    table = read_ablation(run.path / "ablation.parquet")
    if table is None:
        return None
    rows = []
    for name, row in figures_of(table).iterrows():
        kind, sign, note = *VERDICTS.get(row["verdict"], ("plain", "")), ""
        if not pd.isna(row["difference"]):
            note = f"{100 * row['difference']:+.1f} points against {variant_name(row['reference'])}, p {write_p(row['p_value'])}"
        low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
        rows.append(Row(f"{sign}{variant_name(name)}", float(row["value"]), low, high, kind, note))
    caption = "Recall@30 of every variant, mean over users and trainings, with 95 % intervals."
    return Rows(rows, caption)


def describe_difference(metrics: dict[str, Any], baseline: str) -> str:
    """Return the difference of the default ranking to a baseline in words, with its interval and corrected verdict."""
    result = metrics.get("differences", {}).get(f"{DEFAULT_RANKING} - {baseline}", {}).get(METRIC)
    if not result or result.get("low") is None:
        return ""
    value, low, high = (f"{100 * result[name]:+.1f}".replace("-", "−") for name in ("value", "low", "high"))
    return f"Difference: {value} points ({low} to {high}), {_verdict(result)} after the correction for the number of methods."


def compare_methods(differences: dict[str, Any]) -> str:
    """Return the baselines that the default ranking is better than, worse than and not significantly different from, in words."""
    groups: dict[str, list[str]] = {BETTER: [], WORSE: [], NOT_DIFFERENT: []}
    for pair, result in differences.items():
        subject, _, other = pair.partition(" - ")
        if subject == DEFAULT_RANKING and other != ORACLE and not uses_model(other) and METRIC in result:
            groups[_verdict(result[METRIC])].append(method_name(other))
    return "; ".join(
        f"{verdict} {'from' if verdict == NOT_DIFFERENT else 'than'} {enumerated(names)}"
        for verdict, names in groups.items()
        if names
    )


def _verdict(result: dict[str, Any]) -> str:
    if result.get("p_holm", 1.0) >= SIGNIFICANT:
        return NOT_DIFFERENT
    return BETTER if result["value"] > 0 else WORSE


def describe_notes(metrics: dict[str, Any]) -> str:
    """Return sentences, each preceded by a space: hidden histories, sampled users, baselines that were left out, and the
    default ranking.
    """
    notes = metrics.get("notes", {})
    hidden = metrics.get("protocol") == "leave-one-out" and metrics.get("history_hidden")
    sentences = [
        "What users had seen before was not recommended." if hidden else "",
        f"Users: {notes[DRAWN]}." if notes.get(DRAWN) else "",
        f"Not measured: {notes[LEFT_OUT]}." if notes.get(LEFT_OUT) else "",
        f"The {DEFAULT_RANKING} is {notes[DEFAULT_RANKING]}." if notes.get(DEFAULT_RANKING) else "",
    ]
    return "".join(f" {sentence}" for sentence in sentences if sentence)


def not_measured(run: Run) -> str:
    """Return why a run has no results, and how to compute them."""
    if run.metrics and run.metrics.get("results"):
        return "The evaluation has no test query."
    if run.trained_on_everything:
        return USED_UP
    if not len(run.market.events):
        return "This market has no events, so there is nothing to measure. Similar listings and the map need none."
    if not run.has_model:
        return "This run has no trained model, so there is nothing to measure; train one with vibes train."
    return "Not measured yet; vibes evaluate measures the run against baselines."
