"""All lists of a market as Parquet: the rows of one list at a time, however they are divided, after any interruption, and by Ray."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow.dataset as ds
import pytest

from helpers.blends import fixed_blend
from helpers.copies import change_settings, resealed
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.blends import save_blends
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.query import Query
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.serving.batch import (
    MANIFEST,
    VECTORS,
    Job,
    RayScorer,
    part_path,
    prepare,
    score_here,
    score_on_ray,
)

FOR_USERS = {"live_only": True, "drop_seen": True}


def rows_of(out: Path) -> pd.DataFrame:
    return ds.dataset(out).to_table().to_pandas().astype({"run": str})


def scored(run, out: Path, kind: str, rules: Rules, workers: int = 2, **options) -> pd.DataFrame:
    score_here(prepared(run.path, out, kind, rules, **options), workers)
    return rows_of(out)


def prepared(run: Path, out: Path, kind: str, rules: Rules, chunk: int | None = None, **options):
    who = {"users": ()} if kind == "recommend" else {"listings": ()}
    return prepare(run, out, Query(**who, rules=rules, **options), chunk)


def test_every_listing_has_the_list_that_it_has_alone_whatever_the_chunks_and_threads(trained, tmp_path):
    rows = scored(trained, tmp_path / "out", "similar", Rules(k=7), chunk=50)
    assert list(rows) == [C.LISTING, "rank", "candidate_id", "score", "run", "at"]
    assert sorted(rows[C.LISTING].unique()) == sorted(trained.listing_ids)
    assert len(list((tmp_path / "out").glob("part-*"))) == 3
    last = pd.Timestamp(int(trained.log.time.max()) + 1, tz="UTC")
    assert rows["at"].unique().tolist() == [last.floor("us")]
    for listing in trained.listing_ids[::11]:
        alone, mine = trained.similar(listing, 7), rows[rows[C.LISTING] == listing]
        np.testing.assert_array_equal(mine["score"], alone["score"])
        assert mine["candidate_id"].tolist() == alone[C.LISTING].tolist()
    rules = Rules(k=5, at_most=1, seller="district", diversity=0.2)
    first = scored(trained, tmp_path / "a", "similar", rules, workers=1, chunk=120)
    second = scored(trained, tmp_path / "b", "similar", rules, workers=3, chunk=17)
    assert first.drop(columns="score").equals(second.drop(columns="score"))
    np.testing.assert_allclose(first["score"], second["score"], atol=2e-5)


@pytest.fixture
def exact(trained, tmp_path) -> Run:
    """The run in float32: in bfloat16 a user's vector depends a little on who is encoded with them."""
    return Run.open(change_settings(shutil.copytree(trained.path, tmp_path / "run"), inference="float32"))


@pytest.fixture
def untimed(exact, tmp_path) -> Run:
    """The run over a market whose events have positions."""
    market = tmp_path / "market"
    shutil.copytree(exact.market.path, market)
    events = pd.read_parquet(market / "events.parquet").sort_values([C.USER, C.TIMESTAMP], kind="stable")
    events[C.POSITION] = events.groupby(C.USER).cumcount()
    events.drop(columns=C.TIMESTAMP).to_parquet(market / "events.parquet", index=False)
    embed_market(Market.open(market), tmp_path / "untimed", None, exact.path)
    return Run.open(tmp_path / "untimed")


@pytest.mark.slow
def test_every_user_has_the_list_that_they_have_alone(untimed, tmp_path):
    """Where events have positions; those with timestamps are in `test_one_recommender`."""
    run = untimed
    save_blends(run.path, [fixed_blend("recency", recent=0.4)])
    rules, at = Rules(k=6, **FOR_USERS), int(run.log.time.max()) + 1
    for blend in (None, "recency"):
        out = tmp_path / str(blend)
        rows = scored(run, out, "recommend", rules, chunk=30, blend=blend)
        assert rows["at"].unique().tolist() == [at]
        for user in run.log.users[::7]:
            mine, alone = rows[rows[C.USER] == user], run.recommend(user, 6, blend=blend)
            assert mine["rank"].tolist() == [1, 2, 3, 4, 5, 6]
            np.testing.assert_allclose(mine["score"], alone["score"], atol=2e-5)
            assert mine["candidate_id"].tolist() == alone[C.LISTING].tolist()
    save_blends(run.path, [fixed_blend("recency", recent=0.5)])
    with pytest.raises(VibesError, match="lists of other options"):
        prepared(run.path, out, "recommend", rules, chunk=30, blend="recency")
    with pytest.raises(VibesError):  # not fitted
        prepared(run.path, tmp_path / "new", "recommend", rules, blend="ids")
    assert not (tmp_path / "new").exists()


def test_a_moment_hides_later_events_and_expired_listings(exact, tmp_path):
    moment = "2025-02-10"
    rows = scored(exact, tmp_path / "out", "recommend", Rules(k=5, **FOR_USERS), at=moment)
    now = pd.Timestamp(moment, tz="UTC")
    early = exact.market.events[exact.market.events[C.TIMESTAMP] < now]
    assert set(rows[C.USER]) == set(early[C.USER])
    found = exact.market.listings.set_index(C.LISTING).loc[rows["candidate_id"]]
    assert ((found[C.PUBLISHED] <= now) & (now < found[C.EXPIRES])).all()


@pytest.mark.slow
def test_a_folder_continues_its_command_and_refuses_another(trained, tmp_path):
    out, rules = tmp_path / "out", Rules(k=3, **FOR_USERS)
    rows = scored(trained, out, "recommend", rules, chunk=50, at="now")
    part_path(out, 1).unlink()  # made again, at the moment of the first start, and no other
    others = {path: path.stat().st_mtime_ns for path in out.glob("part-*")}
    pd.testing.assert_frame_equal(rows, scored(trained, out, "recommend", rules, chunk=50, at="now"))
    assert {path: path.stat().st_mtime_ns for path in others} == others
    given = {"rules": rules, "at": "now"}
    for other in (
        {"rules": rules.model_copy(update={"drop_seen": False})},
        {"at": "2025-02-10"},
        {"at": None},
    ):
        with pytest.raises(VibesError, match="lists of other options"):
            prepared(trained.path, out, "recommend", **(given | other))
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(VibesError, match="which no job of this kind wrote"):
        prepared(trained.path, tmp_path, "recommend", rules)
    changed = tmp_path / "run"
    shutil.copytree(trained.path, changed)
    prepared(changed, tmp_path / "new", "recommend", rules)
    vectors = bytearray((changed / "listings.safetensors").read_bytes())
    vectors[-2] ^= 1
    (changed / "listings.safetensors").write_bytes(vectors)
    resealed(changed)
    with pytest.raises(VibesError, match="another state of the run"):
        prepared(changed, tmp_path / "new", "recommend", rules)


def test_a_column_that_the_model_never_sees_can_be_a_rule(tiny_market, tmp_path):
    path = tiny_market(listings=40, users=0, photos=0)
    table = pd.read_parquet(path / "listings.parquet")
    table["host_id"] = [f"h{row % 3}" for row in range(40)]
    table.to_parquet(path / "listings.parquet")
    text = (path / "market.toml").read_text()
    (path / "market.toml").write_text(text.replace("excluded = [", 'excluded = [\n    "host_id",'))
    market = Market.open(path)
    assert "host_id" not in market.listings
    embed_market(market, tmp_path / "run", None)
    run = Run.open(tmp_path / "run")
    rows = scored(run, tmp_path / "out", "similar", Rules(k=6, at_most=2, seller="host_id"))
    host = dict(zip(table[C.LISTING], table["host_id"], strict=True))
    counts = rows.assign(host=rows["candidate_id"].map(host)).groupby([C.LISTING, "host"]).size()
    assert counts.max() == 2 and (rows.groupby(C.LISTING).size() == 6).all()


@pytest.mark.slow
def test_a_killed_worker_of_ray_changes_no_row(trained, tmp_path):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    rules = Rules(k=10, live_only=True, drop_seen=True)
    score_here(prepared(trained.path, tmp_path / "here", "recommend", rules, chunk=2))
    out = tmp_path / "ray"
    command = [
        sys.executable, "-m", "listing_vibes", "batch", str(trained.path), str(out), "-k", "10",
        "--engine", "ray", "--workers", "2",
    ]  # fmt: skip
    prepared(trained.path, out, "recommend", Rules(k=10), chunk=2)  # the command continues it
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
    assert len(list(out.glob("part-*"))) > 30 and not (out / VECTORS).exists()
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
    prepared(trained.path, tmp_path, "recommend", Rules(k=10), chunk=2)
    scorer = RayScorer(str(tmp_path))
    for numbers in ([3], [0, 1]):
        result = scorer({"chunk": np.array(numbers)})
        assert all(np.asarray(value).dtype.kind in "if" for value in result.values())
    assert sorted(path.name for path in tmp_path.glob("part-*")) == [
        f"part-0000{n}.parquet" for n in (0, 1, 3)
    ]
    assert sum(ds.dataset(path).count_rows() for path in tmp_path.glob("part-*")) == 3 * 2 * 10
    assert len(list((tmp_path / VECTORS).glob("*.npy"))) == 1  # of the model, which its workers share
    job = Job.load(tmp_path)
    (tmp_path / MANIFEST).write_text(
        job.model_copy(update={"fingerprint": "of another version"}).model_dump_json()
    )
    with pytest.raises(VibesError, match="refreshed during the job"):
        RayScorer(str(tmp_path))


def test_without_ray_the_mend_is_told(trained, tmp_path, monkeypatch):
    scorer = prepared(trained.path, tmp_path / "out", "similar", Rules(k=3))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(VibesError, match=r"pip install 'listing-vibes\[ray\]'"):
        score_on_ray(scorer, 1)
