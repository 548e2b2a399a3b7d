"""The widgets in Python: what is chosen is a table, what cannot be shown is said."""

import doctest
import inspect
import sys

import numpy as np
import pandas as pd
import pytest

from browser.mapped import write_map
from helpers.copies import copied
from listing_vibes import Run, select_on_map
from listing_vibes.errors import VibesError
from listing_vibes.insight.days import MarketDays
from listing_vibes.progress import Counted, bar
from listing_vibes.widgets.scripts import GALLERY, GALLERY_HTML, MAP, MAP_HTML, notebook_module

pytest.importorskip("anywidget", reason="anywidget is not installed; pip install 'listing-vibes[notebook]'")
from listing_vibes.widgets import GalleryWidget, MapWidget, map_widget


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    found = copied(trained, tmp_path_factory.mktemp("widgets"))
    write_map(found.path)
    return Run.open(found.path)


@pytest.mark.parametrize("face", [GalleryWidget, MapWidget])
def test_the_example_of_a_widget_runs(run, face):
    text = inspect.getdoc(face) or ""
    module = vars(sys.modules[face.__module__])
    examples = doctest.DocTestParser().get_doctest(text, {**module, "run": run}, face.__name__, None, 0)
    assert examples.examples
    assert doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL).run(examples).failed == 0


def test_a_line_around_listings_chooses_them_and_tells_whoever_listens(run):
    drawn, told = MapWidget(run), []
    drawn.observe(lambda change: told.append(change["new"]), "selected")
    x, y = np.frombuffer(drawn._part("places", {}), "<u2")[:2].tolist()
    drawn.outline = f"{x - 1},{y - 1};{x + 1},{y - 1};{x + 1},{y + 1};{x - 1},{y + 1}"
    assert drawn.selected and told == [drawn.selected]
    assert drawn.selection["listing_id"].tolist() == drawn.selected
    assert drawn.selection.columns.tolist() == run.market.listings.columns.tolist()
    drawn.outline = ""
    assert drawn.selected == [] and len(drawn.selection) == 0
    with pytest.raises(Exception, match="is not an outline"):
        drawn.outline = "1,2"
    drawn.group, drawn.where = 0, ["price>=500"]
    expected = select_on_map(run, group=0, where=["price>=500"])
    assert drawn.selected == expected["listing_id"].tolist() and len(expected)


def test_a_day_is_answered_with_what_was_live_and_touched_and_another_is_refused(run):
    drawn, answers = MapWidget(run), []
    days = MarketDays.of(run.log, run.catalogue)
    drawn.send = lambda content, buffers: answers.append((content, buffers))
    drawn._respond(drawn, {"part": "day", "params": {"of": 3}, "number": 7}, [])
    ((content, (codes,)),) = answers
    found = np.frombuffer(codes, np.uint8)
    assert content == {"number": 7, "content": None}
    rows = drawn._map.rows
    assert ((found >= 128) == days.live(3)[rows]).all()
    assert (found % 128 == np.minimum(days.touched(3)[rows], 127)).all() and (found % 128).any()
    assert drawn._part("nothing", {}) == b""
    with pytest.raises(VibesError):
        drawn._part("day", {"of": str(len(days))})
    drawn.day = len(days) - 1
    with pytest.raises(Exception, match=f"There is no day {len(days)}; give 0"):
        drawn.day = len(days)


def test_a_map_that_is_drawn_first_says_how_far_it_is(run, tmp_path, monkeypatch, capsys):
    def drawing(run, report):
        report(Counted("placing listings", 1, 2))
        write_map(run.path)

    monkeypatch.setattr(map_widget, "save_map", drawing)
    told: list = []
    bare = Run.open(copied(run, tmp_path / "a").path)
    (bare.path / "map.parquet").unlink()
    MapWidget(bare, progress=told.append)
    assert told == [Counted("placing listings", 1, 2)]
    monkeypatch.setattr(bar, "FIRST_S", 0)
    (bare.path / "map.parquet").unlink()
    MapWidget(bare)
    assert "placing listings: 1 of 2" in capsys.readouterr().err
    MapWidget(bare)
    assert not capsys.readouterr().err  # the map stands


def test_what_cannot_be_shown_is_said(run):
    with pytest.raises(VibesError, match="no map of 'photos'"):
        MapWidget(run, "photos")
    with pytest.raises(VibesError, match="1 to 200 listings, but 0"):
        GalleryWidget(run, [])
    with pytest.raises(VibesError, match="no listing 'x'"):
        GalleryWidget(run, ["x"])
    with pytest.raises(VibesError, match="no column 'listing_id'"):
        GalleryWidget(run, pd.DataFrame({"a": [1]}))


def test_a_card_without_a_score_has_none(run):
    found = pd.DataFrame(
        {"listing_id": run.listing_ids[:3], "score": [0.5, None, float("nan")]}, dtype=object
    )
    assert [card["score"] for card in GalleryWidget(run, found)._data["cards"]] == ["Score 0.50", "", ""]


def test_the_scripts_are_those_of_the_explorer_with_one_way_out():
    for parts, adapter, html in ((GALLERY, "gallery_widget", GALLERY_HTML), (MAP, "map_widget", MAP_HTML)):
        module = notebook_module(parts, adapter, html)
        assert module.count("export default") == 1
