"""The figures of a chart as a table, for who wants to draw it anew."""

import html
import re

import pandas as pd
import plotly.graph_objects as go


def chart_table(figure: go.Figure) -> pd.DataFrame:
    """One row a mark: `series, x, y`, `low` and `high` of its interval where the chart has some, and `told`, what hover says.

    Places on an axis that has names are these names.
    """
    parts = []
    for trace in figure.data:
        if trace.x is None or trace.y is None:
            continue
        values = {"series": _words(trace.name), "x": list(trace.x), "y": list(trace.y)}
        for axis, bar in (("x", trace.error_x), ("y", trace.error_y)):
            if bar.array is None:
                continue
            below = bar.array if bar.arrayminus is None else bar.arrayminus
            middle = pd.Series(values[axis], dtype=float)
            values["low"] = (middle - pd.Series(list(below), dtype=float)).tolist()
            values["high"] = (middle + pd.Series(list(bar.array), dtype=float)).tolist()
        if isinstance(trace.text, list | tuple) and len(trace.text) == len(values["x"]):
            values["told"] = [_words(one) for one in trace.text]
        parts.append(pd.DataFrame(values))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["series", "x", "y"])
    for axis, settings in (("x", figure.layout.xaxis), ("y", figure.layout.yaxis)):
        if settings.tickvals and settings.ticktext and table[axis].isin(settings.tickvals).all():
            names = dict(zip(settings.tickvals, map(_words, settings.ticktext), strict=True))
            table[axis] = table[axis].map(names)
    return table


def _words(text: object) -> str:
    """Words without the markup that plotly reads."""
    return html.unescape(re.sub(r"<[^>]+>", " ", "" if text is None else str(text))).strip()
