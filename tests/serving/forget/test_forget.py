"""Forgetting users: no file has them any more, nothing else changes, and whatever interrupts it, the same again finishes it."""

import json
import os
import shutil
import sqlite3
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.commands import vibes
from helpers.copies import copied
from helpers.newcomers import new_events
from helpers.traces import traces
from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.user_names import UserNames
from listing_vibes.run.generations import settle, stamp_of
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.serving.forget import forget as module
from listing_vibes.serving.forget import tables
from listing_vibes.serving.forget.forget import forget
from listing_vibes.serving.forget.tables import without
from listing_vibes.serving.forget.who import Who
from listing_vibes.serving.refresh.files import FileSource
from listing_vibes.serving.refresh.refresher import Refresher

GONE, KEPT = ["u003", "u005"], "u004"


def refreshed(run: Run, folder: Path, times: int = 3) -> None:
    """Three generations, with events that wait and rows that were rejected, of those to be forgotten and of others."""
    (folder / "new").mkdir()
    ids = run.market.listings[C.LISTING]
    refresher = Refresher(run.path, {"events": FileSource(folder / "new")})
    for number in range(times):
        users = [*GONE, KEPT]
        rows = pd.DataFrame({C.USER: users * 3, C.LISTING: [ids[number]] * 3 + ["later"] * 3 + [ids[5]] * 3})
        rows[C.TIMESTAMP] = [f"2024-06-0{number + 1}"] * 6 + ["soon"] * 3
        rows.to_csv(folder / "new" / f"{number}.csv", index=False)
        assert refresher.look().published
    shutil.rmtree(folder / "new")


@pytest.fixture
def run(tiny_market, tmp_path) -> Run:
    folder = tmp_path / "all"
    folder.mkdir()
    market = Market.open(tiny_market("all/market", photos=0))
    embed_market(market, folder / "run", None)
    return Run.open(folder / "run")


@pytest.mark.slow
def test_no_file_has_them_any_more_and_everything_else_is_as_it_was(run, tmp_path):
    refreshed(run, tmp_path)
    folder = run.path.parent
    before = {user: traces(folder, user) for user in [*GONE, KEPT]}
    assert len(before[KEPT]) >= 6 and before[GONE[0]] == before[KEPT]
    events = Run.open(run.path).market.events
    told = forget(run.path, GONE)
    assert traces(folder, GONE[0]) == traces(folder, GONE[1]) == []
    assert len(traces(folder, KEPT)) == 4  # events twice, those that wait, the rejected rows
    after = Run.open(run.path)
    assert after.generation == 4 and not after.market_changed
    left = events[~events[C.USER].isin(GONE)].reset_index(drop=True)
    pd.testing.assert_frame_equal(after.market.events, left)
    pd.testing.assert_frame_equal(Market.open(run.market.path).events, left)
    np.testing.assert_array_equal(after.vectors("attributes"), run.vectors("attributes"))
    assert len(told.generations) == 3 - 1 and not told.runs  # the oldest was swept already
    (folder / "more").mkdir()  # and it is refreshed as any other
    new_events(after.market, [], 4, 2).to_parquet(folder / "more" / "a.parquet")
    assert Refresher(run.path, {"events": FileSource(folder / "more")}).look().published


@pytest.mark.slow
def test_a_run_that_was_never_refreshed_and_its_tables_of_any_format(run, tmp_path):
    market, folder = run.market.path, run.path.parent
    pd.read_parquet(market / "events.parquet").to_csv(market / "events.csv.gz", index=False)
    (market / "events.parquet").unlink()
    embed_market(Market.open(market), run.path, None)
    forget(run.path, GONE)
    assert traces(folder, GONE[0]) == [] and (market / "events.csv.gz").is_file()
    opened = Run.open(run.path)
    assert opened.generation == 1 and not opened.market_changed
    assert opened.market.events[C.USER].nunique() == 6


def test_a_table_that_is_a_link_and_a_folder_called_as_that_of_states(tiny_market, tmp_path):
    folder = tmp_path / "generations"
    folder.mkdir()
    market = Market.open(tiny_market("generations/market", photos=0))
    (market.path / "events.parquet").rename(tmp_path / "kept.parquet")
    (market.path / "events.parquet").symlink_to(tmp_path / "kept.parquet")
    embed_market(market, folder / "run", None)
    forget(folder / "run", GONE)
    assert traces(tmp_path, GONE[0]) == [] and (market.path / "events.parquet").is_symlink()
    assert not Run.open(folder / "run").market_changed


@pytest.mark.slow
def test_what_another_run_has_brought_into_the_market_stays(run, tmp_path):
    market, other = run.market.path, run.path.parent / "other"
    refreshed(run, tmp_path, 1)
    embed_market(Market.open(market), other, None)
    forget(other, GONE)
    new_events(Market.open(market), [], 6, 2).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "new").mkdir()
    (tmp_path / "a.parquet").rename(tmp_path / "new" / "a.parquet")
    sources = {"events": FileSource(tmp_path / "new")}
    assert Refresher(other, sources).look().events == 6
    before = Market.open(market).fingerprint
    forget(run.path, GONE)  # whose own state has them still, and not what came since
    with pytest.raises(VibesError, match="changed by something else"):
        Refresher(run.path, sources)
    assert Market.open(market).fingerprint == before
    assert not Refresher(other, sources).look().published


def test_a_market_that_changed_since_loses_them_all_the_same(run):
    with (run.market.path / "market.toml").open("a") as stream:
        stream.write("\n# changed\n")
    forget(run.path, [GONE[0]])
    assert traces(run.path.parent, GONE[0]) == [] and Run.open(run.path).market_changed


@pytest.mark.slow
def test_what_else_is_named_loses_them_too(run, tmp_path):
    lists, other = tmp_path / "lists", tmp_path / "other"
    embed_market(run.market, other, None)
    (lists / "_histories").mkdir(parents=True)
    table = pd.DataFrame({C.USER: [*GONE, KEPT], "rank": 1})
    table.to_parquet(lists / "part-00000.parquet")
    table.to_parquet(lists / "_histories" / "part-00000.parquet")
    table.to_csv(tmp_path / "queries.csv", index=False)
    (lists / ".writing-x-part.parquet").write_bytes(b"PAR1" + GONE[0].encode())
    vibes("forget", run.path, *GONE, "--also", lists, "--also", tmp_path / "queries.csv", "--also", other)
    assert traces(tmp_path, GONE[0]) == [] and len(traces(tmp_path, KEPT)) == 6
    assert not Run.open(other).market_changed
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
    place = settle(run.path)
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    with pytest.raises(VibesError, match="000002 has these users still, and somebody reads it"):
        forget(run.path, GONE)
    os.close(place.lease)
    told = forget(run.path, GONE)  # nothing is left but what was read
    assert [Path(one).name for one in told.generations] == ["000002"] and traces(
        run.path.parent, GONE[0]
    ) == []


def _files(folder: Path) -> dict[str, bytes]:
    """Every file but those whose content is a matter of numbers and times, by its name without the generation's."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "generations" not in path.parts and path.name != "current.json"
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


def test_values_of_dictionaries_row_groups_and_types_of_columns(tmp_path, tiny_market):
    path = tmp_path / "t.parquet"
    users = pa.array(["a-1", "gone-1", "a-1", "gone-1", "b-1", None]).dictionary_encode()
    table = pa.table(
        {C.USER: users, "n": pa.array([1, 2, 3, 4, 5, 6], pa.int8()), "s": [[1], [2], [3], [], None, [6]]}
    )
    pq.write_table(table, path, row_group_size=2, compression="zstd")
    path.chmod(0o600)
    names = Market.open(tiny_market(photos=0)).names
    who = Who(["gone-1", "never"], names)
    assert without(path, who) == 2 and who.found == {"gone-1"}
    left = pq.read_table(path)
    assert left.schema == table.schema
    assert left.column("n").to_pylist() == [1, 3, 5, 6] and left.schema.field("n").type == pa.int8()
    assert left.column("s").to_pylist() == [[1], [3], None, [6]]
    assert traces(tmp_path, "gone-1") == [] and traces(tmp_path, "a-1") == ["t.parquet"]
    assert pq.read_metadata(path).row_group(0).column(0).compression == "ZSTD"
    assert path.stat().st_mode & 0o777 == 0o600
    written = path.stat().st_mtime_ns
    time.sleep(0.01)
    assert without(path, who) == 0 and path.stat().st_mtime_ns == written  # not written again


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_of_a_table_in_parts_every_other_row_stays(tmp_path, monkeypatch, name):
    monkeypatch.setattr(tables, "ROWS", 3)
    users = ["gone", "a", "b", "c", "gone", "gone", "a", "gone", "d", "e", "gone"]
    frame = pd.DataFrame({C.USER: users, "n": range(len(users))})
    frame.to_csv(tmp_path / name, index=False)
    assert without(tmp_path / name, Who(["gone"], UserNames(tmp_path, False))) == 5
    left = frame[frame[C.USER] != "gone"].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / name), left)


def test_a_user_is_found_by_id_and_by_name_wherever_a_table_has_either(tmp_path):
    names = UserNames(tmp_path, True)
    shown = [names.of(one) for one in ("a", "gone", "b")]
    for asked in ("gone", shown[1]):
        who = Who([asked], names)
        for users in (["a", "gone", "b"], shown):
            assert who.rows(pd.DataFrame({C.USER: users})).tolist() == [False, True, False]
        assert who.found == {asked}


@pytest.mark.slow
def test_runs_below_a_place_that_is_named_lose_them_with_their_own_markets(run, tiny_market, tmp_path):
    market = Market.open(tiny_market("far/market", photos=0))
    embed_market(market, tmp_path / "others" / "deep" / "run", None)
    forget(run.path, GONE, [tmp_path / "others"])
    assert traces(tmp_path, GONE[0]) == [] and len(traces(tmp_path, KEPT)) >= 2
    assert not Run.open(tmp_path / "others" / "deep" / "run").market_changed


def test_ids_that_are_numbers(tmp_path, tiny_market):
    path, names = tmp_path / "t.csv", Market.open(tiny_market(photos=0)).names
    path.write_text("user_id,note\n12.0,a\n3.0,\n12.0,NA\n")
    assert without(path, Who(["12"], names)) == 2
    assert path.read_text() == "user_id,note\n3.0,\n"
    pd.DataFrame({C.USER: [12, 3, 12]}).to_parquet(tmp_path / "t.parquet")
    assert without(tmp_path / "t.parquet", Who(["12"], names)) == 2


def test_a_trace_would_be_found_wherever_it_is_packed(tmp_path):
    word = "user-xyz"
    np.savez_compressed(tmp_path / "a.npz", ids=np.array([word]))
    np.save(tmp_path / "b.npy", np.array([word]))
    pd.DataFrame({"x": [word]}).to_csv(tmp_path / "c.csv.gz")
    pd.DataFrame({"x": [[word]]}).to_parquet(tmp_path / "d.parquet", compression="zstd")
    with sqlite3.connect(tmp_path / "e.db") as base:
        base.execute("create table t (x text)")
        base.execute("insert into t values (?)", [word])
    (tmp_path / f"{word}.txt").touch()
    (tmp_path / "f.json").write_text(json.dumps({"x": word}))
    assert len(traces(tmp_path, word)) == 7


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
    assert len(opened.recommend(kept)) == 30 and stamp_of(run.path).generation == 2
    assert opened.recommend(gone)["fallback"].all()


def test_large_ids_are_found_where_some_rows_have_none(tmp_path):
    path, large = tmp_path / "events.parquet", 10**16 + 1
    pq.write_table(pa.table({C.USER: [large, None, large + 2]}), path)
    assert without(path, Who([str(large)], UserNames(tmp_path, False))) == 1
    assert pq.read_table(path)[C.USER].to_pylist() == [None, large + 2]
