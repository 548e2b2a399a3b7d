"""The details of the first page: recall@30 by method, the gain of each ingredient, monitoring, and warnings about the data."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from listing_vibes.ablation.table import LABELS, Rung, ladder, read_ablation
from listing_vibes.insight.rankings import best_baseline
from listing_vibes.market.profile import MarketProfile, profile
from listing_vibes.report.text import compare_methods, describe_difference, describe_notes
from listing_vibes.scoring.metrics import METRIC
from listing_vibes.scoring.ranking_names import (
    CEILING,
    DEFAULT_RANKING,
    MODEL_ONLY,
    ORACLE,
    method_name,
    uses_model,
)
from listing_vibes.serving.monitor.checks import Monitored
from listing_vibes.words import percent
from listing_vibes_app.app_pages.overview.data_warnings import data_warnings
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.measures import RECALL_HELP, recall_columns
from listing_vibes_app.kit.notices import not_evaluated
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import count, plain

PROTOCOLS = {
    "temporal": "Trained on earlier events, tested on later ones.",
    "leave-one-out": "Each user's last event is predicted from those before (leave-one-out).",
}
#: Color and symbol of each kind of method.
KINDS = {
    "Model": (charts.SERIES[0], "circle"),
    "Baseline": (charts.SERIES[1], "square"),
    CEILING: (charts.SERIES[2], "cross"),
    "Model, another blend": (charts.SERIES[3], "diamond"),
}
MEANINGS = {
    "Ids alone": "the best of the methods that know listings by their ids only",
    "Attributes": "the model with what a listing says about itself",
    "+ actions": "and what a user did, and for how long",
    "+ photos": "and how the listing looks",
    CEILING: "knows the simulated tastes: nothing could predict more",
}
HEIGHT = 310  # height of the chart of ingredients in pixels


def show_details(opened: OpenRun) -> None:
    """Show the evaluation, the ablation, the last monitoring and the data warnings."""
    with boundary():
        st.header("How good are the recommendations?", anchor=False)
        metrics = opened.run.metrics
        if metrics and metrics.get("results"):
            show_evaluation(metrics)
        else:
            not_evaluated(opened)
    with boundary():
        table = read_ablation(opened.run.path / "ablation.parquet")
        if table is not None and (steps := ladder(table)):
            show_stair(steps)
    with boundary():
        show_monitoring(opened)
    with boundary():
        show_warnings(opened)


def figures_table(results: dict[str, Any]) -> pd.DataFrame:
    """Return a row for each method, the best first: name, Method, value, low, high (shares; None if unknown)."""
    rows = [
        {
            "name": name,
            "Method": method_name(name),
            **{part: item[METRIC][part] for part in ("value", "low", "high")},
        }
        for name, item in results.items()
        if item.get(METRIC, {}).get("value") is not None
    ]
    rows.sort(key=lambda row: -row["value"])
    return pd.DataFrame(rows, columns=["name", "Method", "value", "low", "high"], dtype=object)


def show_evaluation(metrics: dict[str, Any]) -> None:
    """Show recall@30 and the best baseline, and a chart of all methods with the table of its data."""
    results = metrics["results"]
    table = figures_table(results)
    if table.empty:
        st.markdown("The evaluation has no test query, so there are no measures.")
        return
    baseline = best_baseline(results)
    lines = [f"**Recall@30**: {RECALL_HELP[0].lower()}{RECALL_HELP[1:]}"]
    if baseline and (sentence := describe_difference(metrics, baseline)):
        lines.append(f"Best baseline: {method_name(baseline)}. {sentence}")
    st.markdown(" ".join(lines))
    queries = count(metrics.get("queries", 0), "test query", "test queries")
    verdicts = compare_methods(metrics.get("differences", {}))
    st.caption(
        (f"The default ranking is {verdicts}. " if verdicts else "")
        + f"{queries} of {count(metrics.get('users', 0), 'user')}. "
        + PROTOCOLS.get(metrics.get("protocol", ""), "")
        + describe_notes(metrics)
    )
    kinds = [_kind(name) for name in table["name"]]
    alt, height = "Recall at 30 by method with 95 percent intervals", charts.rows_height(len(table))
    named = table.rename(columns={"name": "scorer", "Method": "name"}).assign(kind=kinds)
    figure = charts.intervals(named, "Recall@30", KINDS)
    charts.show_chart(figure, key="recall-by-method", alt=alt, height=height)
    columns = {"Method": table["Method"], **recall_columns(table)}
    charts.show_figures(pd.DataFrame(columns), "Recall@30 by method with its interval")


def _kind(name: str) -> str:
    if name == ORACLE:
        return CEILING
    if not uses_model(name):
        return "Baseline"
    return "Model" if name in (DEFAULT_RANKING, MODEL_ONLY) else "Model, another blend"


def show_stair(steps: Sequence[Rung]) -> None:
    """Show the gain of each ingredient, from ids alone to the ceiling of a simulated market."""
    st.header("What does each ingredient add?", anchor=False)
    words = [f"{step.label} {percent(step.value)}" for step in steps]
    alt = f"Recall at 30 by ingredient: {'; '.join(words)}"
    charts.show_chart(_stair_chart(steps), key="stair", alt=alt, height=HEIGHT)
    meanings = " · ".join(f"**{step.label}**: {MEANINGS[step.label]}" for step in steps)
    st.caption(
        f"Recall@30 in the ablation with its 95 % interval, and the difference to the step before. {meanings}."
    )


def gain(step: Rung) -> str:
    """Return the difference of a step to the previous one: `+7.4 points`, or that it is not significant."""
    if step.gain is None:
        return ""
    points = f"{100 * step.gain:+.1f}".replace("-", "−")
    return f"{points} points" if step.is_significant else f"{points}, not significant"


def _stair_chart(steps: Sequence[Rung]) -> go.Figure:
    columns = ["name", "kind", "value", "low", "high", "gain"]
    rows = [(step.label, step.label, step.value, step.low, step.high, gain(step)) for step in steps]
    table = pd.DataFrame(rows, columns=columns)
    table["step"] = table["name"] + "<br>" + table["gain"]
    colors = {LABELS["best id model"]: charts.SERIES[1], LABELS["oracle"]: charts.SERIES[2]}
    styles = {step.label: (colors.get(step.label, charts.SERIES[0]), "diamond") for step in steps}
    figure = charts.intervals(table, "Recall@30", styles, groups="step")
    figure.update_layout(scattermode="overlay", margin={"l": 64})
    return figure


def show_monitoring(opened: OpenRun) -> None:
    """Show the last result of `vibes monitor`: the crossed thresholds, and the other checks in an expander."""
    monitored = Monitored.load(opened.run.path)
    if monitored is None:
        return
    st.header("Monitoring", anchor=False)
    st.markdown(f"**{plain(monitored.verdict)}**" if monitored.crossed else plain(monitored.verdict))
    for check in monitored.crossed:
        st.markdown(f"- {plain(check.sentence)} Look at: {plain(check.hint)}")
    if monitored.quiet:
        with st.expander("All other checks"):
            for check in monitored.quiet:
                st.markdown(f"- {plain(check.sentence)}")
    behind = opened.run.version - monitored.version
    since = (
        f"{behind} {'refresh' if behind == 1 else 'refreshes'} ago"
        if behind > 0
        else "of the current version"
    )
    st.caption(f"Checked {monitored.checked_at} UTC, {since}.")


def show_warnings(opened: OpenRun) -> None:
    """Show warnings about the data; last on the page, because counting takes longest."""
    st.header("Data warnings", anchor=False)
    with st.spinner("Counting …"):
        result = data_warnings(_profile(opened))
    if not result:
        st.markdown("No warnings: few values are missing, and no column looks like a leak.")
    for what, why in result:
        st.markdown(f"**{plain(what)}.** {plain(why)}")


@st.cache_resource(show_spinner=False, max_entries=8, hash_funcs=BY_RUN)
def _profile(opened: OpenRun) -> MarketProfile:
    return profile(opened.view.market, most_photos=1_000)
