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
RECALL_HELP = "Of the listings that users interacted with next, the share that was in our 30."
#: Placeholder colors: the browser replaces them with `theme.chartCategoricalColors` of the current theme.
SERIES: tuple[str, ...] = pio.templates["streamlit"].layout.colorway
#: Color of the words of a chart in each theme: those of Streamlit have a contrast to the page of 3.7 only.
WORDS = {"light": "#5a6468", "dark": "#a7b1b3"}
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
    words = {"color": WORDS["dark" if st.context.theme.type == "dark" else "light"]}
    figure.update_layout(font=words, legend_font=words)
    figure.update_xaxes(fixedrange=True, tickfont=words)
    figure.update_yaxes(fixedrange=True, tickfont=words, title_font=words)
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


def label(text: str, width: int) -> str:
    """Format a text as a label of at most two lines."""
    lines = textwrap.wrap(text, width, max_lines=2, placeholder=" …") or [text]
    return "<br>".join(map(escaped, lines))


def axis_title(figure: go.Figure, text: str) -> None:
    """Draw the title of the horizontal axis right-aligned; a centered title is cut off at both ends on a phone."""
    figure.add_annotation(
        text=escaped(text), x=1, xref="paper", xanchor="right", y=0, yref="paper", yanchor="top", yshift=-26,
        showarrow=False, font={"size": SIZE},
    )  # fmt: skip


def intervals(
    table: pd.DataFrame,
    measure: str,
    styles: Mapping[str, tuple[str, str]],
    groups: str,
    hover: Sequence[str],
) -> go.Figure:
    """Return a figure with a point and its 95 % interval for each row of `table`.

    Args:
        table: columns `name`, `kind`, `value`, `low` and `high` (shares; None where there is no interval).
        measure: name of the measure.
        styles: color and symbol of each kind, in the order of the legend.
        groups: column whose values are the categories of the horizontal axis.
        hover: a further line of hover text for each row.
    """
    low, high = (table[end].astype(float).fillna(table["value"].astype(float)) for end in ("low", "high"))
    ends = {"above": high - table["value"], "below": table["value"] - low}
    lines = zip(table["name"], table["value"], table["low"], table["high"], strict=True)
    texts = [
        f"<b>{escaped(name)}</b><br>{measure} {percent(value)}<br>95 %: {interval(low, high)}"
        for name, value, low, high in lines
    ]
    figure = px.scatter(
        table.assign(
            text=[f"{text}<br>{escaped(more)}" for text, more in zip(texts, hover, strict=True)], **ends
        ),
        x=groups,
        y="value",
        error_y="above",
        error_y_minus="below",
        color="kind",
        symbol="kind",
        color_discrete_map={kind: color for kind, (color, _) in styles.items()},
        symbol_map={kind: symbol for kind, (_, symbol) in styles.items()},
        category_orders={"kind": list(styles)},
        custom_data="text",
    )
    figure.update_traces(
        marker_size=11,
        error_y={"thickness": 2, "width": 0},
        cliponaxis=False,
        hovertemplate="%{customdata[0]}<extra></extra>",
    )
    order = {"categoryorder": "array", "categoryarray": list(dict.fromkeys(table[groups]))}
    figure.update_layout(legend_title=None, scattermode="group", scattergap=0.6)
    figure.update_xaxes(title=None, type="category", showgrid=False, **order)
    figure.update_yaxes(title=measure, tickformat=".0%", rangemode="tozero", nticks=6, zeroline=True)
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
