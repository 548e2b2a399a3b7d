"""The commands of every how-to run, in their order, in a folder with the trained and evaluated run that a reader has."""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers.commands import vibes
from helpers.pages import DOCS, ROOT, blocks, name_of
from listing_vibes import Run
from listing_vibes.run.manifest import Manifest

#: Commands that need what a test does not have: a bucket, Ray's cluster, a running service, or minutes.
LEFT_OUT = ("s3://", "--engine ray", "--every", "vibes serve", "vibes train")
PAGES = [
    DOCS / "how-to" / f"{name}.md"
    for name in ("batches", "evaluate-and-compare", "export", "find-unmet-demand", "own-vectors", "pretrained-models",
                 "privacy", "rules-and-blends", "vector-databases")
]  # fmt: skip
SETTINGS = """
preset = "tiny"
[encoder]
layers = 1
width = 32
heads = 2
ffn = 64
[training]
batch = 32
max_steps = 8
warmup = 2
"""


def runnable(page: Path) -> list[list[str]]:
    """The commands in the blocks of a page that a test can run."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    shown = [
        line for line in lines if line.startswith("vibes") and not any(part in line for part in LEFT_OUT)
    ]
    return [shlex.split(line, comments=True)[1:] for line in shown]


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory) -> Path:
    """`bikes` and two evaluated runs over it, `run` and `other-run`, with the files that pages name."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "assets" / "examples" / "bicycles", folder / "bikes")
    (folder / "settings.toml").write_text(SETTINGS, encoding="utf-8")
    vibes("train", folder / "bikes", folder / "run", "--config", folder / "settings.toml")
    manifest = Manifest.load(folder / "run")
    manifest.model_copy(update={"market": "../bikes"}).save(folder / "run")  # so that it may be copied
    vibes("evaluate", folder / "run", "--baselines", "fast")
    for name in ("other-run", "may"):
        shutil.copytree(folder / "run", folder / name)
    run = Run.open(folder / "run")
    np.save(folder / "bikes" / "clip.npy", np.random.default_rng(0).normal(size=(len(run.listing_ids), 8)))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_of_a_how_to_run_on_a_trained_run(page, trained_folder, tmp_path, monkeypatch):
    shutil.copytree(trained_folder, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    if page.stem == "privacy":
        vibes("batch", "run", "lists", "-k", "3")
        vibes("evaluate", "run", "--baselines", "none", "--queries", "queries.parquet")
    if page.stem == "rules-and-blends":
        (rules,) = blocks(page, "json rules.json")
        Path("rules.json").write_text(rules, encoding="utf-8")
    for toml in blocks(page, "toml vectors"):
        with open("bikes/market.toml", "a", encoding="utf-8") as stream:
            stream.write(toml)
    spaces = Run.open("run").spaces
    for words in runnable(page):
        vibes(*words)
        after = Run.open("run")
        assert after.has_model and set(spaces) <= set(after.spaces), words


@pytest.mark.slow
def test_an_embedding_is_undone_and_a_model_is_dropped_only_when_told(trained_folder, tmp_path):
    shutil.copytree(trained_folder, tmp_path / "here")
    run, market = tmp_path / "here" / "run", tmp_path / "here" / "bikes"
    first = Run.open(run)
    best = first.similar("B0003", k=5)
    vibes("embed", market, run, "--no-model")
    assert not Run.open(run).has_model and first.outdated
    vibes("embed", market, run, "--undo")
    again = Run.open(run)
    assert again.similar("B0003", k=5).equals(best) and again.metrics == first.metrics is not None
    assert "no earlier version" in vibes("embed", market, run, "--undo", check=2).stderr
    vibes("embed", market, run)  # published under a number of its own
    assert Run.open(run).version == 2 and Run.open(run).has_model
    vibes("train", market, tmp_path / "refit", "--refit", run)
