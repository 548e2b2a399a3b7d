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
    """Draw a figure in the viewer's theme, at a height known beforehand; plots neither zoom nor move.

    Args:
        key: of the element; also the name of the picture's file.
        alt: what the chart shows, for who cannot see it.
        height: pixels.
        more: for `st.plotly_chart`, such as `on_select`.
    """
    margin = {"l": 8, "r": 12, "t": TOP, "b": 52} | figure.layout.margin.to_plotly_json()
    shown = bool(figure.layout.showlegend)
    legend = {
        "orientation": "h",
        "x": 0,
        "y": 1,
        "yanchor": "bottom",
        "itemclick": False,
        "itemdoubleclick": False,
    }
    figure.update_layout(height=height, margin=margin, dragmode=False, showlegend=shown, legend=legend)
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    config = {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "png", "filename": key, "scale": 2},
    }
    # A chart keeps the colors of the theme in which it was first drawn; another key draws it again.
    drawn = f"{key}-{st.context.theme.type}"
    return st.plotly_chart(
        figure, theme="streamlit", key=drawn, height=height, config=config, alt=alt, **more
    )


def show_table(frame: pd.DataFrame, *, alt: str, **more: Any) -> None:
    """Show the figures behind a chart; the table's toolbar saves them as CSV."""
    st.dataframe(frame, hide_index=True, alt=alt, **more)


def escaped(text: str) -> str:
    """A text that plotly does not read as markup."""
    return html.escape(text, quote=False)


def label(text: str, width: int = LABEL) -> str:
    """A text as a label of at most two lines."""
    lines = textwrap.wrap(text, width, max_lines=2, placeholder=" …") or [text]
    return "<br>".join(map(escaped, lines))


def axis_title(figure: go.Figure, text: str) -> None:
    """Name the horizontal axis from its right end: a phone would cut a longer name off at both."""
    figure.add_annotation(
        text=escaped(text), x=1, xref="paper", xanchor="right", y=0, yref="paper", yanchor="top", yshift=-26,
        showarrow=False, font={"size": SIZE},
    )  # fmt: skip


def rows_height(rows: int, legend: bool = False) -> int:
    """Pixels of a chart with a line for each of `rows`."""
    return ROW * rows + TOP + 52 + (26 if legend else 0)


def row_axis(figure: go.Figure, names: Sequence[str]) -> None:
    """A vertical axis with a name for each line, the first on top; lines stand at 0, 1, ..."""
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[label(name) for name in names],
        range=[len(names) - 0.5, -0.5],
        showgrid=False,
        automargin="left",
    )


@dataclass(frozen=True)
class Kind:
    """One sort of point: its name in the legend, colour and sign."""

    name: str
    colour: str
    symbol: str = "circle"


def intervals(
    table: pd.DataFrame, kinds: Sequence[Kind], at: str, hover: Sequence[str], *, upright: bool = False
) -> go.Figure:
    """A sign and its interval for each line of `table`.

    Args:
        table: columns `value`, `low`, `high` (shares; None where there is no interval), `kind`, and `at`.
        kinds: in the order of the legend; those without a line are left out.
        at: the column with a line's place on the other axis.
        hover: what is told of each line on hover.
        upright: intervals stand, and several kinds at one place stand beside each other.
    """
    figure = go.Figure()
    table = table.assign(hover=list(hover))
    for kind in kinds:
        mine = table[table["kind"] == kind.name]
        if mine.empty:
            continue
        value = mine["value"].to_numpy(float)
        bar = {
            "type": "data",
            "symmetric": False,
            "array": _length(mine["high"].to_numpy(float) - value),
            "arrayminus": _length(value - mine["low"].to_numpy(float)),
            "thickness": 2,
            "width": 0,
            "color": kind.colour,
        }
        figure.add_scatter(
            x=mine[at].tolist() if upright else value.tolist(),
            y=value.tolist() if upright else mine[at].tolist(),
            mode="markers",
            name=kind.name,
            marker={"color": kind.colour, "symbol": kind.symbol, "size": 11},
            **{"error_y" if upright else "error_x": bar},
            **({"offsetgroup": kind.name} if upright else {}),
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


def _length(values: np.ndarray) -> list[float | None]:
    """Lengths of bars, none where the end is unknown."""
    return [None if np.isnan(value) else float(value) for value in values]
