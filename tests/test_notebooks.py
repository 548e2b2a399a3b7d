"""The notebooks of the docs run offline from the first cell to the last, and their stored outputs are of today's code."""

import re

import nbformat
import pytest

from helpers.notebooks import NOTEBOOKS, execute, shape
from helpers.pages import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_is_stored(path, tmp_path):
    pytest.importorskip("nbclient")
    if "listing_vibes.widgets" in path.read_text(encoding="utf-8"):
        pytest.importorskip("anywidget")
    assert shape(execute(path, tmp_path)) == shape(nbformat.read(path, as_version=4)), (
        "run `python -m helpers.notebooks` in the folder `tests`"
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_says_nothing_of_the_machine_it_ran_on(path):
    notebook, text = nbformat.read(path, as_version=4), path.read_text(encoding="utf-8")
    nbformat.validate(notebook)
    assert path.stat().st_size < 100_000
    assert "widgets" not in notebook.metadata and "image/png" not in text and str(ROOT) not in text
    assert not re.search(r"0x[0-9a-f]{8}|/home/|/root/", text)
    assert sum(bool(cell.get("outputs")) for cell in notebook.cells) > 4
