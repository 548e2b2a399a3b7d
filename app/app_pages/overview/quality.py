"""The honest figure: recall@30 of the model with its interval, beside the baselines."""

from statistics import NormalDist
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.kit import charts
from app.kit.measures import RECALL_HELP, interval, method_name, percent
from app.view.formats import count
from core.report.text import CEILING, FIRST_LEVEL, SERVED, SURE, also_told, rivals

PROTOCOLS = {
    "temporal": "Trained on earlier events, tested on later ones.",
    "leave-one-out": "Each user's last event is foretold from those before (leave-one-out).",
}


def figures_table(results: dict[str, Any], metric: str = "recall@30") -> pd.DataFrame:
    """One line a method, the best first: Method, value, low, high (shares; None where unknown)."""
    rows = [
        {"Method": method_name(name), **{part: one[metric][part] for part in ("value", "low", "high")}}
        for name, one in results.items()
        if one.get(metric, {}).get("value") is not None
    ]
    rows.sort(key=lambda row: -row["value"])
    return pd.DataFrame(rows, columns=["Method", "value", "low", "high"], dtype=object)


def verdict(differences: dict[str, Any], metric: str = "recall@30") -> str:
    """Which methods the model is above and below, by paired tests corrected for their number."""
    groups = rivals(differences, metric)
    told = [f"{word} {_listed([*map(method_name, names)])}" for word, names in groups.items() if names]
    return f"The model is {'; '.join(told)}." if told else ""


def best_id(results: dict[str, Any], metric: str = "recall@30") -> str | None:
    """The best of the first level, the methods that know listings by their ids only; None where none was measured."""
    measured = [
        name for name in FIRST_LEVEL if results.get(name, {}).get(metric, {}).get("value") is not None
    ]
    return max(measured, key=lambda name: results[name][metric]["value"], default=None)


def beside(metrics: dict[str, Any], rival: str, metric: str = "recall@30") -> str:
    """The difference of the model to `rival` in words, with its interval: the corrected one, to which the verdict belongs."""
    one = metrics.get("differences", {}).get(f"model - {rival}", {}).get(metric)
    if not one or one.get("low") is None:
        return ""
    sure = one.get("p_holm", 1.0) < SURE
    low, high = corrected(one)
    word = (
        "no sure difference"
        if not sure
        else "the model is ahead"
        if one["value"] > 0
        else "the model is behind"
    )
    points = [f"{100 * share:+.1f}".replace("-", "−") for share in (one["value"], low, high)]
    several = ", corrected for the number of methods" if (low, high) != (one["low"], one["high"]) else ""
    return f"Difference: {points[0]} points ({points[1]} to {points[2]}{several}), {word}."


def corrected(one: dict[str, Any]) -> tuple[float, float]:
    """The interval of a difference, as much wider than its own 95 % as Holm's correction made its p-value larger.

    Each side grows by the ratio of the normal quantiles, so the interval holds 0 where the corrected p-value is at least
    5 %, as far as the normal curve goes; where it goes no further, it ends at 0.
    """
    p_value, holm = one.get("p_value"), one.get("p_holm")
    times = max(1.0, holm / p_value) if p_value and holm is not None else 1.0
    wider = NormalDist().inv_cdf(1 - SURE / 2 / times) / NormalDist().inv_cdf(1 - SURE / 2)
    value, low, high = one["value"], one["low"], one["high"]
    low, high = value - wider * (value - low), value + wider * (high - value)
    unsure = holm is not None and holm >= SURE
    return (min(low, 0.0), max(high, 0.0)) if unsure else (low, high)


def show_figures(metrics: dict[str, Any]) -> None:
    """The big figure beside the best first-level method, and all methods as a picture with the table behind it."""
    results = metrics["results"]
    table = figures_table(results)
    if table.empty:
        st.markdown("There was no query to test on, so there is no figure.")
        return
    left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
    with left:
        rival = best_id(results)
        named = {"model": "The model", **({rival: f"Best id method: {method_name(rival)}"} if rival else {})}
        with st.container(horizontal=True, gap="large"):
            for name, label in named.items():
                one = results.get(name, {}).get("recall@30")
                if one is not None and one.get("value") is not None:
                    with st.container(width="content", gap=None):
                        st.metric(label, percent(one["value"]), help=RECALL_HELP, height=84)
                        st.caption(f"95 %: {interval(one['low'], one['high'])}")
        st.markdown("**Recall@30**: of the next listings people touched, the share that was in our 30.")
        if rival and (told := beside(metrics, rival)):
            st.markdown(told)
        st.caption(verdict(metrics.get("differences", {})))
        st.caption(
            f"{count(metrics.get('queries', 0), 'test query', 'test queries')} of {count(metrics.get('users', 0), 'user')}. "
            + PROTOCOLS.get(metrics.get("protocol", ""), "")
            + also_told(metrics)
        )
    with right:
        charts.show_chart(
            _chart(table),
            key="recall-by-method",
            alt="Recall at 30 by method with 95 percent intervals",
            height=charts.rows_height(len(table)),
        )
    with st.expander("The figures behind it"):
        shown = pd.DataFrame(
            {
                "Method": table["Method"],
                "Recall@30": table["value"].map(percent),
                "95 % interval": [
                    interval(low, high) for low, high in zip(table["low"], table["high"], strict=True)
                ],
            }
        )
        st.table(shown, hide_index=True, border="horizontal", alt="Recall@30 by method with its interval")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _chart(table: pd.DataFrame) -> go.Figure:
    """A dot and its interval for each method."""
    named = {method_name("model"): "Model", method_name(CEILING): "Ceiling"}
    served = method_name(SERVED)
    series = charts.colours().series
    kinds = [
        charts.Kind("Model", series[0]),
        charts.Kind("Baseline", series[1], "square"),
        charts.Kind("Ceiling", series[2], "cross"),
        charts.Kind("Model, served", series[3], "diamond"),
    ]
    wide = table.assign(
        kind=[
            named.get(name, "Model, served" if name.startswith(served) else "Baseline")
            for name in table["Method"]
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
