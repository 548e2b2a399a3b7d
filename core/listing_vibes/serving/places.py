"""Places that may name users: the folder, file or URL of a service's database, and everything below the folders of `vibes forget`."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from listing_vibes.market.display_names import FILE as KEY_FILE
from listing_vibes.market.durable import WRITING
from listing_vibes.run.versions import STATES

#: File name of the database in a folder, and the suffixes of a database file that need not exist yet.
FILE = "service.sqlite"
SUFFIXES = (".sqlite", ".sqlite3", ".db")
_URL = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?://")
_SQLITE = b"SQLite format 3\0"
#: Endings of tables whose rows can be removed, in any case.
_TABLE = re.compile(r"\.(parquet|((csv|tsv|jsonl|ndjson)(\.(gz|bz2|xz))?))$", re.IGNORECASE)
#: Endings of files that name no user: photos and weights, and what SQLite writes beside its databases.
_WITHOUT_USERS = re.compile(
    r"\.(jpe?g|png|webp|gif|avif|bmp|tiff?|heic|safetensors|onnx|(\w+-(wal|shm|journal)))$", re.IGNORECASE
)


def is_database_url(text: str) -> bool:
    """Return whether a place is the URL of a database, rather than a folder or a file."""
    return _URL.match(text) is not None


def is_database(place: str) -> bool:
    """Return whether a place is a database: its URL, or its file whatever the name."""
    path = Path(place)
    return is_database_url(place) or (
        path.is_file() and (path.suffix in SUFFIXES or _first_bytes(path) == _SQLITE)
    )


def database_file(place: str | Path) -> Path:
    """Return the file of a place that is not a URL."""
    path = Path(place)
    return path if path.is_file() or (path.suffix in SUFFIXES and not path.is_dir()) else path / FILE


def shown_place(place: str | Path) -> str:
    """Return a place without a password."""
    return re.sub(r"(?<=://)([^/:@]*):[^@]*@", r"\1@", str(place))


def resolve_place(place: str | Path) -> str:
    """Return a place as an absolute path, or as a URL without its password."""
    return shown_place(place) if is_database_url(str(place)) else str(Path(place).resolve())


@dataclass
class Inventory:
    """The files in some places that may name users, each once.

    Attributes:
        tables, databases, keys: files of tables, of SQLite, and with a key that hashes users.
        runs: folders of runs; their published versions are not part of the inventory.
        others: files of other kinds, except photos and weights.
        unfinished: folders with temporary files of a writer.
        problems: folders that cannot be listed, and links that are not followed since they lead out of a run or market.
    """

    tables: list[Path] = field(default_factory=list)
    databases: list[Path] = field(default_factory=list)
    keys: list[Path] = field(default_factory=list)
    runs: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, places: Iterable[Path]) -> "Inventory":
        """Take the inventory of files, and of folders with all that is below them, including hidden files."""
        result, visited = cls(), set[Path]()
        for place in places:
            files = [place] if place.is_file() else result._walk(place, visited, is_inside=False)
            for path in files:
                if (real := path.resolve()) not in visited:
                    visited.add(real)
                    result._add(path)
            key = place.parent / KEY_FILE
            if place.is_file() and key.is_file():  # of a database that is named by its file
                result.keys.append(key)
        return result

    def _walk(self, folder: Path, visited: set[Path], is_inside: bool) -> Iterator[Path]:
        """Yield the files below a folder; `is_inside`: it belongs to a run or market."""
        if folder.resolve() in visited:
            return
        visited.add(folder.resolve())
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.problems.append(f"{folder} cannot be listed ({error.strerror}); make it readable.")
            return
        names = {entry.name for entry in entries}
        if "run.toml" in names:
            self.runs.append(folder)
        is_inside = is_inside or not names.isdisjoint({"run.toml", "market.toml"})
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith(WRITING):
                self.unfinished.append(folder)
            if not entry.is_dir():
                yield path
            elif entry.is_symlink() and is_inside:
                self.problems.append(
                    f"{path} leads out of its run or market and is not followed; name its target with --also, and replace the link."
                )
            elif not (entry.name == STATES.folder and "run.toml" in names):
                yield from self._walk(path, visited, is_inside)

    def _add(self, path: Path) -> None:
        if not path.is_file() or _WITHOUT_USERS.search(path.name):
            return
        if path.name == KEY_FILE:
            self.keys.append(path)
        elif _TABLE.search(path.name) or (start := _first_bytes(path))[:4] == b"PAR1":
            self.tables.append(path)
        elif start == _SQLITE or path.suffix in SUFFIXES:
            self.databases.append(path)
        else:
            self.others.append(path)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_SQLITE))
    except OSError:  # it cannot be read, which whoever needs its content says
        return b""
