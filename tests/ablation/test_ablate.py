"""`ablate` with real trainings in real processes: kept, resumed after a kill, and failures that stop nobody else."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import tomli_w

from helpers.commands import vibes
from helpers.waiting import has_ended, wait_until
from listing_vibes.ablation import jobs
from listing_vibes.ablation.ablate import ablate, folder_of
from listing_vibes.ablation.grid import Grid
from listing_vibes.ablation.jobs import AblationJob, JobSettings, run_jobs
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.market.durable import only_writer
from listing_vibes.market.market import Market
from listing_vibes.progress import Notice, silent
from listing_vibes.run.run import Run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BASE = {
    "preset": "tiny",
    "encoder": {"layers": 1, "width": 32, "heads": 2, "ffn": 64},
    "features": {"text": False},
    "training": {
        "batch": 16, "fresh": 16, "max_epochs": 1, "warmup": 5, "checkpoint_every": 4,
        "validate_every": 1000,
    },
}  # fmt: skip
FULL = {"name": "full", "reference": "popularity", "question": "ladder"}
GRID = {
    "base": BASE,
    "variant": [
        {"name": "popularity", "baseline": "popularity", "question": "ladder"},
        FULL,
        {"name": "+ photos", "reference": "full", "needs": ["photos"], "set": {"features": {"photos": 9}}},
        {
            "name": "burst",
            "reference": "full",
            "question": "losses",
            "set": {"training": {"learning_rate": 1e12}},
        },
        {"name": "after burst", "reference": "burst", "question": "losses", "baseline": "itemknn"},
    ],
}


def grid(*variants: dict) -> Grid:
    return Grid.model_validate({"base": BASE, "variant": list(variants)})


def settings_of(market: str) -> str:
    return JobSettings(
        market=market,
        fingerprint="",
        baseline=None,
        settings=BASE,
        control=None,
        photo_encoder="",
    ).model_dump_json()


@pytest.fixture(scope="module")
def done(small_market, tmp_path_factory):
    out, told = tmp_path_factory.mktemp("ablation"), []
    found = ablate(small_market, out, Grid.model_validate(GRID), [3], processes=2, report=told.append)
    return out, found, told


def test_it_writes_the_table_the_ranks_and_the_figure(done, small_market):
    out, found, _ = done
    table = pd.read_parquet(out / "ablation.parquet")
    assert list(dict.fromkeys(table["variant"])) == ["popularity", "full", "after burst"]
    for name in ("ablation.png", "ablation.svg"):
        assert (out / name).stat().st_size > 3000
    ranks = pd.read_parquet(folder_of(out, "full", 3) / "ranks.parquet")
    assert f"{len(ranks)} queries" in found.headline
    value = (ranks["rank"] <= 30).groupby(ranks["user_id"]).mean().mean()
    mine = table[(table["variant"] == "full") & table["seed"].isna() & (table["slice"] == "all")]
    assert mine[(mine["metric"] == "recall") & (mine["k"] == 30)]["value"].item() == pytest.approx(value)
    assert {"cold users", "history 1"} <= set(table["slice"])
    assert table["slice"].str.startswith("week ").any()


def test_its_ranks_are_those_of_evaluate(done, small_market):
    out, _, _ = done
    run = Run.open(folder_of(out, "full", 3) / "run", small_market)
    assert run.manifest.settings.seed == 3
    assert run.manifest.settings.blend is not None  # left to the market, as `vibes train` leaves it
    evaluated = evaluate_run(run)
    for name, label in (("full", "default ranking"), ("popularity", "popularity")):
        kept = pd.read_parquet(folder_of(out, name, 3) / "ranks.parquet")
        assert np.array_equal(kept["rank"], evaluated.ranks[label])
    assert evaluated.names[:5] == [
        "default ranking",
        "model only",
        "model + recency",
        "model + neighbors",
        "model + neighbors + recency",
    ]


def test_one_failure_is_named_and_its_reference_stands_in(done):
    _, found, updates = done
    assert "lower training.learning_rate" in found.failed["burst"]
    assert [item.reference for item in found.measured] == [None, "popularity", "full"]
    assert "'+ photos'" in found.text() and "burst, seed 3: failed" in str(updates)
    assert found.headline.endswith("seeds 3") and "+ photos" in found.left_out


def test_what_is_finished_stays_and_another_grid_or_market_under_the_same_names_is_refused(
    done, small_market, tiny_market, tmp_path
):
    out, found, _ = done
    variants = [variant for variant in GRID["variant"] if variant["name"] in ("popularity", "full")]
    outcome, updates = folder_of(out, "full", 3) / "outcome.json", []
    before = outcome.stat().st_mtime_ns
    again = ablate(small_market, out, grid(*variants), [3], report=updates.append)
    assert outcome.stat().st_mtime_ns == before
    assert not [update for update in updates if isinstance(update, Notice)]
    (tmp_path / "grid.toml").write_text(tomli_w.dumps({"base": BASE, "variant": variants}))
    told = vibes("ablate", small_market.path, out, "--grid", tmp_path / "grid.toml", "--seeds", 3)
    assert again.text() in told.stdout
    first, second = (
        table[table["variant"] == "full"].drop(columns="p_value").reset_index(drop=True)
        for table in (found.table, again.table)
    )
    pd.testing.assert_frame_equal(first, second)
    with pytest.raises(VibesError, match="other settings"):
        ablate(small_market, out, grid({"name": "full", "set": {"training": {"loss": "log_in"}}}), [3])
    with pytest.raises(VibesError, match="another state"):
        ablate(Market.open(tiny_market(users=40)), out, grid({"name": "full"}), [3])


def test_a_killed_ablation_goes_on_from_its_checkpoint_with_the_same_ranks(done, small_market, tmp_path):
    """The parent is killed: its training ends by itself."""
    whole, _, _ = done
    out, file = tmp_path / "out", tmp_path / "grid.json"
    document = {"base": BASE, "variant": [{"name": "full"}]}
    file.write_text(json.dumps(document))
    code = (
        "import json, sys; from pathlib import Path; from listing_vibes.ablation.grid import Grid; "
        "from listing_vibes.market.market import Market; from listing_vibes.ablation.ablate import ablate; "
        "ablate(Market.open(sys.argv[1]), Path(sys.argv[2]), Grid.model_validate(json.loads(Path(sys.argv[3]).read_text())), [3])"
    )
    started = subprocess.Popen([sys.executable, "-c", code, small_market.path, out, file], cwd=ROOT)
    folder = folder_of(out, "full", 3)
    state = folder / "run" / ".training" / "state.safetensors"
    wait_until(lambda: state.is_file() or started.poll() is not None)
    assert started.poll() is None
    (child,) = psutil.Process(started.pid).children()
    started.kill()
    started.wait()
    wait_until(lambda: has_ended(child))
    assert not (folder / "outcome.json").exists()
    found = ablate(small_market, out, Grid.model_validate(document), [3])
    assert not found.failed
    one, two = (pd.read_parquet(folder_of(place, "full", 3) / "ranks.parquet") for place in (whole, out))
    pd.testing.assert_frame_equal(one, two)


def test_a_second_ablation_in_a_folder_is_refused(small_market, tmp_path):
    with only_writer(tmp_path, "vibes ablate"), pytest.raises(VibesError, match="is being written"):
        ablate(small_market, tmp_path, grid({"name": "full"}), [0])


def test_a_worker_that_fails_says_how_and_leaving_ends_the_processes(small_market, tmp_path, monkeypatch):
    job = AblationJob("lost", 0, tmp_path)  # without a job.json
    run_jobs([job], 1, silent)
    assert "job.json" in job.error
    (tmp_path / "job.json").write_text(settings_of(market="nowhere"))
    run_jobs([job], 1, silent)
    assert "nowhere" in job.error
    (tmp_path / "job.json").write_text(settings_of(market=str(small_market.path)))
    processes, start = [], jobs._start
    monkeypatch.setattr(jobs, "_start", lambda job: processes.append(start(job)) or processes[-1])

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs.time, "sleep", stop)
    with pytest.raises(KeyboardInterrupt):
        run_jobs([job], 1, silent)
    assert processes[0].returncode and not job.is_finished
