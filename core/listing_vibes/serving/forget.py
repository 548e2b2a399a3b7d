"""`vibes forget`: remove users from a run, from its market, and from other places that are named."""

import gzip
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from listing_vibes.errors import NotThere, VibesError, needs
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import WRITING, atomic_path, copy_file, only_writer, sweep_left
from listing_vibes.market.io import TABLE_SUFFIXES, csv_header, read_header, read_table, to_frame
from listing_vibes.market.user_names import FILE, VARIABLE, UserNames
from listing_vibes.market.values import as_ids, id_text
from listing_vibes.run.run import Run
from listing_vibes.run.versions import STATES, folder_of, remove, stamp_of
from listing_vibes.serving.places import FILE as DATABASE
from listing_vibes.serving.places import is_database, is_database_url, shown_place
from listing_vibes.serving.refresh.publication import next_version
from listing_vibes.serving.refresh.sources import JOURNALS
from listing_vibes.serving.refresh.state import RefreshState

#: Seconds to wait for the readers of an old version: a service polls for a newer one every 2 seconds.
PATIENCE_S = 30.0
#: Seconds to wait for another writer of the run, such as a `vibes refresh --every` in the middle of a refresh.
WAIT_S = 300.0


@dataclass
class Forgotten:
    """What `forget` removed.

    Attributes:
        rows: removed rows by file; those of a version count under the file of the version that replaced it.
        versions: removed folders of versions that had rows of the users.
        runs: runs whose weights were trained while the market had rows of the users.
    """

    rows: dict[str, int] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


class UsersToForget:
    """Users to remove, given by their ids or (if ids are hashed) by their names.

    Attributes:
        found: users that at least one table had.
    """

    def __init__(self, users: Sequence[str], names: UserNames) -> None:
        self._names, self.found = names, set[str]()
        ids = [id_text(user) or "" for user in users]
        self._given = {name: user for user in ids for name in (names.of(user), user)}

    def also_named_by(self, names: UserNames) -> None:
        """Add the hashed names of the users in another place."""
        self._given |= {names.of(name): user for name, user in list(self._given.items())}

    def are_named_in(self, content: bytes) -> bool:
        """Return whether lines of JSON have one of these users."""
        return any(json.dumps(name).encode() in content for name in self._given)

    def rows_in(self, users: pd.Series) -> np.ndarray:
        """Return which rows (n,) bool belong to these users."""
        users = as_ids(users)
        mine = users.map(self._given)
        if self._names.hashed:
            mine = mine.fillna(self._names.shown(users).map(self._given))
        self.found |= set(mine.dropna())
        return np.asarray(mine.notna().to_numpy(bool))


def forget(run: Path, users: Sequence[str], also: Iterable[Path | str] = ()) -> Forgotten:
    """Remove users from `run` and its market, and from the runs, lists and tables in the places `also`.

    First a version of the run without the users is published, as by a refresh; then the market's own tables are replaced, each by
    a rename, and the versions with rows of the users are removed. After an interruption the same call completes the removal. The
    model is not changed.

    Raises:
        NotThere: some of the users have no rows anywhere (the others are removed).
        VibesError: a folder cannot be written, a version with rows of the users is still being read, or a journal of 0.1.0 names them
            (all else is removed).
    """
    market, done = Run.open(run).market_on_disk, Forgotten()  # an open run would pin its version
    who, places = UsersToForget(users, market.names), [str(place) for place in also]
    elsewhere = [Path(place) for place in places if not is_database_url(place)]
    for place in elsewhere:
        if not place.exists():
            raise VibesError(
                f"There is no {place}; give a run, a folder or a table that may have these users."
            )
    folders = [place if place.is_dir() else place.parent for place in elsewhere]
    keys = {folder for folder in folders if (folder / FILE).is_file()}
    for folder in [Path()] if VARIABLE in os.environ and places else keys:  # of `vibes serve --hash-users`
        who.also_named_by(UserNames(folder, True))
    sweep_left(Path(gettempdir()))  # copies left by a refresh that was killed
    manifests = [(path, place) for place in elsewhere for path in place.rglob("run.toml")]
    runs = [run, *(path.parent for path, place in manifests if not _is_of_version(path, place))]
    runs = list({path.resolve(): path for path in runs}.values())
    # All runs stay locked until the last table is written: a refresh in between would add these users again.
    with ExitStack() as locks:
        for item in sorted(runs, key=Path.resolve):
            locks.enter_context(only_writer(item, "vibes forget", wait=WAIT_S))
        folders = [run, market.path, *elsewhere]
        for item in runs:
            _forget_in_run(item, who, done)
            folders.append(Run.open(item).market_on_disk.path)
        _forget_in_places(folders, places, who, done)
    for item in runs:
        _remove_versions(item, who, done)
    for file in dict.fromkeys(file for folder in folders for file in folder.rglob(JOURNALS)):
        if who.are_named_in(file.read_bytes()):
            raise VibesError(
                f"{file} is a journal of 0.1.0 that names these users, which is not rewritten; remove it, and run the same command again."
            )
    missing = [user for user in users if id_text(user) not in who.found]
    if missing:
        others = "; the others are removed" if len(missing) < len(users) else ""
        raise NotThere(
            f"There is no trace of user '{missing[0]}' in {run} and its market{others}; check the id."
        )
    return done


def _forget_in_places(
    folders: Sequence[Path], places: Sequence[str], who: UsersToForget, done: Forgotten
) -> None:
    """Rewrite the tables in folders without the users, and delete their rows in the databases there and among the places."""
    for folder in {path.parent for place in folders for path in place.rglob(f"{WRITING}*")}:
        sweep_left(folder)  # partial tables of killed writers
    tables = [path for place in folders for path in _tables_in(place) if not _is_of_version(path, place)]
    for table in dict.fromkeys(path.resolve() for path in tables):
        if table.exists() and (count := remove_rows(table, who)):
            done.rows[str(table)] = count
    files = [str(path) for place in folders for path in (place, *place.rglob(DATABASE))]
    for database in filter(is_database, dict.fromkeys((*places, *files))):
        if count := _forget_in_database(database, who):
            done.rows[shown_place(database)] = count


def _is_of_version(path: Path, place: Path) -> bool:
    """Return whether a path in a place belongs to a published version of a run there."""
    return STATES.folder in path.relative_to(place).parts


def _tables_in(folder: Path) -> Iterator[Path]:
    """Yield every table in a folder and its subfolders, including hidden files and links; `folder` may be a file."""
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        if path.name.endswith(TABLE_SUFFIXES) and path.is_file():
            yield path


def _forget_in_run(path: Path, who: UsersToForget, done: Forgotten) -> None:
    """Publish a version of a locked run without the users, if the run has its own tables or its market did not change."""
    run = Run.open(path)
    market = run.market_on_disk
    if run.has_model:
        done.runs.append(str(path))
    for folder in (path, market.path):  # temporary files of a killed writer may name the users
        sweep_left(folder)
    if market.tables != market.path:  # the version has its own tables
        tables = list(_tables_in(run.folder))
    else:
        tables = [] if run.market_changed else [t for t in _tables_in(market.path) if t.parent == market.path]
    if not any(rows_of(table, who).any() for table in tables):
        return
    config = market.config.model_copy(update={"actions": list(market.actions)})
    next_folder = folder_of(path, stamp_of(path).version + 1)
    with next_version(run, market, config, RefreshState.load(path)) as built:
        for table in list(_tables_in(built)):
            if count := remove_rows(table, who):
                done.rows[str(next_folder / table.relative_to(built))] = count
    if config != market.config:
        toml = folder_of(path, stamp_of(path).version) / "market" / "market.toml"
        copy_file(toml, market.path / "market.toml")


def _forget_in_database(place: str, who: UsersToForget) -> int:
    """Delete the users' rows, also while services write; return their number."""
    with needs("A database of events and impressions", "serve"):
        from listing_vibes.serving.database import Database

    with closing(Database(place, "--also")) as database:
        users = database.users()
        mine = who.rows_in(pd.Series(users, dtype="str"))
        return database.delete_users([users[row] for row in np.flatnonzero(mine)])


def _remove_versions(path: Path, who: UsersToForget, done: Forgotten) -> None:
    """Remove the old versions with rows of the users, and wait for their readers."""
    current, until = folder_of(path, stamp_of(path).version), time.monotonic() + PATIENCE_S
    for folder in sorted(path.joinpath(STATES.folder).glob("*")):
        if not folder.is_dir() or folder == current:
            continue
        if not any(rows_of(table, who).any() for table in _tables_in(folder)):
            continue
        while not remove(folder):
            if time.monotonic() > until:
                raise VibesError(
                    f"{folder} still has these users and is being read; stop or restart its readers (a service, an explorer), and "
                    "run the same command again."
                )
            time.sleep(0.2)
        done.versions.append(str(folder))


def rows_of(path: Path, who: UsersToForget) -> np.ndarray:
    """Return which rows (n,) bool of a table belong to the users; empty for a table without users."""
    try:
        columns = read_header(path).columns
    except VibesError as error:
        raise VibesError(
            f"{path} cannot be read as a table, so it may still name the users; correct or remove it, and run the same command again."
        ) from error
    if C.USER not in columns:
        return np.zeros(0, bool)
    is_parquet = path.suffix == ".parquet"
    table = to_frame(pq.read_table(path, columns=[C.USER])) if is_parquet else read_table(path)
    return who.rows_in(table[C.USER])


def remove_rows(path: Path, who: UsersToForget) -> int:
    """Rewrite a table without the users' rows, if it has any; return their number.

    The new file replaces the old one by a rename. It has the same columns, types and order; dictionary values that only these rows
    used are removed as well.

    Raises:
        VibesError: the file is not a table, the disk is full, or the folder cannot be written.
    """
    theirs = rows_of(path, who)
    if theirs.any():
        mode = path.stat().st_mode & 0o777
        with atomic_path(path) as temporary:
            (_copy_parquet if path.suffix == ".parquet" else _copy_csv)(path, temporary, ~theirs)
        path.chmod(mode)
    return int(theirs.sum())


def _copy_parquet(source: Path, target: Path, keep: np.ndarray) -> None:
    with pa.OSFile(str(source)) as stream:
        table = pq.ParquetFile(stream).read().filter(pa.array(keep))
    for place, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type):  # encoded again, without unused values
            plain = column.cast(column.type.value_type).combine_chunks().dictionary_encode()
            indices = plain.indices.cast(column.type.index_type)
            values = pa.DictionaryArray.from_arrays(indices, plain.dictionary)
            table = table.set_column(place, table.schema.field(place), values)
    pq.write_table(table, target, compression="zstd")


def _copy_csv(source: Path, target: Path, keep: np.ndarray) -> None:
    mark = csv_header(source)[1]
    rows = pd.read_csv(source, dtype="str", na_filter=False, index_col=False, encoding="utf-8", sep=mark)
    content = rows[keep].to_csv(index=False, lineterminator="\n", sep=mark).encode()
    # No time in the header, so that the same rows give the same bytes.
    target.write_bytes(gzip.compress(content, mtime=0) if source.name.endswith(".gz") else content)
