"""How good a run is, as evidence and in words: its evaluation, its slices, its ablation and its probes."""

import re
from typing import Any

import pandas as pd

from listing_vibes.ablation.table import figures_of, read_ablation, variant_name
from listing_vibes.evaluation.intervals import SIGNIFICANT
from listing_vibes.evaluation.result import DRAWN, LEFT_OUT
from listing_vibes.insight.evidence import Bar, Evidence
from listing_vibes.insight.home import population_of
from listing_vibes.insight.rankings import best_baseline
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING, METRIC, ORACLE, method_name, uses_model
from listing_vibes.words import capitalize, count, enumerated, write_p

BETTER, WORSE, NOT_DIFFERENT = "significantly better", "significantly worse", "not significantly different"
#: Kind and sign of a variant of an ablation.
VERDICTS: dict[str, tuple[Any, str]] = {"better": ("better", "▲ "), "worse": ("worse", "▼ ")}
SLICES = ("warm listings", "cold listings", "warm users", "cold users")
TITLES = {"ndcg": "NDCG", "mrr": "MRR", "recall": "Recall", "coverage": "Coverage"}
#: Title, label of several and of one, and reason for having no bars of each part of an evaluation's stability.
PARTS = {
    "events": (
        "By training events of the next listing",
        ("{} training events", "{} training event"),
        "No query of this run's evaluation has a next listing with a number of training events.",
    ),
    "history": (
        "By length of the history",
        ("{} events in the history", "{} event in the history"),
        "No query of this run's evaluation has a history.",
    ),
    "week": (
        "Over the weeks after training",
        ("Week {}", "Week {}"),
        "This evaluation has no weeks. Either its events have no dates, or it predicts each user's last event.",
    ),
}
USED_UP = (
    "The model was trained on every event of this market, so nothing is left to measure it on. The run that it repeats "
    "has the figures."
)


def quality_evidence(run: Run) -> Evidence | None:
    """Return the recall of all methods of a run's evaluation; None without test queries."""
    metrics = run.metrics or {}
    results = metrics.get("results", {})
    ranked = sorted(results, key=lambda name: -(results[name].get(METRIC, {}).get("value") or 0))
    bars = [
        _bar(method_name(name), results[name][METRIC], name == DEFAULT_RANKING, method=name)
        for name in ranked
        if results[name].get(METRIC, {}).get("value") is not None
    ]
    if not bars:
        return None
    best, lines = best_baseline(results), []
    if best is not None:
        lines.append(f"The best baseline is {method_name(best)}. {describe_difference(metrics, best)}")
    if verdicts := compare_methods(metrics.get("differences", {})):
        lines.append(f"In paired tests the default ranking is {verdicts}.")
    notes = {name: note for name, note in metrics.get("notes", {}).items() if name != DEFAULT_RANKING}
    ours = next((bar for bar in bars if bar.method == DEFAULT_RANKING), bars[0])
    return Evidence(
        key="quality",
        url="/?details=1",
        headline=f"{100 * ours.value:.0f} of 100 next listings are among our first 30"
        + (
            f"; {100 * results[best][METRIC]['value']:.0f} with {method_name(best)}"
            if best is not None
            else ""
        ),
        sentence=" ".join([*lines, describe_notes({**metrics, "notes": notes}).strip()]).strip(),
        population=population_of(metrics),
        picture="Recall@30 of each method. Line: 95% interval over users. The default ranking is marked.",
        bars=tuple(bars),
        for_analysts=True,
    )


def measures_table(metrics: dict[str, Any]) -> tuple[list[str], list[tuple[str, list[float | None]]]]:
    """Return the titles of all measures, and name and values of each method, the one with the best recall first."""
    results = metrics.get("results", {})
    ranked = sorted(results, key=lambda name: -(results[name].get(METRIC, {}).get("value") or 0))
    names = list(next(iter(results.values()), {}))
    titles = [TITLES.get(name, name) + at + k for name, at, k in (name.partition("@") for name in names)]
    return titles, [
        (method_name(name), [results[name].get(metric, {}).get("value") for metric in names])
        for name in ranked
    ]


def slices_evidence(run: Run) -> Evidence | None:
    """Return the recall of the default ranking by kind of query; None without an evaluation."""
    metrics, bars = run.metrics or {}, []
    for name, part in metrics.get("slices", {}).items():
        result = part.get("results", {}).get(DEFAULT_RANKING, {}).get(METRIC)
        if (name in SLICES or name.startswith("history ")) and result and result["value"] is not None:
            note = count(part["queries"], "query", "queries")
            bars.append(_bar(capitalize(name), result, True, note=note))
    if not bars:
        return None
    value = {bar.label: f"{100 * bar.value:.0f}" for bar in bars}
    pair = [
        f"{value[label]} of 100 cases for {words}"
        for label, words in (
            ("Cold listings", "listings without a training event"),
            ("Warm listings", "the others"),
        )
        if label in value
    ]
    return Evidence(
        key="slices",
        url="/cold?view=figures",
        headline=f"The next listing is found in {enumerated(pair)}" if pair else "For whom it works",
        sentence="Cold means: without an event in the training.",
        population=population_of(metrics),
        picture="Recall@30 of the default ranking by kind of query. Line: 95% interval over users.",
        bars=tuple(bars),
        for_analysts=True,
    )


def stability_evidence(run: Run) -> list[Evidence]:
    """Return the recall of the default ranking and of the best baseline by what is known, an evidence for each of `PARTS`; one
    without bars says in its sentence why.
    """
    metrics = run.metrics or {}
    baseline = best_baseline(metrics.get("results", {}))
    methods = [DEFAULT_RANKING, *([baseline] if baseline else [])]
    result = []
    for part, (title, unit, why) in PARTS.items():
        rows = [
            row
            for row in metrics.get("stability", ())
            if row["by"] == part and row["scorer"] in methods and row["value"] is not None
        ]
        rows.sort(key=lambda row: (_first_number(row["group"]), methods.index(row["scorer"])))
        bars = tuple(
            _bar(
                unit[row["group"] == "1"].format(row["group"].replace("-", "–")),
                row,
                row["scorer"] == DEFAULT_RANKING,
                note=f"{method_name(row['scorer'])}, {count(row['queries'], 'query', 'queries')}",
                method=row["scorer"],
            )
            for row in rows
        )
        result.append(
            Evidence(
                key=f"recall-by-{part}",
                url="/cold?view=figures",
                headline=title,
                sentence="" if bars else why,
                population=population_of(metrics),
                picture="Recall@30: of the listings that users interacted with next, the share among our 30. Line: 95% interval.",
                bars=bars,
                for_analysts=True,
            )
        )
    return result


def _first_number(group: str) -> int:
    result = re.match(r"\d+", group)
    return int(result.group()) if result else -1


def ablation_evidence(run: Run) -> Evidence | None:
    """Return every variant of an ablation with its difference to its reference; None if the run has no ablation."""
    table = read_ablation(run.path / "ablation.parquet")
    if table is None:
        return None
    bars, gains = [], []
    for name, row in figures_of(table).iterrows():
        kind, sign, note = *VERDICTS.get(row["verdict"], ("plain", "")), ""
        if not pd.isna(row["difference"]):
            note = f"{100 * row['difference']:+.1f} points against {variant_name(row['reference'])}, p {write_p(row['p_value'])}"
            if kind == "better":
                gains.append(
                    (100 * float(row["difference"]), variant_name(name), variant_name(row["reference"]))
                )
        low, high = (None if pd.isna(row[end]) else float(row[end]) for end in ("low", "high"))
        bars.append(
            Bar(
                label=f"{sign}{variant_name(name)}",
                value=float(row["value"]),
                low=low,
                high=high,
                kind=kind,
                note=note,
            )
        )
    gain, name, reference = max(gains, default=(0.0, "", ""))
    return Evidence(
        key="ablation",
        url="/compare?part=ablation",
        headline=f"“{capitalize(name)}” adds most: {gain:+.0f} points against {reference}"
        if gains
        else "No part is significantly better than its reference",
        sentence="Against its reference, ▲ is better and ▼ is worse (p < .05 after Holm's correction).",
        population=f"{count(int(figures_of(table)['queries'].iloc[0]), 'test query', 'test queries')}",
        picture="Recall@30 of every variant, mean over users and trainings. Line: 95% interval.",
        bars=tuple(bars),
        for_analysts=True,
    )


def _bar(label: str, result: dict[str, Any], is_default: bool, note: str = "", method: str = "") -> Bar:
    kind: Any = "model" if is_default else "other"
    return Bar(
        label=label,
        value=result["value"],
        low=result["low"],
        high=result["high"],
        kind=kind,
        note=note,
        method=method,
    )


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
