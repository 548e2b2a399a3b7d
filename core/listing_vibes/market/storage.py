"""Object storage through fsspec: files by URL, and errors in one sentence without secrets."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from listing_vibes.errors import VibesError, needs, printable
from listing_vibes.market.durable import scratch_folder
from listing_vibes.market.io import read_table

ADDRESS = r"[A-Za-z][A-Za-z0-9+.-]+://"  # two letters or more: C:// is a drive
_USER, _QUERY = re.compile(r"(?<=://)[^/@\s]*@"), re.compile(r"\?[^\s'\"]*")


def is_address(text: object) -> bool:
    """Return whether a text is a storage URL (`s3://bucket/folder`) rather than a local path."""
    return isinstance(text, str) and re.match(ADDRESS, text) is not None


@dataclass(frozen=True)
class StoragePath:
    """A folder or file on object storage.

    Attributes:
        files: its fsspec file system.
        path: its path in that file system.
        shown: its URL without user, password and query.
        label: what messages call it, such as "--out".
    """

    files: Any
    path: str
    shown: str
    label: str

    @classmethod
    def of(cls, address: str, label: str) -> "StoragePath":
        """Return the place of a URL, without any request to it.

        Raises:
            VibesError: fsspec or the protocol's package is not installed, or the protocol is unknown.
        """
        with needs("Object storage", "sources"):
            import fsspec
        try:
            files, path = fsspec.core.url_to_fs(address)
        # The package is not installed, or fsspec does not know the protocol.
        except (ImportError, ValueError) as error:
            protocol = address.partition("://")[0]
            raise VibesError(
                f"The address of {label} has the protocol '{protocol}://', which cannot be opened ({shown(str(error))}); give for example "
                "s3://bucket/folder or gs://bucket/folder."
            ) from error
        except Exception as error:
            with storage_errors(cls(None, "", shown(address), label)):
                raise error
        return cls(files, path.rstrip("/") if path.strip("/") else path, shown(address).rstrip("/"), label)

    def __truediv__(self, name: str) -> "StoragePath":
        return replace(self, path=f"{self.path.rstrip('/')}/{name}", shown=f"{self.shown}/{name}")

    @property
    def local(self) -> Path | None:
        """The local path; None on object storage."""
        protocol = self.files.protocol
        return Path(self.path) if "file" in ((protocol,) if isinstance(protocol, str) else protocol) else None

    def inside(self, name: str) -> str:
        """Return the path of a file relative to this folder."""
        return name.strip("/").removeprefix(self.path.strip("/")).strip("/")

    def find(self, suffixes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """Return the file system's details of each file in this folder and its subfolders with one of the suffixes, by path.

        Names that begin with `_` or `.` are skipped.

        Raises:
            VibesError: the folder does not exist or cannot be read.
        """
        with storage_errors(self):
            self.files.invalidate_cache()
            result = self.files.find(self.path, detail=True)
            if not result and not self.files.exists(self.path):
                raise FileNotFoundError
        return {
            str(path): entry
            for path, entry in result.items()
            if plain(str(path)).endswith(suffixes)
            and not any(part[:1] in ("_", ".") for part in self.inside(str(path)).split("/"))
        }

    def read_table(self) -> pd.DataFrame:
        """Read the file as a table.

        Raises:
            VibesError: it does not exist, cannot be read, or is not a table.
        """
        if self.local is not None:
            return read_table(self.local)
        with scratch_folder() as folder:
            copy = folder / Path(plain(self.path)).name
            self.fetch(copy)
            try:
                return read_table(copy)
            except VibesError as error:
                raise VibesError(str(error).replace(str(copy), self.shown)) from error

    def fetch(self, target: Path) -> None:
        """Download the file to the local path `target`.

        Raises:
            VibesError: it does not exist or cannot be read.
        """
        with storage_errors(self):
            self.files.get_file(self.path, str(target))

    def put(self, source: Path) -> None:
        """Upload a local file."""
        with storage_errors(self, "written"):
            self.files.makedirs(self.path.rpartition("/")[0], exist_ok=True)
            self.files.put_file(str(source), self.path)


def plain(name: str) -> str:
    """Return a path without the query of a signed URL."""
    return name.partition("?")[0]


def shown(address: str) -> str:
    """Return a URL without secrets: user, password and query, which may hold a signature."""
    return printable(_QUERY.sub("", _USER.sub("", address)))


@contextmanager
def storage_errors(place: StoragePath, what: str = "read") -> Iterator[None]:
    """Raise the many types of storage errors as one sentence."""
    try:
        yield
    except VibesError:
        raise
    except FileNotFoundError as error:
        raise VibesError(f"There is no {place.shown}; check the address of {place.label}.") from error
    except Exception as error:  # each storage library raises its own errors
        reason = shown((str(error).strip() or type(error).__name__).splitlines()[0])[:200].rstrip(".")
        fix = "check its address, the network, and the credentials (environment, profile, role)"
        if isinstance(error, pa.ArrowException):
            fix = "export it again, with the same type of a column in all files"
        raise VibesError(f"{place.shown} cannot be {what} ({reason}); {fix}.") from error
