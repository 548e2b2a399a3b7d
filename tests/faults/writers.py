"""Every writer of a run, small enough to be killed hundreds of times: where it starts, what it does, what a reader sees."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.blends import fixed_blend
from helpers.copies import traces
from helpers.newcomers import new_events, new_listings
from helpers.small_market import generate
from listing_vibes.errors import NotThere, VibesError
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import read_json
from listing_vibes.market.io import read_table
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings
from listing_vibes.run.blends import load_blends, parse_metrics, save_blends
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.run.versions import RESULTS, reading, results_of
from listing_vibes.serving.batch import prepare, score_here
from listing_vibes.serving.forget import forget
from listing_vibes.serving.refresh.polls import FileSource
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.training.train import train

NO_BLEND, GONE = "nothing", "user-0003"


@dataclass(frozen=True)
class Writer:
    """One writer.

    Attributes:
        begin: makes, of a copy of `stage`, what the writer finds; `work` is done there, again where it died.
        look: what a reader sees in the folder; what is the same looks the same.
        parts: whether readers may see a part of what is new, as of lists that appear file by file.
        leave: what else is in the folder once the work is done.
    """

    name: str
    begin: Callable[[Path], object]
    work: Callable[[Path], object]
    look: Callable[[Path], Any]
    parts: bool = False
    leave: Callable[[Path], Any] = lambda folder: None


def stage(folder: Path) -> None:
    """What the writers start from: a market, two trained runs over it, rows that it does not have yet."""
    generate(folder / "market", listings=60, users=40, seed=3)
    market = Market.open(folder / "market")
    for name, seed in (("run", 0), ("other", 1)):
        train(market, folder / name, settings(seed), None)
        # A copy of all this has its market beside it.
        Manifest.load(folder / name).model_copy(update={"market": "../market"}).save(folder / name)
    save_metrics(Run.open(folder / "run"), evaluate_run(Run.open(folder / "run"), baselines="none"))
    for name, rows in (
        ("listings", new_listings(market, 3)),
        ("events", new_events(market, ["fresh-0"], 20, 5)),
    ):
        (folder / "new" / name).mkdir(parents=True)
        rows.to_parquet(folder / "new" / name / "a.parquet", index=False)


def settings(seed: int) -> Settings:
    """The smallest model there is, trained for a moment."""
    return Settings.model_validate(
        {
            "preset": "tiny",
            "seed": seed,
            "encoder": {"layers": 1, "width": 16, "heads": 2, "ffn": 32},
            "features": {"text": False},
            "training": {"batch": 16, "fresh": 8, "max_steps": 4, "validate_every": 3, "checkpoint_every": 2, "warmup": 2},
        }
    )  # fmt: skip


def copied(source: Path, folder: Path) -> None:
    """A copy of the stage, which knows nothing of where it was made."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)


def look_at_run(path: Path) -> Any:
    """All that readers get of a run, as one text; NO_BLEND where it is none yet."""
    try:
        run = Run.open(path)
    except VibesError as error:
        assert "not a run folder" in str(error) or "--resume" in str(error), error
        return NO_BLEND
    found: dict[str, Any] = {"ids": run.listing_ids, "trained on": run.manifest.trained_on}
    found |= {space: _digest(run.vectors(space)) for space in run.spaces}
    found["recommended"] = run.recommend(run.log.users[0], 5).to_csv(float_format="%.4f")
    found["events"], found["measured"] = len(run.log), bool(run.metrics)
    return json.dumps(found, sort_keys=True)


def look_at_results(path: Path) -> Any:
    """What was measured: all of it belongs together, and is held while it is read."""
    with reading(path, RESULTS) as folder:
        ranks = _digest(read_table(folder / "queries.parquet").select_dtypes("number").to_numpy(float))
        metrics = read_json(folder / "metrics.json", "", parse_metrics)
        return json.dumps([metrics, [fit.model_dump() for fit in load_blends(folder)], ranks], sort_keys=True)


def look_at_lists(folder: Path) -> Any:
    """The files of lists that are there, each by its rows."""
    parts = sorted(folder.glob("part-*.parquet"))
    return {path.name: _digest(path.read_bytes()) for path in parts}


def _digest(content: np.ndarray | bytes) -> str:
    raw = content if isinstance(content, bytes) else np.ascontiguousarray(content).tobytes()
    return hashlib.sha256(raw).hexdigest()


def _market(folder: Path) -> Market:
    return Market.open(folder / "market")


def _train(folder: Path) -> None:
    work = folder / "fresh/.training/run.toml"
    if not (folder / "fresh/run.toml").is_file():
        train(_market(folder), folder / "fresh", settings(2), None, work.is_file(), refit_of=folder / "run")


def _evaluate(folder: Path) -> None:
    run = Run.open(folder / "run")
    save_metrics(run, evaluate_run(run, baselines="none"))


def _before_evaluation(folder: Path) -> None:
    """Other figures than those that are coming, so that a mix would show."""
    old = results_of(folder / "run")
    assert old != folder / "run"
    metrics = json.loads((old / "metrics.json").read_text())
    (old / "metrics.json").write_text(json.dumps(metrics | {"queries": 1}))
    save_blends(old, [fixed_blend("recency", recent=9.0)])
    pd.DataFrame({"user_id": ["a"], "at": [1], "target": ["b"], "rank of model": [1]}).to_parquet(
        old / "queries.parquet", index=False
    )


def _refresh(folder: Path) -> None:
    sources = {name: FileSource(folder / "new" / name) for name in ("events", "listings")}
    Refresher(folder / "run", sources).refresh()


def _before_forgetting(folder: Path) -> None:
    """The user has events in the market and in versions of the run, of which one waits for its listing."""
    rows = pd.DataFrame({C.USER: GONE, C.LISTING: ["home-0001", "later"], C.TIMESTAMP: "2025-04-10"})
    rows.to_parquet(folder / "new" / "events" / "b.parquet", index=False)
    _refresh(folder)
    shutil.rmtree(folder / "new")
    assert len(traces(folder, GONE)) == 2


def _forget(folder: Path) -> None:
    with contextlib.suppress(NotThere):  # it was done already
        forget(folder / "run", [GONE])


def _look_while_forgetting(folder: Path) -> Any:
    assert len(_market(folder).events)
    return look_at_run(folder / "run")


def _forgotten(folder: Path) -> Any:
    """What every file has that does not depend on numbers of versions and times; none has the user."""
    assert not traces(folder, GONE)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "versions" not in path.parts]
    return {str(path): _digest(path.read_bytes()) for path in files if path.name != "current.json"}


def _lists(folder: Path) -> None:
    from listing_vibes.run.query import Query

    score_here(prepare(folder / "run", folder / "lists", Query(users=(), k=5), 12), workers=1)


WRITERS = [
    Writer("train", lambda folder: None, _train, lambda folder: look_at_run(folder / "fresh")),
    Writer(
        "embed",
        lambda folder: None,
        lambda folder: embed_market(_market(folder), folder / "fresh", None, folder / "other"),
        lambda folder: look_at_run(folder / "fresh"),
    ),
    Writer(
        "embed again",
        lambda folder: None,
        lambda folder: embed_market(_market(folder), folder / "run", None, folder / "other"),
        lambda folder: look_at_run(folder / "run"),
    ),
    Writer("evaluate", _before_evaluation, _evaluate, lambda folder: look_at_results(folder / "run")),
    Writer("refresh", lambda folder: None, _refresh, lambda folder: look_at_run(folder / "run")),
    Writer("forget", _before_forgetting, _forget, _look_while_forgetting, leave=_forgotten),
    Writer("batch", lambda folder: None, _lists, lambda folder: look_at_lists(folder / "lists"), True),
]
