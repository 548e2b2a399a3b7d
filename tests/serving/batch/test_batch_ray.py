"""The same rows from Ray: two workers, one of which is killed while it is at work."""

import subprocess
import sys
import time

import numpy as np
import pyarrow.dataset as ds
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.run.rules import Rules
from listing_vibes.serving.batch.job import MANIFEST, Job, prepare, score_here
from listing_vibes.serving.batch.ray_engine import RayScorer, score_on_ray

psutil = pytest.importorskip("psutil")
pytest.importorskip("ray", reason="the extra `ray` is not installed")


@pytest.mark.slow
def test_a_killed_worker_changes_no_row(trained, tmp_path):
    rules = Rules(k=10, live_only=True, drop_seen=True)
    score_here(prepare(trained.path, tmp_path / "here", "recommend", rules, chunk=2))
    out = tmp_path / "ray"
    command = [
        sys.executable, "-m", "listing_vibes", "batch", str(trained.path), str(out), "-k", "10",
        "--engine", "ray", "--workers", "2",
    ]  # fmt: skip
    prepare(trained.path, out, "recommend", Rules(k=10), chunk=2)  # the command continues it
    working = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killed = None
    while working.poll() is None and killed is None:
        if len(list(out.glob("part-*"))) >= 4:
            killed = next(iter(workers_of(working.pid)), None)
            if killed is not None:
                killed.kill()
        time.sleep(0.005)
    _, problem = working.communicate(timeout=300)
    if "Ray did not start" in problem:
        pytest.skip("Ray did not start within its own time on this busy machine")
    assert working.returncode == 0, problem
    assert killed is not None, "no worker was seen at work"
    assert len(list(out.glob("part-*"))) > 30
    assert ds.dataset(out).to_table().equals(ds.dataset(tmp_path / "here").to_table())


def workers_of(pid: int) -> list:
    """The processes below `pid` that hold a model for Ray Data."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if "MapWorker" in "".join(process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_worker_writes_the_chunks_it_is_given_and_gives_ray_numbers_alone(trained, tmp_path):
    """So nothing waits in Ray's memory or is spilled to disk, however large the market."""
    prepare(trained.path, tmp_path, "recommend", Rules(k=10), chunk=2)
    scorer = RayScorer(str(tmp_path))
    for numbers in ([3], [0, 1]):
        result = scorer({"chunk": np.array(numbers)})
        assert all(np.asarray(value).dtype.kind in "if" for value in result.values())
    assert sorted(path.name for path in tmp_path.glob("part-*")) == [
        f"part-0000{n}.parquet" for n in (0, 1, 3)
    ]
    assert sum(ds.dataset(path).count_rows() for path in tmp_path.glob("part-*")) == 3 * 2 * 10
    job = Job.load(tmp_path)
    (tmp_path / MANIFEST).write_text(
        job.model_copy(update={"fingerprint": "of another version"}).model_dump_json()
    )
    with pytest.raises(VibesError, match="refreshed during the job"):
        RayScorer(str(tmp_path))


def test_without_ray_the_mend_is_told(trained, tmp_path, monkeypatch):
    scorer = prepare(trained.path, tmp_path / "out", "similar", Rules(k=3))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(VibesError, match=r"pip install 'listing-vibes\[ray\]'"):
        score_on_ray(scorer, 1)
