"""The notebooks of the documentation run from the first cell to the last, offline, and are kept without outputs."""

from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "assets" / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    client = pytest.importorskip("nbclient")
    notebook = nbformat.read(path, as_version=4)
    if "listing_vibes.widgets" in path.read_text(encoding="utf-8"):
        pytest.importorskip(
            "anywidget", reason="anywidget is not installed; pip install 'listing-vibes[notebook]'"
        )
    client.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    shown = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    assert len(shown) > 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_says_nothing_of_the_machine_it_ran_on(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < 100_000
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
