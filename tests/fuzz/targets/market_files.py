"""The files of a market: `market.toml` and the three tables, as Parquet and as CSV."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pandas as pd
from tests.fuzz.harness import target
from tests.fuzz.mutate import mutated

from listing_vibes.market.config import MarketConfig
from listing_vibes.market.io import read_table
from listing_vibes.market.listings_table import listings_table
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.profile import profile
from listing_vibes.market.tables import events_table, photos_table

TOML = (
    b'name = "Tiny town"\nnote = "Simulated."\ncurrency = "EUR"\ntitle = "title"\nactions = ["view", "save"]\n'
    b'excluded = ["review_scores_rating"]\n\n[attributes.title]\nkind = "text"\nlabel = "Title"\n\n'
    b'[attributes.price]\nkind = "number"\nlabel = "Price"\nunit = "EUR"\n\n'
    b'[attributes.amenities]\nkind = "multi"\nseparator = ";"\n'
)
CSV = {
    "listings": b"listing_id,title,price,pets,amenities,latitude,longitude,published_at\n"
    b"a1,Small flat,100.5,yes,Wifi|Sauna,53.5,9.9,2024-01-01\n"
    b'a2,"Large, bright",,no,,53.6,10.0,2024-01-02T10:00:00Z\n'
    b"a3,House,99999,,Garden,,,\n",
    "photos": b"listing_id,position,path\na1,0,photos/a.jpg\na1,1,photos/b.jpg\na2,0,../photos/c.jpg\n",
    "events": b"user_id,listing_id,timestamp,action,duration_s\n"
    b"u1,a1,2024-02-01 10:00:00,view,10.5\nu1,a2,2024-02-01 11:00:00,save,\nu2,a3,1706781600,view,3\n",
}


@target("market-toml", seeds=lambda: [TOML, b'name = "x"\n', b'[attributes.place]\nkind = "place"\n'])
def market_toml(folder: Path) -> Callable[[bytes], object]:
    path = folder / "market.toml"

    def feed(content: bytes) -> object:
        path.write_bytes(content)
        return MarketConfig.load(path)

    return feed


def _table(name: str, suffix: str) -> Callable[[Path], Callable[[bytes], object]]:
    def make(folder: Path) -> Callable[[bytes], object]:
        path, config, known = folder / f"{name}{suffix}", MarketConfig(), pd.Index(["a1", "a2", "a3"])
        now = pd.Timestamp("2024-06-01", tz="UTC")

        def feed(content: bytes) -> object:
            path.write_bytes(content)
            table = read_table(path)
            if name == "listings":
                return listings_table(table, path, config)
            if name == "photos":
                return photos_table(table, path, known)
            return events_table(table, path, known, config, now)

        return feed

    return make


@target("market", seeds=lambda: [b"\0".join((TOML, *CSV.values()))])
def market(folder: Path) -> Callable[[bytes], object]:
    """A whole folder: the four files one behind the other, parted by zero bytes."""

    def feed(content: bytes) -> object:
        files = [folder / "market.toml", *(folder / f"{name}.csv" for name in CSV)]
        for path, part in zip(files, content.split(b"\0", 3), strict=False):
            path.write_bytes(part)
        opened = Market.open(folder)
        return opened.live_interval(), EventLog.from_market(opened), profile(opened)

    return feed


@cache
def _parquet(name: str) -> bytes:
    frame = pd.read_csv(io.BytesIO(CSV[name]))
    for column in ("timestamp", "published_at"):
        if column in frame:
            frame[column] = pd.to_datetime(frame[column], errors="coerce", utc=True, format="mixed")
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()


def _cells(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """A CSV of right form whose cells are hostile, half of the time; else any bytes changed."""
    if rng.random() < 0.5:
        return mutated(rng, corpus)
    lines = [line.split(b",") for line in rng.choice(corpus).split(b"\n") if line]
    for _ in range(rng.randint(1, 4)):
        line = rng.choice(lines)
        line[rng.randrange(len(line))] = rng.choice(HOSTILE)
    return b"\n".join(b",".join(line) for line in lines)


HOSTILE = (
    b"", b" ", b"nan", b"inf", b"-inf", b"1e400", b"9" * 400, b"-0", b"1,5", b'"1,5"', b"0001-01-01", b"9999-12-31", b"NaT", b"now",
    b"2262-04-12", b"1677-09-20", b"=1+1", b"<script>", b"\xe2\x80\xaex", b"\x1b[31m", b"True", b"yes", b"listing_id", b"a1",
    b"C:\\x.jpg", b"/etc/passwd", b"..", b"a" * 300, b'["a"]', b"{}", b"1e18", b"-1e18", b"99999999999999999999",
)  # fmt: skip

for _name in CSV:
    target(f"market-{_name}-csv", seeds=lambda name=_name: [CSV[name]], draw=_cells)(_table(_name, ".csv"))
    target(f"market-{_name}-parquet", seeds=lambda name=_name: [_parquet(name)])(_table(_name, ".parquet"))
