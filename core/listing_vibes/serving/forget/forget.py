"""`vibes forget`: users are removed from a run, from its market, and from whatever else is named."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import WRITING, copy_file, only_writer, sweep_left
from listing_vibes.market.market import Market
from listing_vibes.market.user_names import FILE, VARIABLE, UserNames
from listing_vibes.market.values import id_text
from listing_vibes.run.contents import REFRESH, seal
from listing_vibes.run.folder import PUSHES
from listing_vibes.run.generations import STATES, building, folder_of, publish, remove, stamp_of
from listing_vibes.run.prepared import load_prepared, save_prepared
from listing_vibes.run.run import Run
from listing_vibes.serving.database import is_database_url, shown_place
from listing_vibes.serving.forget.stores import stores_in, without_in_store
from listing_vibes.serving.forget.tables import has_users, rows_of, tables_of, without
from listing_vibes.serving.forget.who import Who
from listing_vibes.serving.refresh.market_folder import digests
from listing_vibes.serving.refresh.refresher import link_model, manifest_over
from listing_vibes.serving.refresh.tables import write_tables
from listing_vibes.serving.refresh.waiting import FILES as WAITING

#: Seconds that a generation which is being read is waited for: a service looks every 2 for a newer state.
PATIENCE_S = 30.0
#: Seconds that another writer of the run is waited for: a `vibes refresh --every` that is taking in new rows.
WAIT_S = 300.0


@dataclass
class Forgotten:
    """What was done.

    Attributes:
        rows: removed rows by file; those of a generation count under the file of the one that took its place.
        generations: folders of generations that had them and are gone.
        runs: those with weights that were trained while the market had them.
    """

    rows: dict[str, int] = field(default_factory=dict)
    generations: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def forget(run: Path, users: Sequence[str], also: Iterable[Path | str] = ()) -> Forgotten:
    """Remove users from `run` and its market, and from the runs, lists and tables in the places `also`.

    A run's state without them is published whole, as a refresh does; only then are the market's own tables replaced, each by
    a rename, and the generations that have them removed. Whatever interrupts it: the same again finishes it. The model stays
    as it is.

    Raises:
        NotThere: some of them are nowhere (the others are removed).
        VibesError: a folder cannot be written, or a generation that has them is still being read.
    """
    market, told = Run.open(run).market_on_disk, Forgotten()  # the run is let go of: it holds its generation
    who = Who(list(users), market.names)
    named = [str(place) for place in also]
    databases = [place for place in named if is_database_url(place)]
    elsewhere = [Path(place) for place in named if not is_database_url(place)]
    if databases and VARIABLE in os.environ:
        who.also_called(UserNames(Path(), True))
    for place in elsewhere:
        if not place.exists():
            raise VibesError(
                f"There is no {place}; give a run, a folder or a table that may have these users."
            )
        if (place / FILE).is_file() or (place.is_dir() and VARIABLE in os.environ):
            who.also_called(UserNames(place, True))  # of `vibes serve --hash-users`
    sweep_left(Path(gettempdir()))  # of a refresh that was killed: copies of what it was reading
    places = [run, market.path, *elsewhere]
    runs = {one.resolve(): one for one in (run, *(found for place in elsewhere for found in _runs_in(place)))}
    # All runs stay locked until the last table is written: a refresh in between would read these users again.
    with ExitStack() as locks:
        for _, one in sorted(runs.items()):
            locks.enter_context(only_writer(one, "vibes forget", wait=WAIT_S))
        for one in runs.values():
            _forget_in_run(one, who, told)
            places.append(Run.open(one).market_on_disk.path)
        found = [(place, table) for place in places for table in tables_of(place)]
        for path in dict.fromkeys(table.resolve() for place, table in found if not _of_a_state(table, place)):
            _forget_in_table(path, who, told)
        for store in (*databases, *(str(path) for place in places for path in stores_in(place))):
            if count := without_in_store(store, who):
                told.rows[shown_place(store)] = count
    for one in runs.values():
        _remove_generations(one, who, told)
    missing = [user for user in users if id_text(user) not in who.found]
    if missing:
        others = "; the others are removed" if len(missing) < len(users) else ""
        raise NotThere(
            f"There is no trace of user '{missing[0]}' in {run} and its market{others}; check the id."
        )
    return told


def _runs_in(place: Path) -> list[Path]:
    """The run folders at and below a place."""
    found = [path.parent for path in place.rglob("run.toml")] if place.is_dir() else []
    return [folder for folder in found if not _of_a_state(folder, place)]


def _of_a_state(path: Path, place: Path) -> bool:
    """Whether a path in a place belongs to a published state of a run there."""
    return STATES.folder in path.relative_to(place).parts


def _forget_in_run(path: Path, who: Who, told: Forgotten) -> None:
    """Publish the state of a run that is locked without them, where it has tables of its own or its market is as it was."""
    run = Run.open(path)
    if run.has_model:
        told.runs.append(str(path))
    market = run.market_on_disk
    for folder in (path, market.path):  # of a writer that was killed: it may tell of them
        sweep_left(folder)
    if market.tables != market.path:  # a state with tables of its own
        states = list(tables_of(run.folder))
    else:
        states = [] if run.market_changed else [t for t in tables_of(market.path) if t.parent == market.path]
    if not any(has_users(table) and rows_of(table, who).any() for table in states):
        return
    with building(path) as built:
        config = market.config.model_copy(update={"actions": list(market.actions)})
        write_tables(built / "market", market, config, None, None, None)
        for name in (PUSHES, *WAITING.values()):
            if (run.folder / name).is_file():
                copy_file(run.folder / name, built / name)
        for table in list(tables_of(built)):
            if has_users(table) and (count := without(table, who)):
                place = folder_of(path, stamp_of(path).number + 1) / table.relative_to(built)
                told.rows[str(place)] = count
        link_model(run.folder, built)
        copy_file(run.folder / "listings.npz", built / "listings.npz")
        after = Market.open(market.path, tables=built / "market")
        features = load_prepared(run.folder, run.manifest.fingerprint)
        if features is not None:
            save_prepared(built, features, after.fingerprint)
        state: dict[str, Any] = read_json(run.folder / REFRESH, f"embed {path} again, and refresh it") or {}
        # Of the market's tables it takes the place of those that are its own; another run's refresh may have extended them.
        ours, was = digests(market.tables), state.get("replaced", {})
        lie = {
            name: one for name, one in digests(market.path).items() if one in (ours.get(name), was.get(name))
        }
        write_json(built / REFRESH, {**state, "replaced": lie})
        seal(built, manifest_over(run, after))
        publish(path, built)
    if config != market.config:
        copy_file(
            folder_of(path, stamp_of(path).number) / "market" / "market.toml",
            market.path / "market.toml",
        )


def _forget_in_table(path: Path, who: Who, told: Forgotten) -> None:
    try:
        if has_users(path) and (count := without(path, who)):
            told.rows[str(path)] = count
    except VibesError:
        if path.name.startswith(WRITING):  # half a table, if its writer was killed
            sweep_left(path.parent)
        if path.exists():
            raise


def _remove_generations(path: Path, who: Who, told: Forgotten) -> None:
    """Remove what else than the current state has them, and wait for those that read it."""
    current, until = stamp_of(path).number, time.monotonic() + PATIENCE_S
    for folder in sorted(path.joinpath(STATES.folder).glob("*")):
        if not folder.is_dir() or folder == folder_of(path, current):
            continue
        if not any(has_users(table) and rows_of(table, who).any() for table in tables_of(folder)):
            continue
        while not remove(folder):
            if time.monotonic() > until:
                raise VibesError(
                    f"{folder} has these users still, and somebody reads it; end or restart that (a service, an explorer), and "
                    "run the same again."
                )
            time.sleep(0.2)
        told.generations.append(str(folder))
