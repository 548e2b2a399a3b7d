"""Charts: plotly figures in Streamlit's theme, with exact values on hover and a PNG to download."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
import plotly.io as pio
import streamlit as st

from listing_vibes.words import percent
from listing_vibes_app.view.formats import MISSING

SIZE = 13  # font size in pixels
TOP = 28  # pixels above a plot, for its buttons
ROW = 36  # height of a row in pixels, for a label of two lines
LABEL = 26  # characters per line of a label
RECALL_HELP = "Of the listings that users interacted with next, the share that was in our 30."
#: Placeholder colors: the browser replaces them with `theme.chartCategoricalColors` of the current theme.
SERIES: tuple[str, ...] = pio.templates["streamlit"].layout.colorway
GRAY = "#7d878b"  # readable on a light and on a dark background


def show_chart(figure: go.Figure, *, key: str, alt: str, height: int, **more: Any) -> Any:
    """Draw a figure in the viewer's theme, without zoom or pan.

    Args:
        key: of the element; also the file name of the PNG.
        alt: what the chart shows, for screen readers.
        height: pixels.
        more: arguments of `st.plotly_chart`, such as `on_select`.
    """
    margin = {"l": 8, "r": 12, "b": 52} | figure.layout.margin.to_plotly_json() | {"t": TOP}
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "itemclick": False}
    figure.update_layout(
        height=height,
        margin=margin,
        dragmode=False,
        showlegend=bool(figure.layout.showlegend),
        legend=legend | {"itemdoubleclick": False},
    )
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    config = {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "png", "filename": key, "scale": 2},
    }
    # A chart keeps the colors of the theme in which it was first drawn, so each theme has a key.
    key = f"{key}-{st.context.theme.type}"
    return st.plotly_chart(figure, theme="streamlit", key=key, height=height, config=config, alt=alt, **more)


def show_figures(table: pd.DataFrame, alt: str, label: str = "The data as a table") -> None:
    """Draw an expander with the data of a chart as a table, which can be saved as CSV."""
    with st.expander(label):
        st.dataframe(table, hide_index=True, alt=alt)


def escaped(text: str) -> str:
    """Escape a text for plotly, which interprets markup."""
    return html.escape(text, quote=False)


def label(text: str, width: int = LABEL) -> str:
    """Format a text as a label of at most two lines."""
    lines = textwrap.wrap(text, width, max_lines=2, placeholder=" …") or [text]
    return "<br>".join(map(escaped, lines))


def axis_title(figure: go.Figure, text: str) -> None:
    """Draw the title of the horizontal axis right-aligned; a centered title is cut off at both ends on a phone."""
    figure.add_annotation(
        text=escaped(text), x=1, xref="paper", xanchor="right", y=0, yref="paper", yanchor="top", yshift=-26,
        showarrow=False, font={"size": SIZE},
    )  # fmt: skip


def rows_height(rows: int, legend: bool = False) -> int:
    """Return the height in pixels of a chart with `rows` rows."""
    return ROW * rows + TOP + 52 + (26 if legend else 0)


def row_axis(figure: go.Figure, names: Sequence[str]) -> None:
    """Label the rows of the vertical axis, the first on top; row i is at position i."""
    figure.update_yaxes(
        title=None,
        tickvals=list(range(len(names))),
        ticktext=[label(name) for name in names],
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
        automargin="left",
    )


def intervals(
    table: pd.DataFrame,
    measure: str,
    styles: Mapping[str, tuple[str, str]],
    *,
    groups: str = "",
    hover: Sequence[str] = (),
) -> go.Figure:
    """Return a figure with a point and its 95 % interval for each row of `table`.

    Args:
        table: columns `name`, `kind`, `value`, `low` and `high` (shares; None where there is no interval).
        measure: name of the measure.
        styles: color and symbol of each kind, in the order of the legend.
        groups: column whose values are the categories of a horizontal axis; empty: one row for each row of `table`.
        hover: a further line of hover text for each row.
    """
    low, high = (table[end].astype(float).fillna(table["value"].astype(float)) for end in ("low", "high"))
    ends = {"above": high - table["value"], "below": table["value"] - low}
    lines = zip(table["name"], table["value"], table["low"], table["high"], strict=True)
    texts = [
        f"<b>{escaped(name)}</b><br>{measure} {percent(value)}<br>95 %: {interval(low, high)}"
        for name, value, low, high in lines
    ]
    if hover:
        texts = [f"{text}<br>{escaped(more)}" for text, more in zip(texts, hover, strict=True)]
    value, across = ("y", "x") if groups else ("x", "y")
    figure = px.scatter(
        table.assign(row=range(len(table)), text=texts, **ends),
        color="kind",
        symbol="kind",
        color_discrete_map={kind: color for kind, (color, _) in styles.items()},
        symbol_map={kind: symbol for kind, (_, symbol) in styles.items()},
        category_orders={"kind": list(styles)},
        custom_data="text",
        **{value: "value", across: groups or "row"},
        **{f"error_{value}": "above", f"error_{value}_minus": "below"},
    )
    marker, bar = {"size": 11}, {f"error_{value}": {"thickness": 2, "width": 0}}
    figure.update_traces(
        marker=marker, cliponaxis=False, hovertemplate="%{customdata[0]}<extra></extra>", **bar
    )
    values = {"title": None, "tickformat": ".0%", "rangemode": "tozero", "nticks": 6, "zeroline": True}
    title = f"{measure} with its 95 % interval"
    figure.update_layout(legend_title=None, **{f"{value}axis": values})
    if groups:
        order = {"categoryorder": "array", "categoryarray": list(dict.fromkeys(table[groups]))}
        figure.update_layout(scattermode="group", scattergap=0.6)
        figure.update_xaxes(title=None, type="category", showgrid=False, **order)
        figure.update_yaxes(title=measure)
    else:
        row_axis(figure, table["name"].tolist())
        axis_title(figure, title)
    return figure


def interval(low: float | None, high: float | None) -> str:
    """Format an interval of shares; "—" if there were too few users for an interval."""
    if low is None or high is None or pd.isna(low) or pd.isna(high):
        return MISSING
    return f"{percent(low)} to {percent(high)}"


def recall_columns(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns "Recall@30" and "95 % interval" of lines with `value`, `low` and `high`."""
    ends = zip(table["low"], table["high"], strict=True)
    return {"Recall@30": [*map(percent, table["value"])], "95 % interval": [interval(*end) for end in ends]}
