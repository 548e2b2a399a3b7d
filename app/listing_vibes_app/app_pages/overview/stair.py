"""The stair of the method: what each ingredient adds, from ids alone to the ceiling of a simulated market."""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from listing_vibes.ablation.stair import LABELS, Step
from listing_vibes.words import percent
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.measures import interval

MEANS = {
    "Ids alone": "The best of the methods that know listings by their ids only",
    "Attributes": "The model, told what a listing says about itself",
    "+ actions": "Told as well what a user did, and for how long",
    "+ photos": "Told as well how the listing looks",
    "Ceiling": "Knows the simulated tastes: nobody could foretell more",
}
HEIGHT = 310


def show_stair(steps: Sequence[Step]) -> None:
    """The steps as bars, and what they mean in words."""
    st.header("What does each ingredient add?", anchor=False)
    charts.show_chart(
        _chart(steps),
        key="stair",
        alt="Recall at 30 by ingredient: " + "; ".join(f"{one.label} {percent(one.value)}" for one in steps),
        height=HEIGHT,
    )
    st.caption(
        "Recall@30 in the ablation with its 95 % interval, and beneath each name the difference to the step before it. "
        + " · ".join(f"**{one.label}**: {_lower(MEANS[one.label])}" for one in steps)
        + "."
    )


def told(step: Step) -> str:
    """The difference of a step to the one before it: `+7.4 points`, or that there is none to be sure of."""
    if step.gain is None:
        return ""
    points = f"{100 * step.gain:+.1f}".replace("-", "−")
    return f"{points} points" if step.sure else f"{points}, not sure"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _chart(steps: Sequence[Step]) -> go.Figure:
    """A bar a step, as wide as its neighbours, so that the tops are a stair."""
    series = charts.SERIES
    tint = {LABELS["best id model"]: series[1], LABELS["oracle"]: series[2]}
    high = [one.value if one.high is None else one.high for one in steps]
    low = [one.value if one.low is None else one.low for one in steps]
    figure = go.Figure()
    figure.add_bar(
        x=list(range(len(steps))),
        y=[one.value for one in steps],
        width=0.86,
        marker={"color": [tint.get(one.label, series[0]) for one in steps], "line": {"width": 0}},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [top - one.value for top, one in zip(high, steps, strict=True)],
            "arrayminus": [one.value - end for end, one in zip(low, steps, strict=True)],
            "thickness": 2,
            "width": 4,
            "color": charts.GRAY,
        },
        text=[
            f"<b>{one.label}</b><br>Recall@30 {percent(one.value)}<br>95 %: {interval(one.low, one.high)}"
            + (f"<br>{told(one)} to the step before" if one.gain is not None else "")
            for one in steps
        ],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    for at, one in enumerate(steps):
        figure.add_annotation(
            x=at,
            y=high[at],
            text=f"<b>{percent(one.value)}</b>",
            showarrow=False,
            yanchor="bottom",
            yshift=3,
            font={"size": charts.SIZE + 1},
        )
    names = [f"{one.label}<br>{told(one).replace(' points', '')}" for one in steps]
    figure.update_xaxes(tickvals=list(range(len(steps))), ticktext=names, showgrid=False, tickangle=0)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", nticks=5, range=[0, max(high) * 1.14])
    figure.update_layout(margin={"l": 44, "r": 8, "b": 56})
    return figure
