"""Forgetting users: no file has them any more, nothing else changes, and whatever interrupts it, the same again finishes it."""

import gzip
import os
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.commands import vibes
from helpers.copies import copied
from helpers.newcomers import new_events
from helpers.traces import traces
from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import only_writer, scratch_folder
from listing_vibes.market.market import Market
from listing_vibes.market.user_names import UserNames
from listing_vibes.market.values import as_ids, id_text
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.run.versions import lease_current, stamp_of
from listing_vibes.serving.forget import forget as module
from listing_vibes.serving.forget.forget import UsersToForget, forget, remove_rows
from listing_vibes.serving.refresh import loop
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import FileSource

GONE, KEPT = ["u003", "u005"], "u004"
WHEN = "2024-06-01T00:00:00Z"


def refreshed(run: Run, folder: Path, times: int = 3) -> None:
    """Three versions, with events that wait and rows that were rejected, of those to be forgotten and of others."""
    (folder / "new").mkdir(exist_ok=True)
    ids = run.market.listings[C.LISTING]
    refresher = Refresher(run.path, {"events": FileSource(folder / "new")})
    for number in range(times):
        users = [*GONE, KEPT]
        rows = pd.DataFrame({C.USER: users * 3, C.LISTING: [ids[number]] * 3 + ["later"] * 3 + [ids[5]] * 3})
        rows[C.TIMESTAMP] = [f"2024-06-0{number + 1}"] * 6 + ["soon"] * 3
        rows.to_csv(folder / "new" / f"{number}.csv", index=False)
        assert refresher.refresh().published
    shutil.rmtree(folder / "new")


@pytest.fixture
def run(tiny_market, tmp_path) -> Run:
    """A run over a small market, and an empty folder `new` that events are delivered to."""
    for name in ("all", "new"):
        (tmp_path / name).mkdir()
    market = Market.open(tiny_market("all/market", photos=0))
    embed_market(market, tmp_path / "all" / "run", None)
    return Run.open(tmp_path / "all" / "run")


@pytest.mark.slow
def test_no_file_has_them_any_more_and_everything_else_is_as_it_was(run, tmp_path):
    refreshed(run, tmp_path)
    folder = run.path.parent
    before = {user: traces(folder, user) for user in [*GONE, KEPT]}
    assert len(before[KEPT]) >= 5 and before[GONE[0]] == before[KEPT]
    events = Run.open(run.path).market.events
    told = forget(run.path, GONE)
    assert traces(folder, GONE[0]) == traces(folder, GONE[1]) == []
    assert len(traces(folder, KEPT)) == 4  # events twice, those that wait, the rejected rows
    after = Run.open(run.path)
    assert after.version == 4 and not after.market_changed
    left = events[~events[C.USER].isin(GONE)].reset_index(drop=True)
    pd.testing.assert_frame_equal(after.market.events, left)
    pd.testing.assert_frame_equal(Market.open(run.market.path).events, left)
    np.testing.assert_array_equal(after.vectors("attributes"), run.vectors("attributes"))
    assert len(told.versions) == 3 - 1 and not told.runs  # the oldest was swept already
    (folder / "more").mkdir()  # and it is refreshed as any other
    new_events(after.market, [], 4, 2).to_parquet(folder / "more" / "a.parquet")
    assert Refresher(run.path, {"events": FileSource(folder / "more")}).refresh().published


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv.gz", "link"])
def test_a_run_that_was_never_refreshed_and_its_tables_of_any_kind(run, tmp_path, kind):
    market, folder = run.market.path, run.path.parent
    events = market / "events.parquet"
    if kind == "link":
        events.rename(tmp_path / "linked.parquet")
        events.symlink_to(tmp_path / "linked.parquet")
    else:
        pd.read_parquet(events).to_csv(market / "events.csv.gz", index=False)
        events.unlink()
    embed_market(Market.open(market), run.path, None)
    forget(run.path, GONE)
    assert traces(tmp_path, GONE[0]) == []
    assert events.is_symlink() if kind == "link" else (market / "events.csv.gz").is_file()
    opened = Run.open(run.path)
    assert opened.version == 1 and not opened.market_changed
    assert opened.market.events[C.USER].nunique() == 6 and folder == opened.path.parent


@pytest.mark.slow
def test_what_another_run_has_brought_into_the_market_stays(run, tmp_path):
    market, other = run.market.path, run.path.parent / "other"
    refreshed(run, tmp_path, 1)
    embed_market(Market.open(market), other, None)
    forget(other, GONE)
    new_events(Market.open(market), [], 6, 2).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "new").mkdir(exist_ok=True)
    (tmp_path / "a.parquet").rename(tmp_path / "new" / "a.parquet")
    sources = {"events": FileSource(tmp_path / "new")}
    assert Refresher(other, sources).refresh().events == 6
    before = Market.open(market).fingerprint
    forget(run.path, GONE)  # whose own state has them still, and not what came since
    with pytest.raises(VibesError, match="changed by something else"):
        Refresher(run.path, sources).refresh()
    assert Market.open(market).fingerprint == before
    assert not Refresher(other, sources).refresh().published


@pytest.mark.slow
def test_what_else_is_named_loses_them_too(run, tiny_market, tmp_path):
    lists, other, deep = tmp_path / "lists", tmp_path / "other", tmp_path / "others" / "deep" / "run"
    embed_market(run.market, other, None)
    embed_market(Market.open(tiny_market("far/market", photos=0)), deep, None)  # with a market of its own
    lists.mkdir()
    table = pd.DataFrame({C.USER: [*GONE, KEPT], "rank": 1})
    table.to_parquet(lists / "part-00000.parquet")
    table.to_csv(tmp_path / "queries.csv", index=False)
    (lists / ".writing-x-part.parquet").write_bytes(b"PAR1" + GONE[0].encode())
    places = (lists, tmp_path / "queries.csv", other, tmp_path / "others")
    vibes("forget", run.path, *GONE, *(part for place in places for part in ("--also", place)))
    assert traces(tmp_path, GONE[0]) == [] and traces(tmp_path, KEPT)
    assert not Run.open(other).market_changed and not Run.open(deep).market_changed
    assert pd.read_csv(tmp_path / "queries.csv")[C.USER].tolist() == [KEPT]


@pytest.mark.slow
def test_who_is_nowhere_is_told_after_the_others_are_gone(run):
    with pytest.raises(NotThere, match=r"no trace of user 'nobody'.*; the others are removed"):
        forget(run.path, [GONE[0], "nobody"])
    assert traces(run.path.parent, GONE[0]) == []
    assert "no trace of user 'u003'" in vibes("forget", run.path, GONE[0], check=1).stderr
    assert "There is no nowhere" in vibes("forget", run.path, KEPT, "--also", "nowhere", check=2).stderr
    assert len(traces(run.path.parent, KEPT)) == 2


@pytest.mark.slow
def test_a_generation_that_is_read_is_waited_for_and_then_told(run, tmp_path, monkeypatch):
    refreshed(run, tmp_path, 2)
    place = lease_current(run.path)
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    with pytest.raises(VibesError, match="000002 still has these users and is being read"):
        forget(run.path, GONE)
    os.close(place.lock)
    told = forget(run.path, GONE)  # nothing is left but what was read
    assert [Path(one).name for one in told.versions] == ["000002"] and traces(run.path.parent, GONE[0]) == []


def _files(folder: Path) -> dict[str, bytes]:
    """Every file but those whose content is a matter of numbers and times, by its name without the version's."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "versions" not in path.parts and path.name != "current.json"
    }


@pytest.mark.slow
def test_a_death_before_each_replace_leaves_old_or_new_and_the_same_again_finishes_it(
    run, tmp_path, monkeypatch
):
    refreshed(run, tmp_path)
    folder, real = run.path.parent, os.replace
    market, state = run.market.path, tmp_path / "before"
    shutil.copytree(folder, state)
    before = len(Run.open(run.path).market.events)
    forget(run.path, GONE)
    wanted, after = _files(folder), len(Run.open(run.path).market.events)

    class Killed(BaseException):
        pass

    for last in range(100):
        shutil.rmtree(folder)
        shutil.copytree(state, folder)
        count = 0

        def replace(source, target, last=last):
            nonlocal count
            if count == last:
                raise Killed
            count += 1
            real(source, target)

        monkeypatch.setattr(os, "replace", replace)
        try:
            forget(run.path, GONE)
        except Killed:
            pass
        else:
            break
        finally:
            monkeypatch.setattr(os, "replace", real)
        assert len(Run.open(run.path).market.events) in (before, after)
        assert len(Market.open(market).events) in (before, after)
        forget(run.path, GONE)
        assert _files(folder) == wanted and traces(folder, GONE[0]) == []
        opened = Run.open(run.path)
        assert len(opened.market.events) == after and not opened.market_changed
    assert last > 8


def users_of(folder: Path, *users: str, hashed: bool = False) -> UsersToForget:
    return UsersToForget(users, UserNames(folder, hashed))


def test_values_of_dictionaries_and_types_of_columns(tmp_path):
    path, who = tmp_path / "t.parquet", users_of(tmp_path, "gone-1", "never")
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
    time.sleep(0.01)
    assert remove_rows(path, who) == 0 and path.stat().st_mtime_ns == written  # not written again


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_of_a_csv_every_other_row_stays_as_it_is(tmp_path, name):
    content = "user_id,note\n12.0,a\n3.0,\n12.0,NA\n"
    (tmp_path / name).write_bytes(
        gzip.compress(content.encode()) if name.endswith("gz") else content.encode()
    )
    assert remove_rows(tmp_path / name, users_of(tmp_path, "12")) == 2
    left = (tmp_path / name).read_bytes()
    assert (gzip.decompress(left) if name.endswith("gz") else left) == b"user_id,note\n3.0,\n"


def test_large_ids_are_found_where_some_rows_have_none(tmp_path):
    path, large = tmp_path / "events.parquet", 10**16 + 1
    pq.write_table(pa.table({C.USER: [large, None, large + 2]}), path)
    assert remove_rows(path, users_of(tmp_path, str(large))) == 1
    assert pq.read_table(path)[C.USER].to_pylist() == [None, large + 2]


def test_a_user_is_found_by_id_and_by_name_wherever_a_table_has_either(tmp_path):
    names = UserNames(tmp_path, True)
    shown = [names.of(one) for one in ("a", "gone", "b")]
    for given_user in ("gone", shown[1]):
        who = users_of(tmp_path, given_user, hashed=True)
        for users in (["a", "gone", "b"], shown):
            assert who.rows_in(pd.Series(users)).tolist() == [False, True, False]
        assert who.found == {given_user}


@pytest.mark.slow
def test_lists_queries_and_pushes_of_a_trained_run(trained, tmp_path):
    run = copied(trained, tmp_path)
    (tmp_path / "new").mkdir()
    market = run.market
    gone, kept = market.events[C.USER].unique()[[3, 4]]
    rows = market.events[market.events[C.USER].isin([gone, kept])]
    rows = rows.assign(**{C.TIMESTAMP: rows[C.TIMESTAMP] + pd.Timedelta(days=9)})
    rows.to_parquet(tmp_path / "new" / "a.parquet")
    vibes("refresh", run.path, "--events", tmp_path / "new")
    shutil.rmtree(tmp_path / "new")
    vibes("batch", run.path, tmp_path / "lists")
    vibes("evaluate", run.path, "--queries", run.path / "queries.parquet")
    assert len(traces(tmp_path, gone)) >= 4
    pushes, model = Run.open(run.path).pushes, (run.path / "model.safetensors").read_bytes()
    done = vibes("forget", run.path, gone, "--also", tmp_path / "lists")
    assert traces(tmp_path, gone) == []
    assert "--refit" in done.stdout and "hold no user's id" in done.stdout
    opened = Run.open(run.path)
    pd.testing.assert_frame_equal(opened.pushes, pushes[pushes[C.USER] != gone].reset_index(drop=True))
    assert (opened.folder / "model.safetensors").read_bytes() == model
    assert len(opened.recommend(kept)) == 30 and stamp_of(run.path).number == 2
    assert opened.recommend(gone)["fallback"].all()


@contextmanager
def refreshing(run: Path, new: Path, every: float):
    """`vibes refresh --every` in a thread; yields a function that waits for the look after now."""
    looks, problems, stop = [], [], threading.Event()

    def report(look: object) -> None:
        (problems if isinstance(look, Exception) else looks).append(look)

    def wait() -> None:
        after, until = len(looks) + 1, time.monotonic() + 60  # the look in progress may have read before
        while len(looks) <= after and not problems and time.monotonic() < until:
            time.sleep(0.01)
        assert not problems, problems

    thread = threading.Thread(
        target=loop.keep_fresh, args=(run, {"events": FileSource(new)}, every, stop, report)
    )
    thread.start()
    try:
        yield wait
    finally:
        stop.set()
        thread.join()


def ids_of(column: pd.Series) -> list[str | None]:
    return [None if pd.isna(one) else one for one in as_ids(column)]


IDS = st.integers(10**7, 10**14)
#: The same number as Python, JSON, Parquet and databases give it.
FORMS = st.sampled_from(
    [
        int, float, str, lambda n: f" {n}.0 ", lambda n: Decimal(n), lambda n: Decimal(f"{n}.00"), lambda n: str(n).encode(),
    ]
)  # fmt: skip
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=True), st.text(max_size=9), st.binary(max_size=4),
    st.decimals(allow_nan=False), st.builds(lambda n, form: form(n), IDS, FORMS),
)  # fmt: skip


@given(number=IDS, form=FORMS)
def test_a_number_is_the_same_id_in_every_type(number, form):
    assert id_text(form(number)) == as_ids(pd.Series([form(number)]))[0] == str(number)
    text = str(form(number))  # as in a CSV
    if not text.startswith("b'"):
        assert id_text(text) == as_ids(pd.Series([text, "a"], dtype="str"))[0] == str(number)


@given(cells=st.lists(CELLS, max_size=8), more=st.lists(CELLS, max_size=8))
def test_an_id_does_not_depend_on_the_cells_beside_it(cells, more):
    assert ids_of(pd.Series([*cells, *more], dtype=object)) == [id_text(cell) for cell in [*cells, *more]]


def write_events(path: Path, users: list, listing: str) -> None:
    rows = {C.USER: users, C.LISTING: [listing] * len(users), C.TIMESTAMP: [WHEN] * len(users)}
    if path.suffix == ".parquet":
        pq.write_table(pa.table(rows), path)
    else:
        rows[C.USER] = [user.decode() if isinstance(user, bytes) else user for user in users]
        pd.DataFrame(rows).to_csv(path, index=False)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(number=IDS, form=FORMS, name=st.sampled_from(["a.parquet", "a.csv", "a.csv.gz"]))
def test_no_decoded_byte_tells_of_a_user_beside_a_refresh_that_never_ends(run, number, form, name):
    with (
        tempfile.TemporaryDirectory(dir=run.path.parent.parent) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        place, new, scratch = Path(folder), Path(folder, "new"), Path(folder, "tmp")
        new.mkdir(), scratch.mkdir()
        patch.setattr(tempfile, "tempdir", str(scratch))
        patch.setattr(loop, "ALIVE_S", 0.05)
        mine, listing = copied(run, place), run.listing_ids[3]
        with refreshing(mine.path, new, 0.1) as wait:
            write_events(new / name, [form(number)], listing)
            write_events(new / "b.parquet", ["stays"], listing)
            write_events(new / "c.csv", [form(number)], "a listing to come")
            wait()
            # What writers leave that are killed: half a table, and a copy of what was being read.
            write_events(mine.path / ".writing-x-waiting.parquet", [str(number)], listing)
            (scratch / ".writing-z").mkdir()
            (scratch / ".writing-z" / "a.csv").write_text(f"user_id\n{number}\n")
            del mine
            forget(place / "run", [str(number)], [new])
            assert traces(place, str(number)) == []
            wait()
        assert traces(place, str(number)) == [] and len(traces(new, "stays"))
        with pytest.raises(NotThere):
            forget(place / "run", [str(number)], [new])


def test_a_journal_of_an_earlier_version_is_an_error_and_not_passed_over(run, tmp_path):
    (tmp_path / "new" / "events-1.jsonl").write_text('{"user_id": "u003", "listing_id": "a"}\n')
    with pytest.raises(VibesError, match="jsonl names users"):
        forget(run.path, GONE, [tmp_path / "new"])


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


def test_of_two_refreshes_of_a_run_the_second_is_refused_and_other_writers_are_not(run):
    with refreshing(run.path, run.path.parents[1] / "new", 0.05) as wait:
        wait()
        with pytest.raises(Exception, match="being written by `vibes refresh`"):
            loop.keep_fresh(run.path, {}, None, threading.Event(), print)
        with only_writer(run.path, "vibes embed", wait=30.0):
            pass
        wait()


def test_temporary_folders_of_the_killed_are_swept_and_those_in_use_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / ".writing-left").mkdir()
    with scratch_folder() as first, scratch_folder() as second:
        assert sorted(os.listdir(tmp_path)) == sorted([first.name, second.name])
    assert not os.listdir(tmp_path)
