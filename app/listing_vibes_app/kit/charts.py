"""Charts: plotly figures in Streamlit's theme, with exact values on hover and a PNG to download."""

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
import streamlit as st

SIZE = 13  # of words, in pixels
TOP = 28  # pixels above a plot, where the buttons are
ROW = 36  # pixels of a line of a chart, room for a label of two lines
LABEL = 26  # characters of a line of a label
#: Colors that the browser replaces by `theme.chartCategoricalColors` of the theme that is shown.
SERIES: tuple[str, ...] = pio.templates["streamlit"].layout.colorway
GRAY = "#7d878b"  # readable on a light and on a dark ground


def show_chart(figure: go.Figure, *, key: str, alt: str, height: int, **more: Any) -> Any:
    """Draw a figure in the viewer's theme; plots neither zoom nor move.

    Args:
        key: of the element; also the name of the picture's file.
        alt: what the chart shows, for screen readers.
        height: pixels.
        more: for `st.plotly_chart`, such as `on_select`.
    """
    margin = {"l": 8, "r": 12, "t": TOP, "b": 52} | figure.layout.margin.to_plotly_json()
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
    # A chart keeps the colors of the theme in which it was first drawn; another key draws it again.
    key = f"{key}-{st.context.theme.type}"
    return st.plotly_chart(figure, theme="streamlit", key=key, height=height, config=config, alt=alt, **more)


def show_figures(table: pd.DataFrame, alt: str, label: str = "The figures behind it") -> None:
    """Draw an expander with the figures of a chart as a table, whose toolbar saves them as CSV."""
    with st.expander(label):
        st.dataframe(table, hide_index=True, alt=alt)


def escaped(text: str) -> str:
    """Escape a text that plotly would read as markup."""
    return html.escape(text, quote=False)


def label(text: str, width: int = LABEL) -> str:
    """Format a text as a label of at most two lines."""
    lines = textwrap.wrap(text, width, max_lines=2, placeholder=" …") or [text]
    return "<br>".join(map(escaped, lines))


def axis_title(figure: go.Figure, text: str) -> None:
    """Name the horizontal axis from its right end: a phone would cut a longer name off at both ends."""
    figure.add_annotation(
        text=escaped(text), x=1, xref="paper", xanchor="right", y=0, yref="paper", yanchor="top", yshift=-26,
        showarrow=False, font={"size": SIZE},
    )  # fmt: skip


def rows_height(rows: int, legend: bool = False) -> int:
    """Return the pixels of a chart with a line for each of `rows`."""
    return ROW * rows + TOP + 52 + (26 if legend else 0)


def row_axis(figure: go.Figure, names: Sequence[str]) -> None:
    """Give the vertical axis a name for each line, the first on top; lines stand at 0, 1, ..."""
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[label(name) for name in names],
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        automargin="left",
    )


@dataclass(frozen=True)
class Kind:
    """A kind of point: its name in the legend, color and symbol."""

    name: str
    color: str
    symbol: str = "circle"


def error_bar(table: pd.DataFrame, **style: Any) -> dict[str, Any]:
    """Return plotly's error bar of `value`, `low` and `high`; none where an end is unknown."""
    value, low, high = (table[name].to_numpy(float) for name in ("value", "low", "high"))
    ends = {"array": _lengths(high - value), "arrayminus": _lengths(value - low)}
    return {"type": "data", "symmetric": False, "thickness": 2, "width": 0, **ends, **style}


def intervals(
    table: pd.DataFrame, kinds: Sequence[Kind], at: str, hover: Sequence[str], *, upright: bool = False
) -> go.Figure:
    """Return a figure with a point and its interval for each line of `table`.

    Args:
        table: columns `value`, `low`, `high` (shares; None where there is no interval), `kind`, and `at`.
        kinds: in the order of the legend; those without a line are left out.
        at: the column with a line's position on the other axis.
        hover: the text of each line on hover.
        upright: intervals stand, and several kinds at one position stand beside each other.
    """
    figure = go.Figure()
    table = table.assign(hover=list(hover))
    for kind in kinds:
        mine = table[table["kind"] == kind.name]
        if mine.empty:
            continue
        value, position = mine["value"].to_numpy(float).tolist(), mine[at].tolist()
        bar = error_bar(mine, color=kind.color)
        figure.add_scatter(
            x=position if upright else value,
            y=value if upright else position,
            mode="markers",
            name=kind.name,
            marker={"color": kind.color, "symbol": kind.symbol, "size": 11},
            **({"error_y": bar, "offsetgroup": kind.name} if upright else {"error_x": bar}),
            cliponaxis=False,
            text=mine["hover"].tolist(),
            hovertemplate="%{text}<extra></extra>",
        )
    values = {"tickformat": ".0%", "rangemode": "tozero", "nticks": 6, "zeroline": True}
    if upright:
        figure.update_layout(scattermode="group", scattergap=0.6, yaxis=values)
        figure.update_xaxes(showgrid=False)
    else:
        figure.update_layout(xaxis=values)
    return figure


def _lengths(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
