"""Object storage by its address, through fsspec: where something lies, and what goes wrong there in one sentence without secrets."""

from __future__ import annotations

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

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # of two letters or more: C:// is a drive
_USER, _QUERY = re.compile(r"(?<=://)[^/@\s]*@"), re.compile(r"\?[^\s'\"]*")


def is_address(text: object) -> bool:
    """Whether somebody names a place on some storage (`s3://bucket/folder`) rather than a path here."""
    return isinstance(text, str) and _ADDRESS.match(text) is not None


@dataclass(frozen=True)
class Place:
    """A folder or file on a storage.

    Attributes:
        files: its fsspec file system.
        path: as that file system names it.
        shown: its address without user, password and query.
        told: what a sentence calls it, such as "--out".
    """

    files: Any
    path: str
    shown: str
    told: str

    @classmethod
    def of(cls, address: str, told: str) -> Place:
        """The place of an address; nothing is asked yet.

        Raises:
            VibesError: fsspec or the package of the protocol is not installed, or nobody knows the protocol.
        """
        with needs("Storage by its address", "sources"):
            import fsspec
        try:
            files, path = fsspec.core.url_to_fs(address)
        except (
            ImportError,
            ValueError,
        ) as error:  # a package that is not installed, or a protocol that fsspec does not know
            protocol = address.partition("://")[0]
            raise VibesError(
                f"The address of {told} begins with '{protocol}://', which cannot be opened ({shown(str(error))}); give for example "
                "s3://bucket/folder or gs://bucket/folder."
            ) from error
        except Exception as error:
            with asked(cls(None, "", shown(address), told)):
                raise error
        return cls(files, path.rstrip("/") if path.strip("/") else path, shown(address).rstrip("/"), told)

    def __truediv__(self, name: str) -> Place:
        return replace(self, path=f"{self.path.rstrip('/')}/{name}", shown=f"{self.shown}/{name}")

    @property
    def local(self) -> Path | None:
        """The path on this machine; None on a storage."""
        protocol = self.files.protocol
        return Path(self.path) if "file" in ((protocol,) if isinstance(protocol, str) else protocol) else None

    def inside(self, name: str) -> str:
        """How a file of the storage is called from this folder on."""
        return name.strip("/").removeprefix(self.path.strip("/")).strip("/")

    def find(self, suffixes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """Return what the storage says of each file here and in the folders below that ends so, by its path.

        Names that begin with `_` or `.` are left out.

        Raises:
            VibesError: there is nothing of this name, or it may not be read.
        """
        with asked(self):
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
            VibesError: it is not there, may not be read, or is none.
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
        """Copy the file to `target` on this machine.

        Raises:
            VibesError: it is not there, or may not be read.
        """
        with asked(self):
            self.files.get_file(self.path, str(target))

    def put(self, source: Path) -> None:
        """Copy a file of this machine there.

        Raises:
            VibesError: it may not be written.
        """
        with asked(self, "written"):
            self.files.makedirs(self.path.rpartition("/")[0], exist_ok=True)
            self.files.put_file(str(source), self.path)


def plain(name: str) -> str:
    """A path without the query of a signed address."""
    return name.partition("?")[0]


def shown(address: str) -> str:
    """An address without what may be secret in it: user, password, and a query, in which a signature may stand."""
    return printable(_QUERY.sub("", _USER.sub("", address)))


@contextmanager
def asked(place: Place, what: str = "read") -> Iterator[None]:
    """Raise the many kinds of errors of a storage as one sentence.

    Raises:
        VibesError: instead of them.
    """
    try:
        yield
    except VibesError:
        raise
    except FileNotFoundError as error:
        raise VibesError(f"There is no {place.shown}; check the address of {place.told}.") from error
    except Exception as error:  # each storage raises classes of its own library
        reason = shown((str(error).strip() or type(error).__name__).splitlines()[0])[:200].rstrip(".")
        fix = "check its address, the network, and the credentials (environment, profile, role)"
        if isinstance(error, pa.ArrowException):
            fix = "export it again, a column of one type in all of its files"
        raise VibesError(f"{place.shown} cannot be {what} ({reason}); {fix}.") from error
