"""What is cached of a market or a run lies beside it, and of one that ships in the user's cache."""

from pathlib import Path

import pytest

from listing_vibes.market.caches import DEMO, MODELS, market_cache, run_cache, run_cache_file, writable_cache


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LISTING_VIBES_CACHE", str(tmp_path / "mine"))
    return tmp_path / "mine"


def test_a_market_and_a_run_hold_their_own(tmp_path, mine):
    for folder in (tmp_path / "market", tmp_path / "run"):
        folder.mkdir()
    assert market_cache(tmp_path / "market") == writable_cache(tmp_path / "market")
    assert market_cache(tmp_path / "market") == tmp_path / "market" / ".cache"
    assert run_cache(tmp_path / "run") == tmp_path / "run"


def test_what_ships_is_not_written_to(mine):
    cached = [market_cache(DEMO), writable_cache(DEMO), run_cache(DEMO / "run"), run_cache(MODELS / "homes")]
    assert all(folder.is_relative_to(mine) for folder in cached)
    assert len({*cached}) == 3  # each market and run has a folder of its own


def test_what_ships_with_a_run_is_read_until_a_newer_one_is_cached(mine):
    shipped = run_cache_file(DEMO / "run", "map.parquet")
    assert shipped == DEMO / "run" / "map.parquet" and shipped.is_file()
    newer = run_cache(DEMO / "run") / "map.parquet"
    newer.parent.mkdir(parents=True)
    newer.write_bytes(b"")
    assert run_cache_file(DEMO / "run", "map.parquet") == newer
