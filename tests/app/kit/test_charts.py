"""Charts: values and intervals as they are, in the colours of the theme, and nothing of a name is read as markup."""

import pandas as pd
import pytest
from contrast import THEME, contrast

from listing_vibes_app.kit import charts

KINDS = [charts.Kind("Model", "#112233"), charts.Kind("Baseline", "#445566", "square")]


def table():
    return pd.DataFrame(
        {
            "kind": ["Model", "Baseline", "Baseline"],
            "value": [0.4, 0.2, 0.1],
            "low": [0.3, 0.15, None],
            "high": [0.45, 0.3, None],
            "row": [0, 1, 2],
        }
    )


def test_a_point_has_its_value_its_interval_and_what_is_told_of_it():
    figure = charts.intervals(table(), KINDS, "row", ["one", "two", "three"])
    model, baseline = figure.data
    assert (model.x, model.y, model.text) == ((0.4,), (0,), ("one",))
    assert model.error_x.array == pytest.approx((0.05,))
    assert model.error_x.arrayminus == pytest.approx((0.1,))
    assert baseline.marker.symbol == "square" and baseline.text == ("two", "three")
    assert baseline.error_x.array[1] is None  # no interval, no bar


def test_upright_kinds_stand_beside_each_other_and_one_without_a_line_is_left_out():
    figure = charts.intervals(table()[1:], KINDS, "row", ["two", "three"], upright=True)
    assert [one.name for one in figure.data] == ["Baseline"]
    assert figure.data[0].y == (0.2, 0.1) and figure.data[0].offsetgroup == "Baseline"
    assert figure.layout.scattermode == "group"


def test_a_name_is_never_markup_and_takes_two_lines_at_most():
    assert (
        charts.label("A <b>bold</b> & much wider name")
        == "A &lt;b&gt;bold&lt;/b&gt; &amp; much wider<br>name"
    )
    assert charts.label("word " * 30).count("<br>") == 1


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_colors_of_series_stand_out_in_both_themes(name):
    theme = THEME[name]
    for color in (*theme["chartCategoricalColors"], charts.GRAY):
        assert contrast(color, theme["backgroundColor"]) >= 3


def test_a_figure_keeps_its_own_settings_and_takes_the_rest(monkeypatch):
    drawn = {}
    monkeypatch.setattr(charts.st, "plotly_chart", lambda figure, **more: drawn.update(more, figure=figure))
    figure = charts.intervals(table(), KINDS, "row", ["one", "two", "three"])
    figure.update_layout(margin={"l": 64})
    charts.show_chart(figure, key="mine", alt="Three lines", height=200)
    layout = drawn["figure"].layout
    assert (layout.margin.l, layout.margin.t, layout.height) == (64, charts.TOP, 200)
    assert layout.xaxis.tickformat == ".0%" and drawn["theme"] == "streamlit"
    assert drawn["config"]["toImageButtonOptions"]["filename"] == "mine"
    assert drawn["config"]["toImageButtonOptions"]["format"] == "png"
