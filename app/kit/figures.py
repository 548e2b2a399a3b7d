"""The honest figure: recall@30 of the model with its interval, beside the baselines."""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from app.view.formats import MISSING, count, words
from core.report.text import CEILING, NAMES, SERVED, SURE, also_told, rivals

#: Colour of the words in a chart: Streamlit's own is too pale for small text.
INK = {"light": "#4f595d", "dark": "#b4bdbf"}
RECALL_HELP = "Of the next listings people touched, how many were in our 30."
PROTOCOLS = {
    "temporal": "Trained on earlier events, tested on later ones.",
    "leave-one-out": "Each user's last event is foretold from those before (leave-one-out).",
}
#: Methods that go by ids alone: what any model has to beat.
FIRST_LEVEL = ("popularity", "recent popularity", "itemknn", "ease", "als")


def method_name(name: str) -> str:
    """A scorer's name on the screen."""
    return NAMES.get(name, words(name))


def percent(value: float) -> str:
    """A share as a percentage with one decimal."""
    return f"{100 * value:.1f}%"


def interval(low: float | None, high: float | None) -> str:
    """An interval of shares; "—" where there were too few users for one."""
    return MISSING if low is None or high is None else f"{percent(low)} to {percent(high)}"


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
    """The difference of the model to `rival` in words, with its interval."""
    one = metrics.get("differences", {}).get(f"model - {rival}", {}).get(metric)
    if not one or one.get("low") is None:
        return ""
    sure = one.get("p_holm", 1.0) < SURE
    word = (
        "no sure difference"
        if not sure
        else "the model is ahead"
        if one["value"] > 0
        else "the model is behind"
    )
    points = [f"{100 * one[part]:+.1f}".replace("-", "−") for part in ("value", "low", "high")]
    return f"Difference: {points[0]} points ({points[1]} to {points[2]}), {word}."


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
        st.altair_chart(_chart(table), width="stretch", height=36 * len(table) + 70)
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


def _chart(table: pd.DataFrame) -> alt.LayerChart:
    """A dot and its interval for each method."""
    kinds = {method_name("model"): "Model", method_name(CEILING): "Ceiling"}
    served = method_name(SERVED)
    wide = table.assign(
        Kind=[
            kinds.get(name, "Model, served" if name.startswith(served) else "Baseline")
            for name in table["Method"]
        ]
    )
    every = ("Model", "Baseline", "Ceiling", "Model, served")
    shown = [kind for kind in every if kind in set(wide["Kind"])]
    order = wide["Method"].tolist()
    base = alt.Chart(wide).encode(
        y=alt.Y(
            "Method:N",
            sort=order,
            title=None,
            scale=alt.Scale(paddingOuter=0.4),
            axis=alt.Axis(labelLimit=240, ticks=False, domain=False),
        ),
        color=alt.Color("Kind:N", legend=None, sort=shown),
        tooltip=[alt.Tooltip("Method:N"), alt.Tooltip("value:Q", format=".1%", title="Recall@30")],
    )
    # From the right end, or a phone cuts the title off: there the axis is shorter than its words.
    axis = alt.Axis(format="%", tickCount=5, domain=False, titleAnchor="end")
    line = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", title="Recall@30 with its 95 % interval", axis=axis, scale=alt.Scale(zero=True)),
        x2="high:Q",
    )
    dot = base.mark_point(filled=True, size=110, opacity=1).encode(
        x="value:Q", shape=alt.Shape("Kind:N", legend=None, sort=shown)
    )
    chart: alt.LayerChart = (line + dot).properties(
        description="Recall at 30 by method with 95 percent intervals"
    )
    ink = INK[st.context.theme.type or "light"]
    chart = chart.configure_axis(labelColor=ink, titleColor=ink, labelFontSize=13, titleFontSize=13)
    return chart
