"""What is typed on the command line or handed over as a file: moments, conditions, histories, cells, tables of queries."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tests.fuzz.harness import target
from tests.fuzz.mutate import mutated
from tests.fuzz.targets.market_files import CSV, HOSTILE, TOML

from listing_vibes.errors import VibesError
from listing_vibes.market.importers.inside_airbnb import bathrooms, without_rating
from listing_vibes.market.market import Market
from listing_vibes.market.moments import moment_in_log, to_moments
from listing_vibes.market.tables import moments_or_text
from listing_vibes.market.values import as_ids, to_flags, to_numbers, to_set
from listing_vibes.run.conditions import fulfilling
from listing_vibes.run.histories import read_history
from listing_vibes.words import plain_text

Feed = Callable[[bytes], object]


def _text(content: bytes) -> str:
    """As a shell hands over what is no UTF-8: with lone surrogates."""
    return content.decode("utf-8", "surrogateescape")


def _swapped(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Half of the time one of the hostile cells in the place of a word, else any bytes changed."""
    if rng.random() < 0.5:
        return mutated(rng, corpus)
    words = rng.choice(corpus).split(b" ")
    words[rng.randrange(len(words))] = rng.choice(HOSTILE)
    return b" ".join(words)


@target(
    "moment",
    seeds=lambda: [b"2024-03-25", b"2024-03-25T12:00:00+02:00", b"now", b"17", b"1711324800000000000"],
    draw=_swapped,
)
def moment(folder: Path) -> Feed:
    def feed(content: bytes) -> object:
        text = _text(content)
        with contextlib.suppress(VibesError):
            assert abs(moment_in_log(text, False)) < 2**63
        found = moment_in_log(text, True)
        assert abs(found) < 2**63
        return found

    return feed


def _town(folder: Path) -> Market:
    (folder / "market.toml").write_bytes(TOML.replace(b'excluded = ["review_scores_rating"]\n', b""))
    (folder / "listings.csv").write_bytes(CSV["listings"])
    return Market.open(folder)


CONDITIONS = [
    b"price <= 100",
    b"Price >= 1e2",
    b"pets = yes",
    b"amenities = Wifi|Sauna",
    b"title = flat|house",
    b"place = 1",
]


@target("where", seeds=lambda: CONDITIONS, draw=_swapped)
def where(folder: Path) -> Feed:
    market = _town(folder)

    def feed(content: bytes) -> object:
        return fulfilling(market, _text(content))

    return feed


HISTORIES = [
    b'[{"listing_id": "a1", "action": "view", "duration_s": 12.5}, {"listing_id": "a2"}, "a3"]',
    b'{"history": [{"listing_id": 12, "duration_s": null}]}',
    b"[]",
]


def _history(suffix: str) -> Callable[[Path], Feed]:
    def make(folder: Path) -> Feed:
        path = folder / f"history{suffix}"

        def feed(content: bytes) -> object:
            path.write_bytes(content)
            return read_history(path)

        return feed

    return make


target("history-json", seeds=lambda: HISTORIES, draw=_swapped)(_history(".json"))
target("history-csv", seeds=lambda: [b"listing_id,action,duration_s\na1,view,12.5\na2,,\n"])(_history(".csv"))

CELLS = [
    b"$1,200.00\n1 200 m2\n95%\n12.0",
    b"yes\nno\nt\n0",
    b'["a", "b"]\na|b\n[a, b]',
    b"2024-01-31\n20240131\n1706781600\n1706781600000",
]


@target("cells", seeds=lambda: CELLS, draw=lambda rng, corpus: _lines(rng, corpus))
def cells(folder: Path) -> Feed:
    """A column of cells through everything that the importers and the tables read cells with."""

    def feed(content: bytes) -> object:
        column = pd.Series(content.decode("utf-8", "replace").split("\n"), dtype="str").replace("", None)
        made: list[Any] = [
            read(column) for read in (as_ids, to_numbers, to_flags, to_moments, moments_or_text)
        ]
        words = column.dropna()
        return (
            made,
            words.map(to_set),
            words.map(without_rating),
            words.map(plain_text),
            bathrooms(column),
        )

    return feed


def _lines(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    if rng.random() < 0.5:
        return mutated(rng, corpus)
    return b"\n".join(
        rng.choice((*HOSTILE, *rng.choice(corpus).split(b"\n"))) for _ in range(rng.randint(1, 6))
    )
