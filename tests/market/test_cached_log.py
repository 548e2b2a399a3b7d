"""Events of large markets are validated once, and cached where no table changed since; here from one event on."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market import log as module
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import CACHE_FILE, EventLog, cached_log
from listing_vibes.market.market import Market
from listing_vibes.model.settings import ResolvedSplit
from listing_vibes.run.embedding import embed_market
from listing_vibes.search.index import Shared
from listing_vibes.serving.forget import forget
from listing_vibes.training import examples
from listing_vibes.training.examples import TrainingData


@pytest.fixture(autouse=True)
def always(monkeypatch):
    monkeypatch.setattr(module, "FEWEST", 1)


def columns(log: EventLog) -> list:
    arrays = [log.user, log.listing, log.time, log.action, log.duration, log.start]
    return [*(array.tolist() for array in map(np.nan_to_num, arrays)), log.users, log.actions, log.timed]


def cached_users(path) -> set[str]:
    return set(pq.read_table(path / ".cache" / CACHE_FILE)[C.USER].to_pylist())


def lazily(path) -> Market:
    return Market.open(path, events_too=False)


@pytest.mark.parametrize("hashed", [False, True])
def test_cached_events_are_those_of_the_tables_until_a_table_changes(tiny_market, tmp_path, hashed):
    path = tiny_market("market", photos=0)
    if hashed:
        with (path / "market.toml").open("a") as stream:
            stream.write('\n[privacy]\nusers = "hashed"\n')
    expected = columns(EventLog.from_market(Market.open(path)))
    assert columns(cached_log(lazily(path))) == expected
    again = lazily(path)
    assert columns(cached_log(again)) == expected and "events" not in vars(again)
    assert ("u003" in cached_users(path)) != hashed
    (path / ".cache" / CACHE_FILE).write_bytes((path / ".cache" / CACHE_FILE).read_bytes()[:-100])
    assert columns(cached_log(lazily(path))) == expected
    events = pd.read_parquet(path / "events.parquet")
    events[events[C.USER] != "u003"].to_parquet(path / "events.parquet", index=False)
    assert len(cached_log(lazily(path)).users) == len(expected[-3]) - 1


def test_processes_map_the_cached_events_from_one_file_each(tiny_market, tmp_path):
    path, shared = tiny_market("market", photos=0), Shared(tmp_path)
    expected = columns(cached_log(lazily(path)))
    times = []
    for _ in range(2):
        log = cached_log(lazily(path), shared.array)
        assert columns(log) == expected
        for array in (log.user, log.listing, log.time, log.action, log.duration):
            while isinstance(array.base, np.ndarray):
                array = array.base
            assert isinstance(array, np.memmap) and array.filename.parent == tmp_path
        times.append({file.name: file.stat().st_mtime_ns for file in tmp_path.glob("*.npy")})
    assert times[0] == times[1] and len(times[0]) == 5
    events = pd.read_parquet(path / "events.parquet")
    events[events[C.USER] != "u003"].to_parquet(path / "events.parquet", index=False)
    cached_log(lazily(path))
    assert len(cached_log(lazily(path), shared.array).users) == len(expected[-3]) - 1
    assert len(list(tmp_path.glob("*.npy"))) == 5


def test_events_of_the_future_and_of_few_readers_are_not_cached(tiny_market):
    path = tiny_market("market", photos=0)
    (path / "events.parquet").chmod(0o600)
    cached_log(lazily(path))
    (path / "events.parquet").chmod(0o644)
    events = pd.read_parquet(path / "events.parquet")
    events.loc[0, C.TIMESTAMP] = pd.Timestamp.now("UTC") + pd.Timedelta(days=1)
    events.to_parquet(path / "events.parquet", index=False)
    assert len(cached_log(lazily(path))) == len(events) - 1
    assert not (path / ".cache" / CACHE_FILE).exists()


def test_users_are_forgotten_in_the_cache_as_well(tiny_market, tmp_path):
    path = tiny_market("market", photos=0)
    embed_market(Market.open(path), tmp_path / "run", None)
    cached_log(lazily(path))
    before = cached_users(path)
    forget(tmp_path / "run", ["u003"])
    assert cached_users(path) == before - {"u003"} != before


def test_a_training_frees_the_table_of_events_which_is_read_again_on_next_use(tiny_market, monkeypatch):
    monkeypatch.setattr(examples, "FEWEST", 1)
    market = Market.open(tiny_market("market", photos=0))
    before, table = market.events.copy(), weakref.ref(market.events)
    TrainingData.of(market, ResolvedSplit())
    gc.collect()
    assert table() is None
    assert market.timed and market.events.equals(before)
    in_memory = replace(market, events=before)
    TrainingData.of(in_memory, ResolvedSplit())
    assert in_memory.events is before


def test_events_that_changed_since_the_market_was_opened_are_refused(tiny_market):
    path = tiny_market("market", photos=0)
    market, events = lazily(path), pd.read_parquet(path / "events.parquet")
    assert market.timed and market.events.equals(Market.open(path).events)
    changed = lazily(path)
    events.head(3).to_parquet(path / "events.parquet", index=False)
    with pytest.raises(VibesError):
        _ = changed.events
