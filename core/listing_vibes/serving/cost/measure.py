"""What a run costs at a million or a hundred million listings and users: a few constants measured here, then arithmetic."""

from __future__ import annotations

import io
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from listing_vibes.cores import cores
from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, write_text
from listing_vibes.model.config import EncoderConfig
from listing_vibes.search.index import ExactIndex
from listing_vibes.search.index.approximate import ApproximateIndex, lists_of
from listing_vibes.serving.batch.work import one_thread

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

FILE = "cost.json"
#: What is encoded, searched and searched in to measure; a second or two for a small model.
LISTINGS, USERS, QUERIES, SEARCHED, CODED = 512, 512, 256, 100_000, 20_000
REPEATS = 3
#: How much more memory the whole market must take than its small part for that to be no chance.
GREW = 1.1
#: Nothing is reckoned for more than so many times the listings that were measured: below what a step of training compares (17,408)
#: memory grows with every listing, and above hardly.
FAR = 100
SEED = 0


class Peak(BaseModel):
    """The most memory of a command: on the market of a run with so many `listings`, and on a part of it with `part_listings`.

    `part_bytes` is None where the part was too small for the command, or the market is no larger than that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    listings: int
    bytes: int
    part_listings: int
    part_bytes: int | None = None

    @property
    def each(self) -> float | None:
        """Bytes that one more listing takes, with the users, events and photos that it has here; None where what grew is not to be
        told from chance."""
        if self.part_bytes is None or self.bytes < GREW * self.part_bytes:
            return None
        return (self.bytes - self.part_bytes) / (self.listings - self.part_listings)

    def at(self, size: int) -> float | None:
        """Bytes for `size` listings, in proportion; None where that is not to be told."""
        if self.each is None or size > FAR * self.listings:
            return None
        return self.bytes + self.each * (size - self.listings)


class Constants(BaseModel):
    """What was measured, on one thread of one machine.

    Attributes:
        machine, cores: where; all rates are a second of one core.
        preset, history, inference: the model's size, how it reads a history, and the path that encodes.
        width: of a vector; listing_tokens, events: mean length of what was encoded.
        listings_s, users_s: encoded a second.
        pairs_s: exact products of a query with a listing a second, in batches.
        codes_s: listings that a search by IVF-PQ looks at a second, with all that it does besides.
        row_bytes: of one place of a list as compressed parquet.
        token_flops: operations that a token takes in the encoder (counted, not measured).
        scores_all: whether lists of users score every listing, as beside neighbours, so that no index shortens them.
        memory: of each command; empty where it was not asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    cores: int
    preset: str
    history: str
    inference: str
    width: int
    listing_tokens: float
    events: float
    listings_s: float
    users_s: float
    pairs_s: float
    codes_s: float
    row_bytes: float
    token_flops: float
    scores_all: bool = False
    memory: dict[str, Peak] = {}

    @classmethod
    def load(cls, run: Path) -> Constants | None:
        """What `vibes cost` measured on a run; None where it did not.

        Raises:
            VibesError: the file is damaged or of another version.
        """
        return read_json(run / FILE, f"measure again with `vibes cost {run}`", cls.model_validate)

    def save(self, run: Path) -> None:
        """Keep them beside the run."""
        write_text(run / FILE, self.model_dump_json(indent=1))


def measure(run: Run) -> Constants:
    """Measure the constants of a run on this machine; from here on this process computes on one thread.

    Raises:
        VibesError: the run has no model, or its market no events.
    """
    if not run.has_model:
        raise VibesError(
            f"{run.path} has no trained model, so there is nothing to measure; use `vibes train`."
        )
    log, engine = run.log, run.engine
    if not len(log):
        raise VibesError(f"{run.market.path} has no events, so no user can be encoded; measure another run.")
    one_thread()
    rng = np.random.default_rng(SEED)
    users = np.sort(rng.choice(len(log.users), min(USERS, len(log.users)), replace=False))
    start, end = log.start[users], log.start[users + 1]
    rows = np.sort(rng.choice(log.listings, min(LISTINGS, log.listings), replace=False))
    vectors = run.vectors("model")
    inputs, width = engine.inputs(log), vectors.shape[1]
    made = rng.normal(size=(SEARCHED, width)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    index = ExactIndex(made)
    return Constants(
        machine=machine(),
        cores=cores(),
        preset=run.manifest.settings.preset,
        history=engine.model.history,
        inference=engine.path,
        width=width,
        listing_tokens=float(inputs.listing_lengths(rows).mean()),
        events=float((end - start).mean()),
        listings_s=len(rows) / _seconds(lambda: engine.encode_listings(rows=rows)),
        users_s=len(users) / _seconds(lambda: engine.encode_histories(log, start, end, listings=vectors)),
        pairs_s=QUERIES * SEARCHED / _seconds(lambda: index.search(made[:QUERIES], K)),
        codes_s=_codes_s(made[:CODED], made[:QUERIES]),
        row_bytes=_row_bytes(run, index, made[:QUERIES]),
        token_flops=token_flops(run.manifest.settings.encoder_config()),
        scores_all=run.recommender().scores_all,
    )


def token_flops(config: EncoderConfig) -> float:
    """Two operations a weight of every layer's projections, and the attention within its window."""
    layer = 4 * config.width**2 + 2 * config.width * config.ffn
    return float(sum(2 * layer + 4 * config.width * window for window in config.windows))


def machine() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _seconds(work: Callable[[], object]) -> float:
    """Median of a few times on the processor (whatever else the machine does), after one that loads what is loaded once."""
    work()
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return median(times)


def _codes_s(vectors: np.ndarray, queries: np.ndarray) -> float:
    """Every list is asked: in a large market the few that are asked hold more than all of these together."""
    index = ApproximateIndex.build(vectors, "ivf-pq")
    index.effort = lists_of(len(vectors))
    return len(queries) * len(vectors) / _seconds(lambda: index.search(queries, K))


def _row_bytes(run: Run, index: ExactIndex, queries: np.ndarray) -> float:
    """Bytes of a row of `vibes batch --kind listings`, with candidates drawn as a search in many listings finds them."""
    rows, scores = index.search(queries, K)
    ids = np.array([f"{run.listing_ids[0]}{row}" for row in range(len(index.vectors))])
    table = pa.table(
        {
            "listing_id": np.repeat(ids[: len(rows)], K),
            "rank": np.tile(np.arange(1, K + 1, dtype=np.int32), len(rows)),
            "candidate_id": ids[rows.ravel()],
            "score": scores.ravel(),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.tell() / table.num_rows
