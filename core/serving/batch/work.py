"""What scores one chunk of a job; every process or thread that works on the job holds one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.errors import VibesError
from core.market.io import atomic_path
from core.market.splits import Catalogue
from core.run.histories import read_moment
from core.run.run import Run, as_moment
from core.scoring.recency import Recency, asking, beside
from core.search.index import ExactIndex
from core.serving.batch.histories import after_last_event, cut_histories, read_histories
from core.serving.batch.job import GAIN, HISTORIES, Job, Kind, claim, fingerprint_of, part_path
from core.serving.batch.rules import Groups, Rules
from core.serving.batch.select import Selector

#: Listings or users a chunk.
CHUNK = 2048
Report = Callable[[str, int, int], None]  # what, done, of how many


@dataclass(frozen=True, eq=False)
class Work:
    """A job, and the run, the index and the columns that its chunks are made with."""

    job: Job
    folder: Path
    run: Run
    index: ExactIndex
    groups: Groups
    eligible: np.ndarray  # (L,) bool
    order: np.ndarray  # (Q,) the listings that have a vector, in the order of the chunks
    ids: pa.Array  # (L,) listing ids

    @classmethod
    def of(cls, job: Job, folder: Path, run: Run) -> Work:
        """Open what the job needs."""
        rules = job.rules
        if job.recency is None:
            index = run.batch_index(job.space)
        else:
            index = index_beside(run.vectors(job.space), np.load(folder / GAIN, allow_pickle=False))
        groups = Groups.of(rules, run.market)
        eligible = index.known
        if rules.live_only:
            catalogue = Catalogue.of(run.market)
            eligible = eligible & (catalogue.since <= job.at) & (job.at < catalogue.until)
        order = np.flatnonzero(index.known)
        if groups.region is not None:  # the listings of one region stand together
            order = order[np.argsort(groups.region[order], kind="stable")]
        if inference_of(run, job.kind) != job.inference:  # also loads the model, before threads share it
            raise VibesError(
                f"{folder} was begun on a machine that encodes in {job.inference}, this one in {run.engine.path}; "
                "set inference in run.toml to one that both have, or go on there."
            )
        return cls(job, folder, run, index, groups, eligible, order, pa.array(run.listing_ids, pa.string()))

    @classmethod
    def reopen(cls, folder: Path) -> Work:
        """What another process needs to help with the job in `folder`."""
        job = Job.load(folder)
        if job is None:
            raise VibesError(f"{folder} holds no job; it was removed while it was worked on.")
        one_thread()
        run = Run.open(Path(job.run), events_too=False)
        if run.generation != job.generation:
            raise VibesError(
                f"{run.path} was refreshed while {folder} was filled; choose a new folder for --out."
            )
        return cls.of(job, folder, run)

    def finish(self, number: int) -> int:
        """Score a chunk and write its file; returns how many lists it holds."""
        table, lists = self.chunk(number)
        self.job.write(self.folder, number, table)
        return lists

    def chunk(self, number: int) -> tuple[pa.Table, int]:
        """The rows of a chunk, and how many listings or users they are for."""
        return self._similar(number) if self.job.kind == "similar" else self._recommend(number)

    def _similar(self, number: int) -> tuple[pa.Table, int]:
        rows = self.order[number * self.job.chunk :][: self.job.chunk]  # (B,)
        found = self._lists(self.index.vectors[rows], rows, rows, np.arange(len(rows)))  # never itself
        return self._table(self.ids.take(pa.array(rows)), *found), len(rows)

    def _recommend(self, number: int) -> tuple[pa.Table, int]:
        path = part_path(self.folder / HISTORIES, number)
        log = read_histories(path, len(self.ids), self.job.timed)
        queries = self.run.engine.encode_histories(
            log, log.start[:-1], log.start[1:], listings=self.run.vectors("model")
        )  # (B, d)
        if self.job.recency is not None:
            queries = asking(queries)
        newest = log.listing[log.start[1:] - 1]  # (B,)
        seen, owner = (log.listing, log.user) if self.job.rules.drop_seen else (newest[:0], newest[:0])
        found = self._lists(queries, newest, seen.astype(np.int64), owner.astype(np.int64))
        return self._table(pa.array(log.users, pa.string()), *found), len(queries)

    def _lists(
        self, queries: np.ndarray, of: np.ndarray, banned: np.ndarray, owner: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lists of queries (B, d) that belong to the regions of the listings `of` (B,)."""
        width = self.run.vectors(self.job.space).shape[1]
        selector = Selector(self.index, self.job.rules, self.groups, self.eligible, width)
        region = None if self.groups.region is None else self.groups.region[of]
        return selector.lists(queries, region, banned, owner)

    def _table(self, names: pa.Array, rows: np.ndarray, scores: np.ndarray) -> pa.Table:
        """One row a place of a list, from rows and scores (B, k)."""
        line, place = np.nonzero(rows >= 0)
        job, count = self.job, len(line)
        schema = job.schema
        at = pa.array([job.at // 1000 if job.timed else job.at], pa.int64()).cast(schema.field("at").type)
        columns = {
            job.id_column: names.take(pa.array(line)),
            "rank": pa.array((place + 1).astype(np.int32)),
            "candidate_id": self.ids.take(pa.array(rows[line, place])),
            "score": pa.array(scores[line, place]),
            "run": pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [job.name]),
            "at": at.take(pa.array(np.zeros(count, np.int64))),
        }
        return pa.table(columns, schema)


def index_beside(vectors: np.ndarray, gain: np.ndarray) -> ExactIndex:
    """As `Run.batch_index`, over vectors (L, d) that stand beside a gain (L,)."""
    from core.search.index.choose import SAMPLE, choose

    known = np.flatnonzero(vectors.any(axis=1))
    rows = np.random.default_rng(0).choice(known, min(SAMPLE, len(known)), replace=False)
    return choose(beside(vectors, gain), queries=asking(vectors[rows])).index


def inference_of(run: Run, kind: Kind) -> str:
    """The path that encodes users (see `core.model.fast.choose`); none for listings, which are encoded already."""
    return run.engine.path if kind == "recommend" else ""


def prepare(
    run_path: Path,
    folder: Path,
    kind: Kind,
    rules: Rules,
    space: str | None = None,
    at: str | None = None,
    chunk: int = CHUNK,
    report: Report | None = None,
    recency: Recency | None = None,
) -> Work:
    """A job in `folder`: a new one, or the one that the same arguments started there; see `one_thread`.

    Args:
        space: None: the model's, or for listings the first that the run has.
        at: the moment as people write it; None: after the last event.
        recency: what the scores of a recommendation gain; None: nothing.

    Raises:
        VibesError: the folder holds another job, the run cannot serve this one, or an attribute is unknown.
    """
    one_thread()
    run = Run.open(run_path, events_too=False)
    market, rules = run.market, rules.resolved(run.market)
    space = space or ("model" if kind == "recommend" else run.spaces[0])
    index = run.index(space)
    if kind == "recommend" and not run.has_model:
        raise VibesError(f"{run.path} has no trained model, so it cannot recommend; use `vibes train`.")
    when = read_moment(at, market.timed)
    moment = None if when is None else as_moment(when)
    told: dict[str, Any] = {
        "kind": kind,
        "run": str(run_path.resolve()),
        "space": space,
        "rules": rules,
        "recency": recency,
        "chunk": chunk,
        "generation": run.generation,
        "fingerprint": fingerprint_of(run.folder, market.fingerprint),
        "asked_at": moment,
        "inference": inference_of(
            run, kind
        ),  # loads the model: what is amiss is told before the events are sorted
    }
    job = claim(folder, told)
    if job is None:
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "similar":
            moment = after_last_event(market) if moment is None else moment
            chunks = math.ceil(index.known.sum() / chunk)
        else:
            progress = None if report is None else lambda done, of: report("events", done, of)
            after = cut_histories(market, folder / HISTORIES, chunk, moment, progress)
            moment = after if moment is None else moment
            if recency is not None:
                count = len(run.listing_ids)
                parts = sorted((folder / HISTORIES).glob("part-*.parquet"))
                gain = recency.gain(
                    (read_histories(part, count, market.timed) for part in parts), count, moment
                )
                with atomic_path(folder / GAIN) as temporary, temporary.open("wb") as stream:
                    np.save(stream, gain)
            chunks = len(list((folder / HISTORIES).glob("part-*.parquet")))
        name = f"{run_path.resolve().name}-{told['fingerprint'][:8]}"
        job = Job(**told | {"at": moment}, name=name, timed=market.timed, chunks=chunks)
        job.save(folder)
    return Work.of(job, folder, run)


def one_thread() -> None:
    """From here on this thread (torch: this process) computes without helpers, so that sums are the same everywhere.

    Also the index is built so: its axes, too, must not depend on the machine's cores.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    try:
        import torch
    except ImportError:  # similar listings need no torch
        return
    torch.set_num_threads(1)
