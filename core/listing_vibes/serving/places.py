"""Places of a service's database: a folder, a SQLite file, or a URL of SQLite or PostgreSQL."""

import re
from pathlib import Path

#: File name of the database in a folder, and the suffix of a database file.
FILE = "service.sqlite"
SUFFIXES = (".sqlite", ".sqlite3", ".db")
_URL = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?://")


def is_database_url(text: str) -> bool:
    """Return whether a place is the URL of a database, rather than a folder or a file."""
    return _URL.match(text) is not None


def is_database(place: str) -> bool:
    """Return whether a place is a database: its URL or its file."""
    return is_database_url(place) or (Path(place).suffix in SUFFIXES and Path(place).is_file())


def database_file(place: str | Path) -> Path:
    """Return the file of a place that is not a URL."""
    path = Path(place)
    return path if path.suffix in SUFFIXES and not path.is_dir() else path / FILE


def shown_place(place: str | Path) -> str:
    """Return a place without a password."""
    return re.sub(r"(?<=://)([^/:@]*):[^@]*@", r"\1@", str(place))


def resolve_place(place: str | Path) -> str:
    """Return a place as an absolute path, or as a URL without its password."""
    return shown_place(place) if is_database_url(str(place)) else str(Path(place).resolve())
