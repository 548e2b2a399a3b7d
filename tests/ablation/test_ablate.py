"""`ablate` with real trainings in real processes: kept, resumed after a kill, and failures that stop nobody else."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from listing_vibes.ablation.ablate import ablate, folder_of
from listing_vibes.ablation.grid import Grid
from listing_vibes.ablation.jobs import Job, run_jobs
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.market.market import Market
from listing_vibes.progress import Counted, JobDone
from listing_vibes.run.run import Run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BASE = {
    "preset": "tiny",
    "encoder": {"layers": 1, "width": 32, "heads": 2, "ffn": 64},
    "features": {"text": False},
    "training": {
        "batch": 16, "fresh": 16, "max_epochs": 2, "warmup": 5, "checkpoint_every": 4,
        "validate_every": 1000,
    },
}  # fmt: skip
FULL = {"name": "full", "reference": "popularity", "question": "ladder"}
GRID = {
    "base": BASE,
    "variant": [
        {"name": "popularity", "kind": "baseline", "baseline": "popularity", "question": "ladder"},
        FULL,
        {"name": "+ photos", "reference": "full", "set": {"features.photos": 9}},
        {"name": "served", "reference": "full", "question": "recency", "serving": "recency"},
        {"name": "burst", "reference": "full", "question": "losses", "set": {"training.learning_rate": 1e12}},
        {"name": "log_in", "reference": "burst", "question": "losses", "set": {"training.loss": "log_in"}},
    ],
}


@pytest.fixture(scope="module")
def done(small_market, tmp_path_factory):
    out, told = tmp_path_factory.mktemp("ablation"), []
    found = ablate(small_market, out, Grid.model_validate(GRID), [3], processes=2, report=told.append)
    return out, found, told


def test_it_writes_the_table_the_ranks_and_the_figure(done, small_market):
    out, found, _ = done
    table = pd.read_parquet(out / "ablation.parquet")
    assert list(dict.fromkeys(table["variant"])) == ["popularity", "full", "served", "log_in"]
    for name in ("ablation.png", "ablation.svg"):
        assert (out / name).stat().st_size > 3000
    ranks = pd.read_parquet(folder_of(out, "full", 3) / "ranks.parquet")
    assert found.head["queries"] == len(ranks)
    value = (ranks["rank"] <= 30).groupby(ranks["user_id"]).mean().mean()
    mine = table[(table["variant"] == "full") & table["seed"].isna() & (table["slice"] == "all")]
    assert mine[(mine["metric"] == "recall") & (mine["k"] == 30)]["value"].item() == pytest.approx(value)
    assert {"cold users", "history 1"} <= set(table["slice"])
    assert table["slice"].str.startswith("week ").any()


def test_its_ranks_are_those_of_evaluate(done, small_market):
    out, found, _ = done
    assert "x log(1 + events in the last" in found.notes["served"]
    run = Run.open(folder_of(out, "full", 3) / "run", small_market)
    assert run.manifest.settings.seed == 3
    assert run.manifest.settings.training.recency_served  # left to the market, as `vibes train` leaves it
    evaluated = evaluate_run(run)
    for name, label in (
        ("full", "default ranking"),
        ("served", "model only + recency"),
        ("popularity", "popularity"),
    ):
        kept = pd.read_parquet(folder_of(out, name, 3) / "ranks.parquet")
        assert np.array_equal(kept["rank"], evaluated.ranks[label])
    assert evaluated.names[:5] == [
        "default ranking",
        "model only",
        "model only + recency",
        "model only + neighbors",
        "model only + neighbors + recency",
    ]


def test_one_failure_is_named_and_its_reference_stands_in(done):
    _, found, told = done
    assert "lower training.learning_rate" in found.failed["burst"]
    assert [one.reference for one in found.measured] == [None, "popularity", "full", "full"]
    assert "'+ photos' is left out: it is the same as 'full'" in found.text()
    ended = [one for one in told if isinstance(one, JobDone)]
    assert {one.job for one in ended} == {"popularity", "full", "served", "burst", "log_in"}
    assert ended[-1].standing.done == ended[-1].standing.total == 5
    assert any(isinstance(one, Counted) and one.left for one in told)
    document = json.loads(json.dumps(found.document()))
    assert document["seeds"] == [3] and "burst" in document["failed"] and "+ photos" in document["left_out"]


def test_what_is_finished_is_kept(done, small_market):
    out, found, _ = done
    grid = Grid.model_validate(
        {**GRID, "variant": [v for v in GRID["variant"] if v["name"] in ("popularity", "full")]}
    )
    before = (folder_of(out, "full", 3) / "outcome.json").stat().st_mtime_ns
    told: list = []
    again = ablate(small_market, out, grid, [3], report=told.append)
    assert (folder_of(out, "full", 3) / "outcome.json").stat().st_mtime_ns == before
    assert not [one for one in told if isinstance(one, JobDone)]
    mine = found.table[found.table["variant"] == "full"].drop(columns="p_value")
    pd.testing.assert_frame_equal(
        again.table[again.table["variant"] == "full"].drop(columns="p_value").reset_index(drop=True),
        mine.reset_index(drop=True),
    )


def test_another_grid_or_market_under_the_same_names_is_refused(done, small_market, tiny_market):
    out, _, _ = done
    changed = Grid.model_validate(
        {"base": BASE, "variant": [{"name": "full", "set": {"training.loss": "log_in"}}]}
    )
    with pytest.raises(VibesError, match="holds 'full' with another settings than the grid asks for now"):
        ablate(small_market, out, changed, [3])
    with pytest.raises(VibesError, match="another state of"):
        ablate(
            Market.open(tiny_market(users=40)),
            out,
            Grid.model_validate({"base": BASE, "variant": [{"name": "full"}]}),
            [3],
        )
    with pytest.raises(VibesError, match="not distinct"):
        ablate(small_market, out, changed, [1, 1])


def wait_for(condition, seconds: float = 900.0) -> None:
    for _ in range(int(seconds * 20)):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.is_file() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def unlocked(path: Path) -> bool:
    """The last thread of a process may outlive its first one, and holds the lock until then."""
    import fcntl

    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks at processes through /proc")
def test_a_killed_ablation_goes_on_from_its_checkpoint_with_the_same_ranks(done, small_market, tmp_path):
    """The parent is killed, so that its training is an orphan: it ends by itself, and nobody joins it meanwhile."""
    whole, _, _ = done
    out, file = tmp_path / "out", tmp_path / "grid.json"
    grid = {"base": BASE, "variant": [{"name": "full"}]}
    file.write_text(json.dumps(grid))
    code = (
        "import json, sys; from pathlib import Path; from listing_vibes.ablation.grid import Grid; "
        "from listing_vibes.market.market import Market; from listing_vibes.ablation.ablate import ablate; "
        "ablate(Market.open(sys.argv[1]), Path(sys.argv[2]), Grid.model_validate(json.loads(Path(sys.argv[3]).read_text())), [3])"
    )
    started = subprocess.Popen([sys.executable, "-c", code, small_market.path, out, file], cwd=ROOT)
    folder = folder_of(out, "full", 3)
    state = folder / "run" / ".training" / "state.safetensors"
    wait_for(lambda: state.is_file() or started.poll() is not None)
    assert started.poll() is None
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    assert len(children) == 1
    started.kill()
    started.wait()
    wait_for(lambda: not alive(int(children[0])) and unlocked(out / ".lock"))
    assert not (folder / "outcome.json").exists()
    told: list = []
    found = ablate(small_market, out, Grid.model_validate(grid), [3], report=told.append)
    shares = [one.done for one in told if isinstance(one, Counted) and one.done > 0]
    assert not shares or shares[0] > 0.05, "it began anew"
    assert not found.failed
    one, two = (pd.read_parquet(folder_of(place, "full", 3) / "ranks.parquet") for place in (whole, out))
    pd.testing.assert_frame_equal(one, two)


def test_nobody_works_in_a_folder_at_the_same_time(small_market, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(VibesError, match="Another ablation is at work"):
            ablate(
                small_market,
                tmp_path,
                Grid.model_validate({"base": BASE, "variant": [{"name": "full"}]}),
                [0],
            )


def test_a_process_that_crashes_says_how(tmp_path):
    job = Job("lost", 0, tmp_path)  # without a job.json
    told: list = []
    run_jobs([job], 1, told.append)
    assert "ended with code 1 (FileNotFoundError" in job.error and "output.txt" in job.error
    assert told[-1].error == job.error


def test_leaving_ends_the_processes(small_market, tmp_path):
    (tmp_path / "job.json").write_text(
        json.dumps(
            {
                "market": str(small_market.path),
                "kind": "model",
                "settings": BASE,
                "photo_encoder": "",
                "control": "",
            }
        )
    )
    job = Job("full", 0, tmp_path)

    def stop(update) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs([job], 1, stop)
    assert job.process is not None  # ended before or after the training took the signal over
    assert job.process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert not job.finished and os.path.isdir(tmp_path)
