"""The market's own folder, which follows the published generations table by table."""

from __future__ import annotations

import os
from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import copy_file, sweep_left
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.market.io import TABLES, find_table, table_files
from listing_vibes.run.run import Run

NAMES = ("market.toml", *TABLES)
Digests = dict[str, str]
#: Files that were written, each with the name of the file that it replaced.
Written = dict[str, str | None]
Stat = tuple[int, int, int]


class MarketFolder:
    """`market.toml` and the tables of a run's market as they lie in the market's folder.

    Readers of the run read its generation. The folder gets the same files afterwards, each by a rename, listings before
    events, so that every other command on the market, too, sees what is new; what an interruption or a full disk left
    undone is done at the next look or start.

    Args:
        replaced: digests of the files that the run's generation took the place of.

    Raises:
        VibesError: somebody else changed a file since, or nothing can be written there.
    """

    def __init__(self, run: Run, replaced: Digests) -> None:
        self.path = run.market_on_disk.path
        if not os.access(self.path, os.W_OK):  # told before anything is published
            raise VibesError(
                f"{self.path} cannot be written, and a refresh brings the market's tables up to date, too; make the folder writable, "
                "or embed the run over a copy of it that is."
            )
        sweep_left(self.path)
        self._run, self._replaced = run, replaced
        self.written: Written = {}
        if run.market.tables == self.path and run.market_changed:
            raise self._error()
        self._remove_replaced()
        self.digests = digests(self.path)
        self._seen: list[Stat | None] = []
        self._agree()

    def check(self) -> None:
        """Does what is left undone.

        Raises:
            VibesError: a file was changed since the last look, or cannot be written.
        """
        if self._stamps() != self._seen:
            self._agree()

    def extend(self, run: Run) -> None:
        """Bring the folder to the state of a generation that was published.

        Raises:
            VibesError: a file was changed meanwhile, or cannot be written, which the next look tries again.
        """
        self._run, self._replaced, self._seen, self.written = run, self.digests, [], {}
        self._agree()

    def _agree(self) -> None:
        """Have the folder hold the tables of the run where it holds these or, maybe in parts, those before."""
        lie, tables = digests(self.path), self._run.market.tables
        if tables == self.path:
            if lie != self.digests:
                raise self._error()
        elif lie != (ours := digests(tables)):
            if any(lie.get(name) not in (ours.get(name), self._replaced.get(name)) for name in NAMES):
                raise self._error()
            self._copy(self._run)
        self.digests, self._seen = digests(self.path), self._stamps()

    def _copy(self, run: Run) -> None:
        lie, ours = digests(self.path), digests(run.market.tables)
        for name in NAMES:
            source = _file(run.market.tables, name)
            if source is None or lie.get(name) == ours[name]:
                continue
            before = _file(self.path, name)
            copy_file(source, self.path / source.name)
            self.written[str(self.path / source.name)] = None if before is None else before.name
            for file in table_files(self.path, name):
                if file.name != source.name:  # the CSV that this Parquet file replaces
                    file.unlink(missing_ok=True)

    def _remove_replaced(self) -> None:
        """Remove the CSV of a table whose Parquet file, that of the run, was copied by a refresh that was killed before it could."""
        for name in TABLES:
            files, ours = table_files(self.path, name), find_table(self._run.market.tables, name)
            if len(files) < 2 or ours is None or self.path / ours.name not in files:
                continue
            if file_sha256(self.path / ours.name) == file_sha256(ours):
                for file in files:
                    if file.name != ours.name and file_sha256(file) == self._replaced.get(name):
                        file.unlink(missing_ok=True)

    def _stamps(self) -> list[Stat | None]:
        """What changes with a file, without reading it."""
        files = [_file(self.path, name) for name in NAMES]
        stats = [None if file is None else file.stat() for file in files]
        return [None if s is None else (s.st_ino, s.st_size, s.st_mtime_ns) for s in stats]

    def _error(self) -> VibesError:
        return VibesError(
            f"The tables of {self.path} were changed by something else since {self._run.path} was embedded or refreshed; "
            f"bring the run up to date with `vibes embed {self.path} {self._run.path} --model {self._run.path}`."
        )


def digests(folder: Path) -> Digests:
    """sha256 of `market.toml` and each table that a folder has, by its name."""
    found = {}
    for name in NAMES:
        file = _file(folder, name)
        if file is not None:
            found[name] = file_sha256(file)
    return found


def _file(folder: Path, name: str) -> Path | None:
    if name in TABLES:
        return find_table(folder, name)
    return folder / name if (folder / name).is_file() else None
