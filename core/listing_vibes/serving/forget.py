"""`vibes forget`: remove users from a run, from its market, and from other places that are named."""

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import ParamSpec, TypeVar

from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.display_names import FILE, VARIABLE
from listing_vibes.market.durable import copy_file, only_writer, sweep_left
from listing_vibes.market.values import id_text
from listing_vibes.run.run import Run
from listing_vibes.run.versions import STATES, folder_of, remove, stamp_of
from listing_vibes.serving.places import Inventory, is_database_url, shown_place
from listing_vibes.serving.refresh.publication import RefreshState, next_version
from listing_vibes.serving.user_rows import (
    UsersToForget,
    database_users,
    keys_of,
    names_users,
    remove_from_database,
    remove_rows,
    users_of,
)
from listing_vibes.words import count, enumerated

#: Seconds to wait for the readers of an old version: a service polls for a newer one every 2 seconds.
PATIENCE_S = 30.0
#: Seconds to wait for another writer of the run, such as a `vibes refresh --every` in the middle of a refresh.
WAIT_S = 300.0
#: Problems that the error of a removal that is not complete shows.
SHOWN = 3
P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Forgotten:
    """What `forget` removed.

    Attributes:
        rows: removed rows by file; those of a version count under the file of the version that replaced it.
        versions: removed folders of versions that had rows of the users.
        runs: runs whose weights were trained while the market had rows of the users.
        inspected: number of runs, tables, databases, keys and other files that were inspected.
        problems: places that may still name the users, one sentence each.
    """

    rows: dict[str, int] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    inspected: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def attempt(self, action: Callable[P, T], *args: P.args, **options: P.kwargs) -> T | None:
        """Return the result of a function; note its error as a problem."""
        try:
            return action(*args, **options)
        except VibesError as error:
            self.problems.append(str(error))
            return None

    @property
    def summary(self) -> str:
        """What was inspected, in one sentence."""
        parts = [count(number, name) for name, number in self.inspected.items()]
        return f"Inspected {enumerated(parts)}."


def forget(run: Path, users: Sequence[str], also: Iterable[Path | str] = ()) -> Forgotten:
    """Remove users from `run` and its market, and from the runs, lists and tables in the places `also`.

    First a version of the run without the users is published, as by a refresh; then the market's own tables are replaced, each by
    a rename, and the versions with rows of the users are removed. After an interruption the same call completes the removal. The
    model is not changed.

    Raises:
        NotThere: some of the users have no rows anywhere (the others are removed).
        VibesError: a folder cannot be written, a version with rows of the users is still being read, or a place may still name them
            (all else is removed).
    """
    places, done = [str(place) for place in also], Forgotten()
    elsewhere = [Path(place) for place in places if not is_database_url(place)]
    for place in elsewhere:
        if not place.exists():
            raise VibesError(
                f"There is no {place}; give a run, a folder or a table that may have these users."
            )
    sweep_left(Path(gettempdir()))  # copies left by a refresh that was killed
    runs, folders = _runs_below(run, elsewhere)
    # All runs stay locked until the last table is written: a refresh in between would add these users again.
    with ExitStack() as locks:
        for item in sorted(runs, key=Path.resolve):
            locks.enter_context(only_writer(item, "vibes forget", wait=WAIT_S))
        inventory = Inventory.of(folders)
        for folder in dict.fromkeys(inventory.unfinished):
            sweep_left(folder)  # partial tables of killed writers
        databases = [*filter(is_database_url, places), *map(str, inventory.databases)]
        who = UsersToForget(users, keys_of(inventory.keys))
        if who.are_hashed:
            _resolve_hashes(who, inventory.tables, databases)
        for item in runs:
            _forget_in_run(item, who, done)
        inventory = Inventory.of(folders)
        _forget_in_places(inventory, databases, who, done)
        done.inspected = {
            "run": len(runs),
            "table": len(inventory.tables),
            "database": len(databases),
            "key": len(who.keys),
            "other file": len(inventory.others),
        }
    for item in runs:
        _remove_versions(item, who, done)
    if done.problems:
        more = len(done.problems) - SHOWN
        others = f" (and {count(more, 'other problem')})" if more > 0 else ""
        raise VibesError(f"{' '.join(done.problems[:SHOWN])}{others} All else is removed.")
    missing = [user for user in users if id_text(user) not in who.found]
    if missing:
        others = "; the others are removed" if len(missing) < len(users) else ""
        raise NotThere(
            f"There is no trace of user '{missing[0]}' in {run} and its market{others}; check the id."
        )
    return done


def _runs_below(run: Path, elsewhere: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return a run and the runs in other places, each once, and the folders of all runs, of their markets, and the other places."""
    found = [run, *Inventory.of(elsewhere).runs]
    runs = list({path.resolve(): path for path in found}.values())
    # An open run would pin its version.
    markets = [Run.open(item).market_on_disk.path for item in runs]
    return runs, [*runs, *markets, *elsewhere]


def _resolve_hashes(who: UsersToForget, tables: Sequence[Path], databases: Sequence[str]) -> None:
    """Find the ids of users that are given by a hash."""
    for table in tables:
        try:
            who.add_ids(id_text(user) or "" for user in users_of(table).dropna().unique())
        except VibesError:  # told by the removal
            continue
    for database in databases:
        try:
            who.add_ids(database_users(database))
        except VibesError:
            continue


def _forget_in_places(
    inventory: Inventory, databases: Sequence[str], who: UsersToForget, done: Forgotten
) -> None:
    """Rewrite tables without the users, delete their rows in databases, and note what cannot be inspected or rewritten."""
    for table in inventory.tables:
        # The file itself rather than a link to it is replaced.
        if rows := done.attempt(remove_rows, table.resolve(), who):
            done.rows[str(table.resolve())] = rows
    for database in databases:
        if rows := done.attempt(remove_from_database, database, who):
            done.rows[shown_place(database)] = rows
    for path in inventory.others:
        if done.attempt(names_users, path, who):
            done.problems.append(
                f"{path} names these users and is not a table; remove it or write it again, and run the same command again."
            )
    done.problems += inventory.problems


def _forget_in_run(path: Path, who: UsersToForget, done: Forgotten) -> None:
    """Publish a version of a locked run without the users, if the run has its own tables or its market did not change."""
    run = Run.open(path)
    market = run.market_on_disk
    if run.has_model:
        done.runs.append(str(path))
    if market.names.hashed and not who.keys:
        done.problems.append(
            f"{market.path} hashes users, but there is neither {market.path / FILE} nor {VARIABLE}; set it to the key, and run the same "
            "command again."
        )
    for folder in (path, market.path):  # temporary files of a killed writer may name the users
        sweep_left(folder)
    if market.tables != market.path:  # the version has its own tables
        tables = Inventory.of([run.folder]).tables
    else:
        stored = Inventory.of([market.path]).tables
        tables = [] if run.market_changed else [table for table in stored if table.parent == market.path]
    if not any(who.rows_in(users_of(table)).any() for table in tables):
        return
    config = market.config.model_copy(update={"actions": list(market.actions)})
    next_folder = folder_of(path, stamp_of(path).version + 1)
    with next_version(run, market, config, RefreshState.load(path)) as built:
        for table in Inventory.of([built]).tables:
            if rows := remove_rows(table, who):
                done.rows[str(next_folder / table.relative_to(built))] = rows
    if config != market.config:
        toml = folder_of(path, stamp_of(path).version) / "market" / "market.toml"
        copy_file(toml, market.path / "market.toml")


def _remove_versions(path: Path, who: UsersToForget, done: Forgotten) -> None:
    """Remove the old versions with rows of the users, and wait for their readers."""
    gc.collect()  # A run of this process that nothing uses any more is a reader until it is collected.
    current, until = folder_of(path, stamp_of(path).version), time.monotonic() + PATIENCE_S
    for folder in sorted(STATES.path(path).glob("*")):
        if not folder.is_dir() or folder == current:
            continue
        if not any(who.rows_in(users_of(table)).any() for table in Inventory.of([folder]).tables):
            continue
        while not remove(folder):
            if time.monotonic() > until:
                raise VibesError(
                    f"{folder} still has these users and is being read; stop or restart its readers (a service, an explorer), and "
                    "run the same command again."
                )
            time.sleep(0.2)
        done.versions.append(str(folder))
