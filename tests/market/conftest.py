"""Fixtures of the market tests: event logs built in memory, and market folders written as CSV by hand."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from listing_vibes.market.config import MarketConfig
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market


@pytest.fixture(scope="session")
def log_of_days() -> Callable[..., EventLog]:
    """`log_of_days([(user, listing, time), ...], listings=5)`: a log without a folder; times are days since 2024-01-01."""

    def make(rows: list[tuple[int, int, int]], listings: int = 5, timed: bool = True) -> EventLog:
        names = [f"l{row}" for row in range(listings)]
        homes, empty = pd.DataFrame({"listing_id": names}), pd.DataFrame()
        market = Market(Path(), MarketConfig(), homes, empty, empty, [], [])
        table = pd.DataFrame(rows, columns=["user_id", "listing_id", "time"])
        when = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(table["time"].astype("int64"), unit="D")
        when = when.astype("datetime64[ns, UTC]")
        events = pd.DataFrame(
            {
                "user_id": [f"u{user}" for user in table["user_id"]],
                "listing_id": [f"l{row}" for row in table["listing_id"]],
            }
        )
        events["timestamp" if timed else "position"] = when if timed else table["time"]
        return EventLog.from_frame(events, market)

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """`folder(listings="csv text", events=..., photos=..., toml=...)` writes a market folder by hand."""

    def make(toml: str | None = None, name: str = "market", **tables: str | bytes) -> Path:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        for table, text in tables.items():
            content = text.encode() if isinstance(text, str) else text
            (path / f"{table}.csv").write_bytes(content)
        if toml is not None:
            (path / "market.toml").write_text(toml)
        return path

    return make
