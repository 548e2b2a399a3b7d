"""The examples in the docstrings of core's faces, run as they stand there."""

import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from helpers.copies import copied

import core
from core import Market, Run, evaluate, train
from core.serving.experiment.setup import Arm, Setup, begin

PAGE = Path(__file__).resolve().parent.parent / "assets" / "docs" / "python.md"
OPTIONS = doctest.ELLIPSIS
#: What a notebook user meets, each with an example.
FACES = [
    "core",
    "core.market.market:Market.open",
    "core.market.market:Market.from_frames",
    "core.market.download.job:download",
    "core.model.settings:Settings.of",
    "core.training.start:train",
    "core.evaluation.start:evaluate",
    "core.insight.comparison:compare",
    "core.serving.experiment.verdict:experiment",
    "core.insight.why.reasons:why",
    "core.insight.demand.demand:demand",
    "core.insight.passport:passport",
    "core.insight.looks.look:look",
    "core.insight.launch.launch:launch",
    "core.insight.selection.address:selection",
    "core.insight.sheet:photo_sheet",
    "core.serving.monitor.monitor:monitor",
    "core.evaluation.result:Evaluation.frame",
    "core.run.folder:RunFolder.open",
    "core.run.run:Run.similar",
    "core.run.run:Run.recommend",
    "core.model.longformer:Longformer.from_transformers",
    "core.features.photos.opening:load_photo_encoder",
    "core.features.texts.encoder:load_text_encoder",
]


#: Those whose example trains, and those whose example reads what was measured.
TRAINING, MEASURED = {"core.training.start:train"}, {"core.insight.comparison:compare"}


@pytest.fixture(scope="module")
def known(trained: Run, tmp_path_factory) -> dict:
    """What the examples find at hand: a market, a run over it, and a folder to write to."""
    run = copied(trained, tmp_path_factory.mktemp("examples"))
    shown, arm = run.path.parent / "shown", Arm(run=str(run.path))
    begin(shown, Setup(design="interleave", a=arm, b=arm, events=str(run.path.parent)))
    return {
        "pd": pd, "Market": Market, "Run": Run, "train": train, "evaluate": evaluate,
        "market": run.market, "run": run, "folder": run.path.parent, "shown": shown,
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in TRAINING | MEASURED else []) for name in FACES],
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
    for name in core.__all__:
        if name not in ("VibesError", "__version__"):
            face = getattr(core, name)
            assert any(face.__module__ in one or issubclass_of(face, one) for one in FACES), name


def issubclass_of(face: object, named: str) -> bool:
    module, _, path = named.partition(":")
    owner = getattr(importlib.import_module(module), path.split(".")[0], None) if path else None
    return inspect.isclass(face) and inspect.isclass(owner) and issubclass(face, owner)


@pytest.mark.slow
def test_the_faces_load_nothing_until_they_are_used():
    code = (
        "import sys, core; print(sorted(m for m in ('pandas', 'torch') if m in sys.modules));"
        "core.Market; print('torch' in sys.modules); print({'Market', 'Run', 'train', 'evaluate'} <= set(dir(core)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == ["[]", "False", "True"]
