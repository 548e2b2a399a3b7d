"""The examples in the docstrings of the public API run as they stand, and the notebooks of the docs show what they store."""

import doctest
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

import listing_vibes
from helpers.copies import copied
from helpers.notebooks import NOTEBOOKS, execute, shape
from helpers.pages import ROOT
from listing_vibes import Market, Run, evaluate, train
from listing_vibes.serving.experiment import Arm, Setup, begin_experiment

PAGE = Path(__file__).resolve().parent.parent / "assets" / "docs" / "how-to" / "python.md"
OPTIONS = doctest.ELLIPSIS
#: What a notebook user meets, each with an example.
FACES = [
    "listing_vibes",
    "listing_vibes.market.market:Market.open",
    "listing_vibes.market.market:Market.from_frames",
    "listing_vibes.market.download.job:download",
    "listing_vibes.model.settings:Settings.of",
    "listing_vibes.training.api:train",
    "listing_vibes.evaluation.run_evaluation:evaluate",
    "listing_vibes.insight.comparison:compare",
    "listing_vibes.serving.experiment:experiment",
    "listing_vibes.insight.explain:explain",
    "listing_vibes.insight.home:home_evidence",
    "listing_vibes.insight.demand:demand",
    "listing_vibes.insight.map.space_map:name_group",
    "listing_vibes.insight.map.space_map:select_on_map",
    "listing_vibes.insight.market_shift:measure_shift",
    "listing_vibes.insight.photo_search:search_photos",
    "listing_vibes.insight.launch:launch",
    "listing_vibes.insight.selection.page_lists:selection",
    "listing_vibes.serving.monitor:monitor",
    "listing_vibes.evaluation.result:Evaluation.frame",
    "listing_vibes.run.run:Run.open",
    "listing_vibes.run.run:Run.encode",
    "listing_vibes.run.run:Run.similar",
    "listing_vibes.run.run:Run.recommend",
    "listing_vibes.variants.conversion:from_transformers",
    "listing_vibes.features.photos.photo_encoder:load_photo_encoder",
    "listing_vibes.features.texts.text_encoder:load_text_encoder",
]


#: Those whose example reads what was measured, and all whose example trains or evaluates.
MEASURED = {"listing_vibes.insight.comparison:compare"}
SLOW = MEASURED | {
    "listing_vibes.training.api:train",
    "listing_vibes.evaluation.run_evaluation:evaluate",
    "listing_vibes.evaluation.result:Evaluation.frame",
}


@pytest.fixture(scope="module")
def known(trained: Run, tmp_path_factory) -> dict:
    """What the examples find at hand: a market, a run over it, and a folder to write to."""
    run = copied(trained, tmp_path_factory.mktemp("examples"))
    shown, arm = run.path.parent / "shown", Arm(run=str(run.path))
    begin_experiment(shown, Setup(design="interleave", a=arm, b=arm, events=str(shown)))
    return {
        "pd": pd, "Market": Market, "Run": Run, "train": train, "evaluate": evaluate,
        "market": run.market, "run": run, "folder": run.path.parent, "shown": shown,
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in FACES],
)
def test_the_example_of_a_face_runs(known, name):
    module, _, path = name.partition(":")
    face = importlib.import_module(module)
    for part in filter(None, path.split(".")):
        face = getattr(face, part)
    if name in MEASURED:
        evaluate(known["run"])
    text = inspect.getdoc(face) or ""
    examples = doctest.DocTestParser().get_doctest(
        text, {**known, **vars(sys.modules[module])}, name, None, 0
    )
    assert examples.examples, f"{name} has no example"
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(examples).failed == 0


@pytest.mark.slow
def test_the_page_on_python_runs(known, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("listings", "events"):
        pd.read_parquet(known["market"].path / f"{name}.parquet").to_csv(f"{name}.csv", index=False)
    text = PAGE.read_text(encoding="utf-8").replace("```", "")
    page = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, None, 0)
    assert len(page.examples) > 15
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(page).failed == 0


def test_no_face_is_left_out():
    for name in listing_vibes.__all__:
        if name not in ("VibesError", "__version__", "tune"):  # tune has six trainings
            face = getattr(listing_vibes, name)
            assert any(face.__module__ in one for one in FACES), name


@pytest.mark.slow
def test_the_faces_load_nothing_until_they_are_used():
    code = (
        "import os, sys, listing_vibes; print(sorted(m for m in ('pandas', 'torch') if m in sys.modules));"
        "listing_vibes.Market; print('torch' in sys.modules); print({'Market', 'Run', 'train', 'evaluate'} <= set(dir(listing_vibes)));"
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["[]", "False", "True", "PASSIVE"]


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
