"""What a batch job is, and the folder that it fills: a manifest, and one parquet file a chunk."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import read_json, write_text
from listing_vibes.market.durable import atomic_path, sweep_left
from listing_vibes.run.fits import Fit
from listing_vibes.run.rules import Rules

MANIFEST = "_job.json"  # readers of parquet folders skip names that begin with _ or .
HISTORIES, GAIN = "_histories", "_recency.npy"
FORMAT = 1
Kind = Literal["similar", "recommend"]


class Job(BaseModel):
    """All that the rows of a job depend on.

    Attributes:
        run: its folder; name: what the rows call it; generation: how many refreshes it had behind it.
        fingerprint: sha256 of the run's vectors and weights and of the market's tables.
        inference: the path that encodes users, since bfloat16 and float32 give different rows.
        beside: what is added to the model; what recency adds at the moment lies in the folder.
        at: the moment, nanoseconds UTC or (not `timed`) a position; asked_at: the same where one was asked for,
            or that it was the moment when the job began.
        chunk: listings or users a file; chunks: how many files there will be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    kind: Kind
    run: str
    name: str
    generation: int
    fingerprint: str
    inference: str
    space: str
    rules: Rules
    beside: Fit | None = None
    at: int
    asked_at: int | Literal["now"] | None
    timed: bool
    chunk: int
    chunks: int

    @classmethod
    def load(cls, folder: Path) -> Job | None:
        """The job that fills `folder`; None where there is none.

        Raises:
            VibesError: its manifest is damaged or of another version.
        """
        return read_json(folder / MANIFEST, "choose another folder, or remove this one", cls.model_validate)

    def save(self, folder: Path) -> None:
        """Write the manifest."""
        write_text(folder / MANIFEST, self.model_dump_json(indent=1))

    @property
    def id_column(self) -> str:
        """What a list belongs to."""
        return C.LISTING if self.kind == "similar" else C.USER

    @property
    def schema(self) -> pa.Schema:
        """The columns of every file."""
        return pa.schema(
            [
                (self.id_column, pa.string()),
                ("rank", pa.int32()),
                ("candidate_id", pa.string()),
                ("score", pa.float32()),
                ("run", pa.dictionary(pa.int32(), pa.string())),
                ("at", pa.timestamp("us", "UTC") if self.timed else pa.int64()),
                *([("rule", pa.dictionary(pa.int32(), pa.string()))] if self.rules.says else []),
            ]
        )

    def todo(self, folder: Path) -> list[int]:
        """The chunks whose file is not there yet."""
        return [number for number in range(self.chunks) if not part_path(folder, number).is_file()]

    def write(self, folder: Path, number: int, table: pa.Table) -> None:
        """The file of a chunk: whole or not there, and the same however often it is written."""
        with atomic_path(part_path(folder, number)) as temporary:
            pq.write_table(table, temporary, compression="zstd")


def tidy(job: Job, folder: Path) -> None:
    """Remove the histories that a job was cut into, once all its files are there."""
    if not job.todo(folder):
        shutil.rmtree(folder / HISTORIES, ignore_errors=True)


def part_path(folder: Path, number: int) -> Path:
    """The file of a chunk."""
    return folder / f"part-{number:05d}.parquet"


def claim(folder: Path, asked: dict[str, object]) -> Job | None:
    """The unfinished or finished job in `folder` where it is the one that was `asked` for; None where it is free.

    Args:
        asked: fields of `Job` and what they should be.

    Raises:
        VibesError: the folder holds another job, or files that no job wrote.
    """
    sweep_left(folder)
    there = Job.load(folder)
    if there is None:
        strange = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
        if strange:
            raise VibesError(
                f"{folder} holds {strange[0].name}, which no job of this kind wrote; choose another folder."
            )
        return None
    had = json.loads(there.model_dump_json())
    for name, value in asked.items():
        wanted = json.loads(value.model_dump_json()) if isinstance(value, BaseModel) else value
        if had[name] != wanted:
            raise VibesError(
                f"{folder} holds the lists of another command ({_difference(name, had[name], wanted, there.timed)}); "
                "give the same options to go on with that one, or choose another folder."
            )
    return there


def _difference(name: str, had: object, wanted: object, timed: bool) -> str:
    if isinstance(had, dict) and isinstance(wanted, dict):
        name = next(key for key in had if had[key] != wanted[key])
        had, wanted = had[name], wanted[name]
    if name in ("fingerprint", "generation"):
        return "the run or its market changed since"
    if name == "asked_at" and timed:  # nanoseconds tell a person nothing
        had, wanted = (
            str(np.datetime64(one, "ns"))[:19] if isinstance(one, int) else one for one in (had, wanted)
        )
    return f"{name.removeprefix('asked_').replace('_', ' ')} was {had}, now {wanted}"


def fingerprint_of(run: Path, market: str) -> str:
    """sha256 of what the lists come from: vectors, weights and the fingerprint of the market."""
    digest = hashlib.sha256(market.encode())
    for path in (run / "listings.safetensors", run / "model.safetensors"):
        if path.is_file():
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
