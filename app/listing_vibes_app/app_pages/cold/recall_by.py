"""Recall@30 by how much was known: events of the listing, length of the history, weeks since training."""

import re
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from listing_vibes.report.text import best_baseline
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING
from listing_vibes.words import percent
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.empty import empty, to_similar
from listing_vibes_app.kit.measures import RECALL_HELP, interval, method_name, recall_columns
from listing_vibes_app.kit.notices import unmeasured
from listing_vibes_app.kit.spaces import missing_spaces
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import count

METRIC = "recall@30"
COLUMNS = ["Group", "Method", "value", "low", "high", "Queries"]


def tables(metrics: dict[str, Any], methods: list[str]) -> dict[str, pd.DataFrame]:
    """Recall by `events`, `history` and `week`: one line a group and method, with the columns `COLUMNS`."""
    rows = [
        (one["by"], one["group"], one["scorer"], one["value"], one["low"], one["high"], one["queries"])
        for one in metrics["stability"]
    ]
    found = {}
    for key in ("events", "history", "week"):
        mine = [row[1:] for row in rows if row[0] == key and row[2] in methods and row[3] is not None]
        mine.sort(key=lambda row: (_first_number(row[0]), methods.index(row[1])))
        table = pd.DataFrame(mine, columns=COLUMNS)
        table["Group"] = [label.replace("-", "–") for label in table["Group"]]
        table["Method"] = [method_name(name) for name in table["Method"]]
        found[key] = table
    return found


def _first_number(label: str) -> int:
    found = re.match(r"\d+", label)
    return int(found.group()) if found else -1


def recall_by(opened: OpenRun) -> None:
    """Three pictures with their tables, or why there are none."""
    metrics = opened.run.metrics
    if not metrics or not metrics.get("stability"):
        if not opened.run.has_model:
            empty("There is nothing to measure", missing_spaces(opened)[0])
            to_similar()
        else:
            unmeasured(opened)
        return
    other = best_baseline(metrics.get("results", {}))
    methods = [DEFAULT_RANKING, *([other] if other else [])]
    found = tables(metrics, methods)
    parts = {
        "events": (
            "By training events of the listing",
            "Training events of the listing that was touched next",
            "No query of this run's evaluation has a next listing to tell apart by its events.",
        ),
        "history": (
            "By length of the history",
            "Events in the history",
            "No query of this run's evaluation has a history.",
        ),
        "week": (
            "Over the weeks after training",
            "Week after validation ended",
            "This evaluation has no weeks: its events have no dates, or it foretells each user's last event.",
        ),
    }
    for key, (title, axis, why) in parts.items():
        st.header(title, anchor=False, help=RECALL_HELP)
        table = found[key]
        if table.empty:
            st.caption(why)
            continue
        columns = table["Group"].nunique()
        charts.show_chart(
            _chart(table, axis),
            key=f"recall-by-{key}",
            alt=f"Recall at 30, {axis.lower()}, with intervals",
            height=300,
            width="stretch" if columns > 7 else 240 + 110 * columns,
        )
        with st.expander(f"The figures behind it: {title[:1].lower()}{title[1:]}"):
            charts.show_table(_shown(table, axis), alt=f"Recall@30 {title.lower()}")


def _shown(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            axis: table["Group"],
            "Method": table["Method"],
            **recall_columns(table),
            "Queries": table["Queries"].map("{:,}".format),
        }
    )


def _chart(table: pd.DataFrame, axis: str) -> go.Figure:
    """A dot and its interval for each slice, the model beside the best other method."""
    signs = zip(charts.SERIES, ("circle", "square"), strict=False)
    methods = list(dict.fromkeys(table["Method"]))
    kinds = [charts.Kind(name, *sign) for name, sign in zip(methods, signs, strict=False)]
    hover = [
        f"<b>{charts.escaped(line.Method)}</b>, {charts.escaped(line.Group)}<br>Recall@30 {percent(line.value)}<br>"
        f"95 %: {interval(line.low, line.high)}<br>"
        f"{count(line.Queries, 'query', 'queries')}"
        for line in table.itertuples()
    ]
    figure = charts.intervals(table.assign(kind=table["Method"]), kinds, "Group", hover, upright=True)
    groups = list(dict.fromkeys(table["Group"]))
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=groups)
    figure.update_yaxes(title="Recall@30")
    figure.update_layout(showlegend=True, margin={"l": 64})
    charts.axis_title(figure, axis)
    return figure
