"""The honest figure: recall@30 of the model with its interval, beside the baselines."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from listing_vibes.report.text import (
    CEILING,
    best_baseline,
    compare_methods,
    describe_difference,
    describe_notes,
)
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, MODEL_ONLY, uses_model
from listing_vibes.words import enumerated, percent
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.measures import RECALL_HELP, interval, method_name, recall_columns
from listing_vibes_app.view.formats import count

PROTOCOLS = {
    "temporal": "Trained on earlier events, tested on later ones.",
    "leave-one-out": "Each user's last event is foretold from those before (leave-one-out).",
}


def figures_table(results: dict[str, Any], metric: str = "recall@30") -> pd.DataFrame:
    """One line a method, the best first: name, Method, value, low, high (shares; None where unknown)."""
    rows = [
        {
            "name": name,
            "Method": method_name(name),
            **{part: one[metric][part] for part in ("value", "low", "high")},
        }
        for name, one in results.items()
        if one.get(metric, {}).get("value") is not None
    ]
    rows.sort(key=lambda row: -row["value"])
    return pd.DataFrame(rows, columns=["name", "Method", "value", "low", "high"], dtype=object)


def verdict(differences: dict[str, Any], metric: str = "recall@30") -> str:
    """Which methods the model is above and below, by paired tests corrected for their number."""
    groups = compare_methods(differences, metric)
    told = [f"{word} {enumerated([*map(method_name, names)])}" for word, names in groups.items() if names]
    return f"The default ranking is {'; '.join(told)}." if told else ""


def show_figures(metrics: dict[str, Any]) -> None:
    """The big figure beside the hardest rival, and all methods as a picture with the table behind it."""
    results = metrics["results"]
    table = figures_table(results)
    if table.empty:
        st.markdown("There was no query to test on, so there is no figure.")
        return
    left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
    with left:
        rival = best_baseline(results)
        named = {
            DEFAULT_RANKING: method_name(DEFAULT_RANKING),
            **({rival: f"Hardest rival: {method_name(rival)}"} if rival else {}),
        }
        with st.container(horizontal=True, gap="large"):
            for name, label in named.items():
                one = results.get(name, {}).get("recall@30")
                if one is not None and one.get("value") is not None:
                    with st.container(width="content", gap=None):
                        st.metric(label, percent(one["value"]), help=RECALL_HELP, height=84)
                        st.caption(f"95 %: {interval(one['low'], one['high'])}")
        st.markdown("**Recall@30**: of the next listings people touched, the share that was in our 30.")
        if rival and (told := describe_difference(metrics, rival)):
            st.markdown(told)
        st.caption(verdict(metrics.get("differences", {})))
        st.caption(
            f"{count(metrics.get('queries', 0), 'test query', 'test queries')} of {count(metrics.get('users', 0), 'user')}. "
            + PROTOCOLS.get(metrics.get("protocol", ""), "")
            + describe_notes(metrics)
        )
    with right:
        charts.show_chart(
            _chart(table),
            key="recall-by-method",
            alt="Recall at 30 by method with 95 percent intervals",
            height=charts.rows_height(len(table)),
        )
    with st.expander("The figures behind it"):
        shown = pd.DataFrame({"Method": table["Method"], **recall_columns(table)})
        charts.show_table(shown, alt="Recall@30 by method with its interval")


def _chart(table: pd.DataFrame) -> go.Figure:
    """A dot and its interval for each method."""
    series = charts.SERIES
    kinds = [
        charts.Kind("Model", series[0]),
        charts.Kind("Baseline", series[1], "square"),
        charts.Kind("Ceiling", series[2], "cross"),
        charts.Kind("Model, another blend", series[3], "diamond"),
    ]
    wide = table.assign(
        kind=[
            "Ceiling"
            if name == CEILING
            else "Baseline"
            if not uses_model(name)
            else "Model"
            if name in (DEFAULT_RANKING, MODEL_ONLY)
            else "Model, another blend"
            for name in table["name"]
        ],
        row=range(len(table)),
    )
    hover = [
        f"<b>{charts.escaped(line.Method)}</b><br>Recall@30 {percent(line.value)}<br>95 %: {interval(line.low, line.high)}"
        for line in table.itertuples()
    ]
    figure = charts.intervals(wide, kinds, "row", hover)
    charts.row_axis(figure, table["Method"].tolist())
    charts.axis_title(figure, "Recall@30 with its 95 % interval")
    return figure
