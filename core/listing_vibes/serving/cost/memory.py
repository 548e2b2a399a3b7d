"""The most memory that each command takes, measured: on the market of a run, and on a small part of it.

Each is a process of its own, and its peak is what the system saw of it. What the small part takes is libraries, the model and
a step's batch, however large the market; what the whole one takes above it grows with the market.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import tomli_w

from listing_vibes.errors import VibesError
from listing_vibes.market.caches import market_cache
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Notice, Report
from listing_vibes.serving.cost.measure import Peak

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

COMMANDS = ("train", "embed", "evaluate", "recommend", "serve", "refresh")
#: Listings of the small part: those with the most events.
PART = 200
NEW = 10  # listings, and an event on each, that a refresh brings
WATCHED = Path(__file__).with_name("watched.py")


def measure_memory(run: Run, report: Report | None = None) -> dict[str, Peak]:
    """Bytes at the peak of each of `COMMANDS`, on the run's market and on its small part; run and market are left as they are.

    Of a training two steps are made, of a service it is waited until it answers. A command that the small part is too small for
    (its events leave nothing to test on) has no peak there.

    Raises:
        VibesError: the run has no model, the system tells no peaks (Windows), or a command fails on the market itself.
    """
    if not hasattr(os, "wait4"):
        raise VibesError(
            "This system does not tell how much memory a process took; measure on Linux or macOS."
        )
    run.needs_model()
    with tempfile.TemporaryDirectory() as kept:
        place = Path(kept)
        rows = np.arange(len(run.market.listings))
        # A copy: a refresh takes what is new into the market, too.
        whole = _peaks(run, _copied(run.market, rows, place / "market"), place / "whole", report, must=True)
        part = {}
        if len(rows) > PART:
            small = _copied(run.market, _most_touched(run.market), place / "small")
            part = _peaks(run, small, place / "part", report, must=False)
    return {
        name: Peak(
            listings=len(run.market.listings), bytes=peak, part_listings=PART, part_bytes=part.get(name)
        )
        for name, peak in whole.items()
    }


def _most_touched(market: Market) -> np.ndarray:
    """(PART,) rows of the listings with the most events, ascending."""
    touched = np.bincount(market.events[C.LISTING].map(market.listing_row), minlength=len(market.listings))
    return np.sort(np.argsort(-touched, kind="stable")[:PART])


def _copied(market: Market, rows: np.ndarray, path: Path) -> Market:
    """A market of the listings `rows` of `market`, whose photos and caches lie where those of `market` do."""
    listings = market.listings.iloc[rows]
    photos, events = (
        table[table[C.LISTING].isin(listings[C.LISTING])] for table in (market.photos, market.events)
    )
    write_market(path, market.config, listings, photos if len(photos) else None, events)
    folders = [one for one in market.path.iterdir() if one.is_dir() and not one.name.startswith(".")]
    cache = market_cache(market.path)
    for there, name in [(one, one.name) for one in folders] + [(cache, ".cache")]:
        if there.is_dir():
            (path / name).symlink_to(there.resolve(), target_is_directory=True)
    return Market.open(path)


def _peaks(run: Run, market: Market, place: Path, report: Report | None, must: bool) -> dict[str, int]:
    place.mkdir()
    made, trained = str(place / "run"), run.manifest.settings
    config = place / "two-steps.toml"
    steps = {"max_steps": 2, "warmup": 1, "checkpoint_every": 1000}
    settings = Settings.of(trained, training=steps).model_dump(
        mode="json", exclude_none=True, exclude={"split"}
    )
    config.write_text(tomli_w.dumps(settings), encoding="utf-8")
    new = _new(market, place / "new")
    asked = {
        "train": ["train", str(market.path), str(place / "trained"), "--config", str(config)],
        "embed": ["embed", str(market.path), made, "--model", str(run.path)],
        "evaluate": ["evaluate", made, "--rivals", "none"],
        "recommend": ["recommend", made, "--", str(market.events[C.USER].iloc[0])],
        "serve": ["serve", made, "--port", "0"],
        "refresh": ["refresh", made, "--listings", str(new / "listings"), "--events", str(new / "events")],
    }  # fmt: skip
    found = {}
    for name, arguments in asked.items():
        if report is not None:
            report(Notice(f"{name} on {len(market.listings):,} listings ..."))
        try:
            found[name] = peak_of(
                [sys.executable, "-m", "listing_vibes", *arguments], "/health" if name == "serve" else "-"
            )
        except VibesError:
            if must or name == "embed":  # what the others work on
                raise
    return found


def _new(market: Market, path: Path) -> Path:
    """What a refresh may read: some listings under other names, and an event on each."""
    some = market.listings.head(NEW).copy()
    some[C.LISTING] = "new " + some[C.LISTING].astype("str")
    events = market.events.iloc[[-1] * len(some)].copy()
    events[C.LISTING] = some[C.LISTING].to_numpy()
    for name, table in (("listings", some), ("events", events)):
        (path / name).mkdir(parents=True)
        pd.DataFrame(table).to_parquet(path / name / "new.parquet", index=False)
    return path


def peak_of(command: list[str], until: str = "-") -> int:
    """Bytes of memory at the peak of a process, see `watched.py`.

    Raises:
        VibesError: it fails.
    """
    found = subprocess.run(
        [sys.executable, "-I", "-S", str(WATCHED), until, *command], capture_output=True, text=True
    )
    if found.returncode:
        said = found.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise VibesError(
            f"`vibes {' '.join(command[3:])}` failed, so its memory cannot be measured ({said[0]})."
        )
    return int(found.stdout)
