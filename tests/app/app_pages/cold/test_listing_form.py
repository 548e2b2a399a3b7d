"""What the form and the sliders of an entered listing take from the market."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes_app.app_pages.cold.launching import _ends, _form
from listing_vibes_app.app_pages.cold.listing_form import cells_of
from listing_vibes_app.view.market import MarketView


@pytest.fixture
def opened(tmp_path):
    rows = np.arange(24)
    frame = pd.DataFrame(
        {"listing_id": [f"l{row}" for row in rows], "rooms": 1.0 + rows % 6, "area": 20.5 + rows, "parcel": 1e17 + 1e15 * rows}
    )  # fmt: skip
    write_market(tmp_path / "market", None, frame)
    return SimpleNamespace(view=MarketView(Market.open(tmp_path / "market"), lambda: None))


def test_whole_numbers_are_dragged_in_whole_steps(opened):
    ends = {item.name: _ends(opened, item, {}) for item in opened.view.attributes}
    assert ends["rooms"] == (1.0, 6.0, 1.0) and ends["area"][2] == 0.5
    assert [_form(step) for step in (1.0, 0.5, 0.002, 20.0, 1e-6)] == ["%.0f", "%.1f", "%.3f", "%.0f", "%.6f"]


def test_a_number_that_no_field_can_hold_is_left_out(opened):
    assert cells_of(opened, 3) == {"rooms": 4.0, "area": 23.5}
