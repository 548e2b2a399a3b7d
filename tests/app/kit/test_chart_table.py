"""The figures of a chart: as they are drawn, by the names on its axes."""

import pandas as pd
import plotly.graph_objects as go

from listing_vibes_app.kit import charts
from listing_vibes_app.kit.chart_table import chart_table


def test_rows_have_the_names_of_the_axis_and_their_intervals():
    table = pd.DataFrame(
        {
            "kind": ["Model", "Rest"],
            "value": [0.4, 0.2],
            "low": [0.3, None],
            "high": [0.45, None],
            "row": [0, 1],
        }
    )
    kinds = [charts.Kind("Model", "#112233"), charts.Kind("Rest", "#445566")]
    figure = charts.intervals(table, kinds, "row", ["<b>one</b>", "two &amp; more"])
    charts.row_axis(figure, ["Whole model", "Popularity & <co>"])
    found = chart_table(figure).round(6)
    assert found["y"].tolist() == ["Whole model", "Popularity & <co>"]
    assert found["x"].tolist() == [0.4, 0.2] and found["told"].tolist() == ["one", "two & more"]
    assert found["low"].tolist()[0] == 0.3 and found["high"].isna().tolist() == [False, True]


def test_a_chart_without_marks_has_no_rows():
    assert chart_table(go.Figure()).columns.tolist() == ["series", "x", "y"]
