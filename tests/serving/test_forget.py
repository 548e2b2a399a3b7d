"""Forgetting users: no file has them any more, nothing else changes, and after any interruption the same command completes it."""

import bz2
import gzip
import os
import shutil
import sqlite3
import tempfile
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.commands import vibes
from helpers.copies import copied, traces
from helpers.newcomers import new_events
from helpers.waiting import wait_until
from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import VARIABLE, UserNames, hashed_name
from listing_vibes.market.durable import only_writer, scratch_folder
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.run.versions import lease_current, stamp_of
from listing_vibes.serving import forget as module
from listing_vibes.serving.events import append_events
from listing_vibes.serving.forget import forget
from listing_vibes.serving.impressions import ImpressionLog, Maker, impression_row
from listing_vibes.serving.refresh import refresher as loop
from listing_vibes.serving.refresh.polls import FileSource
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.user_rows import UsersToForget, keys_of, remove_rows

GONE, STAYS = ["u003", "u005"], "u004"


def refreshed(run: Run, folder: Path, times: int = 3) -> None:
    """Publish versions with events that wait, of users to be forgotten and of others."""
    (folder / "new").mkdir(exist_ok=True)
    ids = run.market.listings[C.LISTING]
    refresher = Refresher(run.path, {"events": FileSource(folder / "new")})
    for number in range(times):
        users = [*GONE, STAYS]
        rows = pd.DataFrame({C.USER: users * 3, C.LISTING: [ids[number]] * 3 + ["later"] * 3 + [ids[5]] * 3})
        rows[C.TIMESTAMP] = [f"2024-06-0{number + 1}"] * 6 + ["soon"] * 3
        rows.to_csv(folder / "new" / f"{number}.csv", index=False)
        assert refresher.refresh().published
    shutil.rmtree(folder / "new")


@pytest.fixture(scope="module")
def embedded_run(tiny_pattern, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("embedded")
    shutil.copytree(tiny_pattern(12, 8, 5, 0, True, False, 0), folder / "market")
    embed_market(Market.open(folder / "market"), folder / "run", None)
    return Run.open(folder / "run")


@pytest.fixture
def run(embedded_run, tmp_path) -> Run:
    """A run over a small market, and an empty folder `new` that events are delivered to."""
    (tmp_path / "new").mkdir()
    return copied(embedded_run, tmp_path / "all")


@pytest.mark.slow
def test_no_file_names_them_any_more_and_everything_else_is_as_it_was(run, tmp_path, monkeypatch):
    refreshed(run, tmp_path)
    folder = run.path.parent
    before = {user: traces(folder, user) for user in [*GONE, STAYS]}
    assert len(before[STAYS]) >= 3 and before[GONE[0]] == before[STAYS]
    events, lease = Run.open(run.path).market.events, lease_current(run.path)
    with monkeypatch.context() as patch, pytest.raises(VibesError, match="000003 still has these users"):
        patch.setattr(module, "PATIENCE_S", 0.3)
        forget(run.path, GONE)
    os.close(lease.lock)
    done = forget(run.path, GONE)  # what was being read is left
    assert [Path(place).name for place in done.versions] == ["000003"] and not done.runs
    assert traces(folder, GONE[0]) == traces(folder, GONE[1]) == []
    assert len(traces(folder, STAYS)) == 2  # events twice
    after = Run.open(run.path)
    assert after.version == 4 and not after.market_changed
    left = events[~events[C.USER].isin(GONE)].reset_index(drop=True)
    pd.testing.assert_frame_equal(after.market.events, left)
    pd.testing.assert_frame_equal(Market.open(run.market.path).events, left)
    np.testing.assert_array_equal(after.vectors("attributes"), run.vectors("attributes"))
    (folder / "more").mkdir()  # and it is refreshed as any other
    new_events(after.market, [], 4, 2).to_parquet(folder / "more" / "a.parquet")
    assert Refresher(run.path, {"events": FileSource(folder / "more")}).refresh().published
    shutil.rmtree(folder / "more")
    del after  # an open run is a reader of its version
    with pytest.raises(NotThere, match=r"no trace of user 'nobody'.*; the others are removed"):
        forget(run.path, [STAYS, "nobody"])
    assert traces(folder, STAYS) == []
    vibes("forget", run.path, STAYS, check=1)
    vibes("forget", run.path, "u001", "--also", "nowhere", check=2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv.gz", "link"])
def test_a_run_that_was_never_refreshed_and_its_tables_of_any_kind(run, tmp_path, kind):
    market, folder = run.market.path, run.path.parent
    events = market / "events.parquet"
    if kind == "link":
        (market / "tables").mkdir()
        events.rename(market / "tables" / "linked.parquet")
        events.symlink_to(market / "tables" / "linked.parquet")
    else:
        pd.read_parquet(events).to_csv(market / "events.csv.gz", index=False)
        events.unlink()
    embed_market(Market.open(market), run.path, None)
    forget(run.path, GONE)
    assert traces(tmp_path, GONE[0]) == []
    assert events.is_symlink() if kind == "link" else (market / "events.csv.gz").is_file()
    opened = Run.open(run.path)
    assert opened.version == 2 and not opened.market_changed
    assert opened.market.events[C.USER].nunique() == 6 and folder == opened.path.parent


@pytest.mark.slow
def test_rows_that_another_run_brought_into_the_market_stay(run, tmp_path):
    market, other = run.market.path, run.path.parent / "other"
    refreshed(run, tmp_path, 1)
    embed_market(Market.open(market), other, None)
    forget(other, GONE)
    (tmp_path / "new").mkdir(exist_ok=True)
    new_events(Market.open(market), [], 6, 2).to_parquet(tmp_path / "new" / "a.parquet")
    sources = {"events": FileSource(tmp_path / "new")}
    assert Refresher(other, sources).refresh().events == 6
    before = Market.open(market).fingerprint
    forget(run.path, GONE)  # whose own version has them still, and not the new rows
    with pytest.raises(VibesError, match="changed by something else"):
        Refresher(run.path, sources).refresh()
    assert Market.open(market).fingerprint == before
    assert not Refresher(other, sources).refresh().published


@pytest.mark.slow
def test_places_that_are_named_lose_them_too(run, tiny_market, tmp_path):
    lists, other, deep = tmp_path / "lists", tmp_path / "other", tmp_path / "others" / "deep" / "run"
    embed_market(run.market, other, None)
    embed_market(Market.open(tiny_market("far/market", photos=0)), deep, None)  # with a market of its own
    lists.mkdir()
    table = pd.DataFrame({C.USER: [*GONE, STAYS], "rank": 1})
    table.to_parquet(lists / "part-00000.parquet")
    table.to_csv(tmp_path / "queries.csv", index=False)
    (lists / ".writing-x-part.parquet").write_bytes(b"PAR1" + GONE[0].encode())
    places = (lists, tmp_path / "queries.csv", other, tmp_path / "others")
    vibes("forget", run.path, *GONE, *(part for place in places for part in ("--also", place)))
    assert traces(tmp_path, GONE[0]) == [] and traces(tmp_path, STAYS)
    assert not Run.open(other).market_changed and not Run.open(deep).market_changed
    assert pd.read_csv(tmp_path / "queries.csv")[C.USER].tolist() == [STAYS]


@pytest.mark.slow
def test_lists_and_queries_of_a_trained_run(trained, tmp_path):
    run, market = copied(trained, tmp_path), trained.market
    (tmp_path / "new").mkdir()
    gone, stays = market.events[C.USER].unique()[[3, 4]]
    rows = market.events[market.events[C.USER].isin([gone, stays])]
    rows = rows.assign(**{C.TIMESTAMP: rows[C.TIMESTAMP] + pd.Timedelta(days=9)})
    rows.to_parquet(tmp_path / "new" / "a.parquet")
    vibes("refresh", run.path, "--events", tmp_path / "new")
    shutil.rmtree(tmp_path / "new")
    vibes("batch", run.path, tmp_path / "lists")
    vibes("evaluate", run.path, "--queries", run.path / "queries.parquet")
    assert len(traces(tmp_path, gone)) >= 3
    model = (run.path / "model.safetensors").read_bytes()
    assert "--refit" in vibes("forget", run.path, gone, "--also", tmp_path / "lists").stdout
    assert traces(tmp_path, gone) == []
    opened = Run.open(run.path)
    assert (opened.folder / "model.safetensors").read_bytes() == model
    assert len(opened.recommend(stays)) == 30 and stamp_of(run.path).version == 2
    assert opened.recommend(gone)["fallback"].all()


def record(place: Path, user: str, hash_users: bool, key: str = "") -> None:
    """Record a response and a posted event of a user, as `vibes serve` does."""
    with pytest.MonkeyPatch.context() as patch:
        if key:
            patch.setenv(VARIABLE, key)
        log = ImpressionLog(place, hash_users)
        log.append([impression_row("r", user, None, Rules(), [Maker("run", 0, "model")], ["L1"], [1.0])])
        if not hash_users:
            append_events(log.database, [[{C.USER: user, C.LISTING: "L1"}]])
        log.database.close()


ROWS = {"csv": b"USER_ID,x\n%b,1\nz,2\n", "tsv": b" user_id\tx\n%b\t1\nz\t2\n"}
LINES = b'{"user_id": "%b"}\n{"user_id": "z"}\n{"step": 1}\n'


def write_everywhere(folder: Path, run: Run, user: str) -> Path:
    """Write a user into every kind of place that the product writes or reads; return the folder of a run with hashed users."""
    hashed = folder / "elsewhere"
    shutil.copytree(run.market.path, hashed / "market")
    with (hashed / "market" / "market.toml").open("a") as stream:
        stream.write('\n[privacy]\nusers = "hashed"\n')
    embed_market(Market.open(hashed / "market"), hashed / "run", None)
    name = UserNames(hashed / "market", True).of(user)
    (hashed / "run" / "measured" / "000001").mkdir(parents=True)
    pd.DataFrame({C.USER: [name, "z"]}).to_parquet(hashed / "run" / "measured" / "000001" / "queries.parquet")
    pd.DataFrame({C.USER: [name, "z"], "rank": 1}).to_csv(folder / "lists.csv", index=False)
    record(folder / "plain", user, False)
    record(folder / "deep" / "shown", user, True)  # with a key in its folder
    record(folder / "names" / "shop.data", user, True)
    record(folder / "names" / "x.db", user, False)
    record(folder / "env", user, True, "k" * 32)
    record(folder / "twice", name, True)  # a service that is called with hashes
    record(
        folder / "both", user, True
    )  # recorded with the key of the file, forgotten with one of the environment
    tables = folder / "tables"
    tables.mkdir()
    for ending, text in ROWS.items():
        (tables / f"a.{ending}").write_bytes(text % user.encode())
        (tables / f"A.{ending.upper()}").write_bytes(text % user.encode())
        (tables / f"a.{ending}.bz2").write_bytes(bz2.compress(text % user.encode()))
    (tables / "events-20250101-0a.jsonl").write_bytes(LINES % user.encode())
    (tables / "b.jsonl.gz").write_bytes(gzip.compress(LINES % user.encode()))
    kinds = [pa.string(), pa.binary(), pa.string_view()]
    kinds += [pa.dictionary(pa.int32(), kind) for kind in (pa.string(), pa.binary())]
    for number, kind in enumerate(kinds):
        values = pa.array([user, "z"])
        if pa.types.is_dictionary(kind):
            values = values.cast(kind.value_type).dictionary_encode()
        pq.write_table(pa.table({C.USER: values.cast(kind)}), tables / f"t{number}.PARQUET")
    pq.write_table(pa.table({C.USER: [user, "z"]}), tables / "part-0")
    (folder / "target").mkdir()
    (tables / "a.csv").rename(folder / "target" / "linked.csv")
    (folder / "links").mkdir()
    (folder / "links" / "to").symlink_to(folder / "target")
    return hashed


@pytest.mark.slow
@pytest.mark.parametrize("given", ["id", "hash"])
def test_no_byte_of_any_kind_of_place_names_a_user_any_more(run, tmp_path, monkeypatch, given):
    user, folder = GONE[0], tmp_path / "places"
    hashed = write_everywhere(folder, run, user)
    keys = [file.read_text() for file in tmp_path.rglob(".user-key")] + ["k" * 32]
    names = {user} | {hashed_name(user, key.encode()) for key in keys}
    names |= {hashed_name(name, key.encode()) for name in names for key in keys}
    first, others = (run.path, [folder]) if given == "id" else (hashed / "run", [folder, run.path])
    name = user if given == "id" else UserNames(hashed / "market", True).of(user)
    del run
    assert len(keys) >= 5 and all(traces(tmp_path, word) for word in (user, name))
    monkeypatch.setenv(VARIABLE, "k" * 32)
    done = forget(first, [name], others)
    assert [(word, path) for word in names for path in traces(tmp_path, word)] == []
    assert done.inspected["database"] >= 7 and done.inspected["run"] == 2
    assert done.inspected["key"] == len(keys)
    assert traces(folder, STAYS) and b'"z"' in (folder / "tables" / "events-20250101-0a.jsonl").read_bytes()


@pytest.mark.slow
def test_what_cannot_be_inspected_or_rewritten_is_named_and_all_else_is_removed(run, tmp_path, monkeypatch):
    places = {name: tmp_path / name for name in ("key", "page.html", "b.csv", "other.db", "a.npz")}
    record(places["key"], GONE[0], True, "k" * 32)  # of a key that is not at hand
    places["page.html"].write_text(f"<b>{GONE[0]}</b>")
    places["b.csv"].write_bytes("user_id\nu003\n".encode("utf-16"))
    np.savez_compressed(places["a.npz"], users=np.array([GONE[0]]))
    with closing(sqlite3.connect(places["other.db"])) as database:
        database.execute("CREATE TABLE people (user_id TEXT)")
    run.market.path.joinpath("linked").symlink_to(tmp_path)
    path = run.path
    del run
    for place in places.values():
        with pytest.raises(VibesError, match=str(place)):
            forget(path, GONE, [place])
    with pytest.raises(VibesError, match="linked leads out"):
        forget(path, GONE)
    (tmp_path / "all" / "market" / "linked").unlink()
    assert traces(tmp_path / "all", GONE[0]) == []
    monkeypatch.setenv(VARIABLE, "k" * 32)
    assert forget(path, [GONE[0]], [places["key"]]).rows


def test_a_parquet_file_loses_rows_and_values_of_dictionaries_and_keeps_types_and_mode(tmp_path):
    path, who = tmp_path / "t.parquet", UsersToForget(["gone-1", "never"])
    users = pa.array(["a-1", "gone-1", "a-1", "gone-1", "b-1", None]).dictionary_encode()
    table = pa.table(
        {C.USER: users, "n": pa.array([1, 2, 3, 4, 5, 6], pa.int8()), "s": [[1], [2], [3], [], None, [6]]}
    )
    pq.write_table(table, path, row_group_size=2)
    path.chmod(0o600)
    assert remove_rows(path, who) == 2 and who.found == {"gone-1"}
    left = pq.read_table(path)
    assert left.schema == table.schema and left.column("n").to_pylist() == [1, 3, 5, 6]
    assert left.column("s").to_pylist() == [[1], [3], None, [6]]
    assert traces(tmp_path, "gone-1") == [] and traces(tmp_path, "a-1") == ["t.parquet"]
    assert path.stat().st_mode & 0o777 == 0o600
    written = path.stat().st_mtime_ns
    assert remove_rows(path, who) == 0 and path.stat().st_mtime_ns == written  # not written again
    large = 10**16 + 1
    pq.write_table(pa.table({C.USER: [large, None, large + 2]}), path)
    assert remove_rows(path, UsersToForget([str(large)])) == 1
    assert pq.read_table(path)[C.USER].to_pylist() == [None, large + 2]


def test_every_other_row_of_a_csv_stays_and_users_are_found_by_id_and_by_hash(tmp_path):
    for name, pack, unpack in (("t.csv", bytes, bytes), ("t.csv.gz", gzip.compress, gzip.decompress)):
        (tmp_path / name).write_bytes(pack(b"user_id,note\n12.0,a\n3.0,\n12.0,NA\n"))
        assert remove_rows(tmp_path / name, UsersToForget(["12"])) == 2
        assert unpack((tmp_path / name).read_bytes()) == b"user_id,note\n3.0,\n"
    hashes = [UserNames(tmp_path, True).of(user) for user in ("a", "gone", "b")]
    for given_user in ("gone", hashes[1]):
        who = UsersToForget([given_user], keys_of([tmp_path / ".user-key"]))
        who.add_ids(["a", "gone", "b"])
        for users in (["a", "gone", "b"], hashes):
            assert who.rows_in(pd.Series(users)).tolist() == [False, True, False]
        assert who.found == {given_user}


@contextmanager
def refreshing(run: Path, new: Path, every: float):
    """Run `vibes refresh --every` on a thread; yield a function that waits for the next poll."""
    results, problems, stop = [], [], threading.Event()

    def report(result: object) -> None:
        (problems if isinstance(result, Exception) else results).append(result)

    def wait() -> None:
        after = len(results) + 1  # the poll in progress may have read before
        wait_until(lambda: len(results) > after or problems)
        assert not problems, problems

    sources = {"events": FileSource(new)}
    refreshes = loop.keep_fresh(run, sources, every, stop)
    thread = threading.Thread(target=lambda: [report(result) for result in refreshes])
    thread.start()
    try:
        yield wait
    finally:
        stop.set()
        thread.join()


def write_events(path: Path, users: list, listing: str) -> None:
    rows = {C.USER: users, C.LISTING: listing, C.TIMESTAMP: "2024-06-01T00:00:00Z"}
    frame = pd.DataFrame(rows)
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)


@pytest.mark.slow
def test_no_file_names_a_user_although_a_refresh_goes_on(run, tmp_path, monkeypatch):
    number, place, new, scratch = 20_000_003, tmp_path / "all", tmp_path / "new", tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setattr(loop, "ALIVE_S", 0.05)
    path, listing = run.path, run.listing_ids[3]
    del run
    with refreshing(path, new, 0.1) as wait:
        for name, user in (("a.parquet", number), ("b.csv", float(number)), ("c.csv.gz", str(number))):
            write_events(new / name, [user], listing)
        write_events(new / "d.parquet", ["stays"], listing)
        write_events(new / "e.csv", [number], "a listing to come")
        wait()
        # What killed writers leave: a partial table, and a copy of a file that was being read.
        write_events(path / ".writing-x-waiting.parquet", [str(number)], listing)
        (scratch / ".writing-z").mkdir()
        (scratch / ".writing-z" / "a.csv").write_text(f"user_id\n{number}\n")
        with scratch_folder() as used:  # a temporary folder in use stays
            forget(path, [str(number)], [new])
            assert used.is_dir()
        assert traces(tmp_path, str(number)) == []
        wait()
        with pytest.raises(Exception, match="being written by `vibes refresh`"):  # a second loop
            next(loop.keep_fresh(path, {}, None, threading.Event()))
        with only_writer(path, "vibes embed", wait=30.0):
            pass
    assert traces(place, str(number)) == [] and traces(new, "stays")
    with pytest.raises(NotThere):
        forget(path, [str(number)], [new])


def test_no_refresh_reads_a_user_again_between_two_tables(run, tmp_path, monkeypatch):
    new, user, real = tmp_path / "new", "somebody-5001", os.replace
    write_events(new / "a.csv", [user], run.listing_ids[0])
    Refresher(run.path, {"events": FileSource(new)}).refresh()
    write_events(new / "b.csv.gz", [user], run.listing_ids[1])
    write_events(new / "a.csv", [user, user], run.listing_ids[2])
    path, refused = run.path, []
    del run

    def replace(source, target):
        real(source, target)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", real)
            try:
                Refresher(path, {"events": FileSource(new)}).refresh()
            except VibesError as error:
                refused.append(str(error))

    monkeypatch.setattr(os, "replace", replace)
    forget(path, [user], [new])
    monkeypatch.setattr(os, "replace", real)
    assert traces(tmp_path, user) == [] and refused
    assert Refresher(path, {"events": FileSource(new)}).refresh().unread == 0
