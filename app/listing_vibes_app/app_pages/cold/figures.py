"""Recall@30 by events of the listing, by length of the history, and by weeks since training."""

import re
from typing import Any

import pandas as pd
import streamlit as st

from listing_vibes.insight.quality import not_measured
from listing_vibes.insight.rankings import best_baseline
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING, method_name
from listing_vibes_app.kit import charts
from listing_vibes_app.kit.empty import to_similar
from listing_vibes_app.server.runs import OpenRun
from listing_vibes_app.view.formats import count, plain

#: Title, axis title and reason for an empty chart of each slice.
PARTS = {
    "events": (
        "By training events of the listing",
        "Training events of the next listing",
        "No query of this run's evaluation has a next listing with a number of training events.",
    ),
    "history": (
        "By length of the history",
        "Events in the history",
        "No query of this run's evaluation has a history.",
    ),
    "week": (
        "Over the weeks after training",
        "Week after validation ended",
        "This evaluation has no weeks. Either its events have no dates, or it predicts each user's last event.",
    ),
}


def recall_table(metrics: dict[str, Any], part: str, methods: list[str]) -> pd.DataFrame:
    """Return recall by slice: a row for each group and method, with `Group, Method, value, low, high, Queries`."""
    rows = [
        (metric["group"], metric["scorer"], metric["value"], metric["low"], metric["high"], metric["queries"])
        for metric in metrics["stability"]
        if metric["by"] == part and metric["scorer"] in methods and metric["value"] is not None
    ]
    rows.sort(key=lambda row: (_first_number(row[0]), methods.index(row[1])))
    table = pd.DataFrame(rows, columns=["Group", "Method", "value", "low", "high", "Queries"])
    table["Group"] = [label.replace("-", "–") for label in table["Group"]]
    table["Method"] = [method_name(name) for name in table["Method"]]
    return table


def _first_number(label: str) -> int:
    result = re.match(r"\d+", label)
    return int(result.group()) if result else -1


def recall_by(opened: OpenRun) -> None:
    """Show three charts with their tables, or why a chart is missing."""
    metrics = opened.run.metrics
    if not metrics or not metrics.get("stability"):
        st.markdown(plain(not_measured(opened.run)))
        to_similar()
        return
    baseline = best_baseline(metrics.get("results", {}))
    methods = [DEFAULT_RANKING, *([baseline] if baseline else [])]
    for part, (title, axis, why) in PARTS.items():
        st.header(title, anchor=False, help=charts.RECALL_HELP)
        table = recall_table(metrics, part, methods)
        if table.empty:
            st.caption(why)
            continue
        groups, styles = table["Group"].nunique(), zip(charts.SERIES, ("circle", "square"), strict=False)
        kinds = dict(zip(map(method_name, methods), styles, strict=False))
        named = table.assign(name=table["Method"] + ", " + table["Group"], kind=table["Method"])
        hover = [count(queries, "query", "queries") for queries in table["Queries"]]
        figure = charts.intervals(named, "Recall@30", kinds, groups="Group", hover=hover)
        figure.update_layout(showlegend=True, margin={"l": 64})
        charts.axis_title(figure, axis)
        charts.show_chart(
            figure,
            key=f"recall-by-{part}",
            alt=f"Recall at 30, {axis.lower()}, with intervals",
            height=300,
            width="stretch" if groups > 7 else 240 + 110 * groups,
        )
        columns = {axis: table["Group"], "Method": table["Method"], **charts.recall_columns(table)}
        columns["Queries"] = table["Queries"].map("{:,}".format)
        label = f"The data as a table: {title[:1].lower()}{title[1:]}"
        charts.show_figures(pd.DataFrame(columns), f"Recall@30 {title.lower()}", label)
