"""Forgetting a user whatever type the id has, wherever a killed writer left it, and while a refresh goes on for ever."""

import gzip
import json
import os
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.copies import copied
from helpers.traces import traces
from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import only_writer, scratch_folder
from listing_vibes.market.market import Market
from listing_vibes.market.values import as_ids, id_text
from listing_vibes.run.generations import stamp_of
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.serving.forget.forget import forget
from listing_vibes.serving.refresh import loop
from listing_vibes.serving.refresh.files import FileSource
from listing_vibes.serving.refresh.refresher import Refresher

WHEN = "2024-06-01T00:00:00Z"


@pytest.fixture
def run(tiny_market, tmp_path) -> Run:
    """A run over a small market, and an empty folder `new` that events are delivered to."""
    market = Market.open(tiny_market("start/market", photos=0))
    embed_market(market, tmp_path / "start" / "run", None)
    (tmp_path / "new").mkdir()
    return Run.open(tmp_path / "start" / "run")


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


@given(cells=st.lists(st.floats().map(lambda number: number + 0.0) | st.none(), min_size=1))
def test_columns_of_floats_and_of_text_are_read_cell_by_cell(cells):
    floats = pd.Series(cells, dtype="float64")
    words = floats.map(str).where(floats.notna()).astype("str")
    for column in (floats, words):
        assert ids_of(column) == [id_text(cell) for cell in column.tolist()]


def _parquet(path: Path, users: list, listing: str) -> None:
    pq.write_table(
        pa.table({C.USER: users, C.LISTING: [listing] * len(users), C.TIMESTAMP: [WHEN] * len(users)}), path
    )


def _json(user: object, listing: str) -> str:
    plain = user.decode() if isinstance(user, bytes) else float(user) if isinstance(user, Decimal) else user
    return json.dumps({C.USER: plain, C.LISTING: listing, C.TIMESTAMP: WHEN})


def deliver(folder: Path, kind: str, user: object, listing: str) -> None:
    """A file with an event of the user and of another one, as `kind` says; some as a killed writer leaves them."""
    event, other = _json(user, listing), _json("stays", listing)
    text = user.decode() if isinstance(user, bytes) else user
    csv = f"user_id,listing_id,timestamp\nstays,{listing},{WHEN}\n{text},{listing},{WHEN}\n"
    if kind == "parquet":
        _parquet(folder / "a.parquet", [user, None], listing)
        _parquet(folder / "b.parquet", ["stays"], listing)
    elif kind == "jsonl":
        (folder / "a.jsonl").write_text(f"{other}\n{event}\n")
    elif kind == "tail":  # a service died while it wrote the last line
        (folder / "a.jsonl").write_text(f"{other}\n{event[:-9]}")
    elif kind == "damaged":
        (folder / "a.jsonl").write_text(f"{other}\n{event[:-1]},,}}\n")
    elif kind == "csv":
        (folder / "a.csv").write_text(csv[:-9])
    else:
        (folder / "a.csv.gz").write_bytes(gzip.compress(csv.encode()))


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=16)
@given(
    number=IDS,
    form=FORMS,
    kind=st.sampled_from(["parquet", "jsonl", "tail", "damaged", "csv", "csv.gz"]),
)
def test_no_decoded_byte_tells_of_a_user_beside_a_refresh_that_never_ends(run, number, form, kind):
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
            deliver(new, kind, form(number), listing)
            wait()
            # What writers leave that are killed: half a table, half a journal, and a copy of what was being read.
            _parquet(mine.path / ".writing-x-waiting.parquet", [str(number)], listing)
            (new / ".writing-y-a.jsonl").write_text(_json(number, listing))
            left = scratch / ".writing-z"
            left.mkdir()
            (left / "a.csv").write_text(f"user_id\n{number}\n")
            del mine
            forget(place / "run", [str(number)], [new])
            assert traces(place, str(number)) == []
            wait()
        assert traces(place, str(number)) == []
        assert not set(Run.open(place / "run").market.events[C.USER]) & {str(number), f"{number}.0"}
        assert len(traces(new, "stays"))
        with pytest.raises(NotThere):
            forget(place / "run", [str(number)], [new])


@pytest.mark.slow
def test_a_refresh_that_waits_lets_go_of_the_state_that_has_a_user(run, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "ALIVE_S", 0.05)
    new, user = tmp_path / "new", "somebody-5001"
    deliver(new, "jsonl", user, run.listing_ids[0])
    with refreshing(run.path, new, 0.2) as wait:
        wait()
    path = run.path
    del run
    (new / "a.jsonl").unlink()
    with refreshing(path, new, 3600):  # one look, then it waits
        until = time.monotonic() + 60
        while not (path / loop.REFRESHING).exists() and time.monotonic() < until:
            time.sleep(0.01)
        forget(path, [user])
        assert traces(path.parent, user) == []
    assert Run.open(path).generation == 2


def test_no_refresh_reads_a_user_again_between_two_tables(run, tmp_path, monkeypatch):
    new, user, real = tmp_path / "new", "somebody-5001", os.replace
    deliver(new, "csv", user, run.listing_ids[0])
    Refresher(run.path, {"events": FileSource(new)}).look()
    deliver(new, "csv.gz", user, run.listing_ids[1])
    (new / "a.csv").write_text(f"user_id,listing_id,timestamp\n{user},{run.listing_ids[2]},{WHEN}\n")
    path, refused = run.path, []
    del run

    def replace(source, target):
        real(source, target)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", real)
            try:
                with only_writer(path, "vibes refresh"):
                    Refresher(path, {"events": FileSource(new)}).look()
            except VibesError as error:
                refused.append(error)

    monkeypatch.setattr(os, "replace", replace)
    forget(path, [user], [new])
    monkeypatch.setattr(os, "replace", real)
    assert traces(tmp_path, user) == [] and refused
    assert Refresher(path, {"events": FileSource(new)}).look().unread == 0


def test_of_two_refreshes_of_a_run_the_second_is_refused_and_other_writers_are_not(run):
    with refreshing(run.path, run.path.parent.parent / "new", 0.05) as wait:
        wait()
        with pytest.raises(Exception, match="being written by `vibes refresh`"):
            loop.keep_fresh(run.path, {}, None, threading.Event(), print)
        with only_writer(run.path, "vibes embed", wait=30.0):
            pass
        wait()


def test_a_state_that_another_command_published_is_taken_up(run, tmp_path):
    with refreshing(run.path, tmp_path / "new", 0.05) as wait:
        wait()
        market, until = Market.open(run.market.path), time.monotonic() + 60
        while not stamp_of(run.path).made and time.monotonic() < until:
            with suppress(VibesError):  # during a look
                embed_market(market, run.path, None)
        wait()
        deliver(tmp_path / "new", "jsonl", 50017001, run.listing_ids[0])
        wait()
    assert "50017001" in set(Run.open(run.path).market.events[C.USER])


def test_large_numbers_in_json_keep_every_figure(run, tmp_path):
    users = [2**53 + 1, 2**53 + 2, 10**25 + 7, 2.5]
    lines = [_json(user, run.listing_ids[0]) for user in users]
    (tmp_path / "new" / "a.jsonl").write_text("\n".join(lines) + "\n")
    Refresher(run.path, {"events": FileSource(tmp_path / "new")}).look()
    assert {str(user) for user in users} <= set(Run.open(run.path).market.events[C.USER])


def test_temporary_folders_of_the_killed_are_swept_and_those_in_use_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / ".writing-left").mkdir()
    with scratch_folder() as first, scratch_folder() as second:
        assert sorted(os.listdir(tmp_path)) == sorted([first.name, second.name])
    assert not os.listdir(tmp_path)
