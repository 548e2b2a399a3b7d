"""What scores one chunk of a job; every process or thread that works on the job holds one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.market import Market
from listing_vibes.market.moments import moment_in_log
from listing_vibes.market.splits import Catalogue
from listing_vibes.progress import Report
from listing_vibes.run.additions import Additions
from listing_vibes.run.fits import Fit, serving_fit
from listing_vibes.run.groups import resolve_rules
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.queries import named_rows
from listing_vibes.run.ranking import Lists
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import RULED, Rules
from listing_vibes.run.run import Run
from listing_vibes.run.score_moves import position, read_boost, read_dial
from listing_vibes.run.versions import reading
from listing_vibes.run.where import read_condition
from listing_vibes.scoring.exposure import Exposure
from listing_vibes.scoring.recency import RecentEvents, recency_prior
from listing_vibes.serving.batch.histories import cut_histories, read_histories
from listing_vibes.serving.batch.job import GAIN, HISTORIES, Job, Kind, claim, fingerprint_of, part_path

#: Listings or users a chunk.
CHUNK = 2048
NOW = "now"


@dataclass(frozen=True, eq=False)
class Work:
    """A job, and the run and the maker of lists that its chunks are made with."""

    job: Job
    folder: Path
    run: Run
    maker: Recommender
    order: np.ndarray  # (Q,) the listings that have a vector, in the order of the chunks
    ids: pa.Array  # (L,) listing ids

    @classmethod
    def of(cls, job: Job, folder: Path, run: Run) -> Work:
        """Open what the job needs."""
        additions = None if job.beside is None else Additions(run, job.beside)
        gain = np.load(folder / GAIN, allow_pickle=False) if (folder / GAIN).is_file() else None
        maker = Recommender(run, job.space, job.rules, additions, batch=True, gain=gain)
        order = np.flatnonzero(run.index(job.space).known)
        if maker.groups.region is not None:  # the listings of one region stand together
            order = order[np.argsort(maker.groups.region[order], kind="stable")]
        if inference_of(run, job.kind) != job.inference:  # also loads the model, before threads share it
            raise VibesError(
                f"{folder} was begun on a machine that encodes in {job.inference}, this one in {run.engine.path}; "
                "set inference in run.toml to one that both have, or go on there."
            )
        maker.warm(job.at if job.kind == "recommend" else None)
        return cls(job, folder, run, maker, order, pa.array(run.listing_ids, pa.string()))

    @classmethod
    def reopen(cls, folder: Path) -> Work:
        """What another process needs to help with the job in `folder`."""
        job = Job.load(folder)
        if job is None:
            raise VibesError(f"{folder} holds no job; it was removed while it was worked on.")
        one_thread()
        run = Run.open(Path(job.run), events_too=job.beside is not None and job.beside.needs_events)
        if run.generation != job.generation:
            raise VibesError(f"{run.path} was refreshed while {folder} was filled; choose a new folder.")
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
        return self._table(self.ids.take(pa.array(rows)), self.maker.similar(rows, self.job.at)), len(rows)

    def _recommend(self, number: int) -> tuple[pa.Table, int]:
        path = part_path(self.folder / HISTORIES, number)
        log = read_histories(path, self.run.market)
        found = self.maker.recommend(log, log.start[:-1], log.start[1:], self.job.at, self.job.rules.k)
        return self._table(pa.array(log.users, pa.string()), found), len(log.users)

    def _table(self, names: pa.Array, found: Lists) -> pa.Table:
        """One row a place of a list."""
        rows, scores, ruled = found  # (B, k) each
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
        if job.rules.says:
            columns["rule"] = pa.DictionaryArray.from_arrays(ruled[line, place].astype(np.int32), list(RULED))
        return pa.table(columns, schema)


def save_gain(folder: Path, fit: Fit, market: Market, at: int) -> None:
    """Write what recency adds to every listing's score at a moment, counted from the histories part by part."""
    count, moment = np.zeros((1, len(market.listings)), np.float32), np.array([at])
    begun: list[int] = []
    for part in sorted((folder / HISTORIES).glob("part-*.parquet")):
        log = read_histories(part, market)
        recent = RecentEvents.of(log, log.wanted, fit.days, fit.events)
        count += recent.counts(moment)
        begun += recent.time[:1].tolist()
    exposure = Exposure.of(min(begun), Catalogue.of(market)) if begun else None
    if fit.days is not None and exposure is not None:  # of all parts together, as it is of a whole log
        count = exposure.expected(count, moment, fit.days, count.sum(axis=1))
    with atomic_path(folder / GAIN) as temporary, temporary.open("wb") as stream:
        np.save(stream, recency_prior(count[0], fit.weight))


def inference_of(run: Run, kind: Kind) -> str:
    """The path that encodes users (see `listing_vibes.model.fast.choose`); none for listings, which are encoded already."""
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
    beside: str | None = None,
) -> Work:
    """A job in `folder`: a new one, or the one that the same arguments started there; see `one_thread`.

    Args:
        space: None: the model's, or for listings the first that the run has.
        at: the moment as people write it; None: after the last event.
        beside: what is added to the model in a recommendation, see `listing_vibes.run.fits.serving_fit`.

    Raises:
        VibesError: the folder holds another job, the run cannot serve this one, or an attribute is unknown.
    """
    one_thread()
    fit = None
    if kind == "recommend":
        with reading(run_path) as state:
            fit = serving_fit(run_path, Manifest.load(state).settings, beside)
    run = Run.open(run_path, events_too=fit is not None and fit.needs_events)
    market, rules = run.market, resolve_rules(rules, run.market, kind == "recommend")
    for condition in rules.where:  # told before the events are sorted, not after
        read_condition(market, condition)
    for boost in rules.boost:
        read_boost(market, boost)
    for dial in rules.dial:
        position(run, read_dial(dial))
    for option, named in (("--pin", rules.pin), ("--block", rules.block), ("--not", rules.unlike)):
        named_rows(run, named, option)
    space = space or ("model" if kind == "recommend" else run.spaces[0])
    index = run.index(space)
    if kind == "recommend":
        run.needs_model()
    moment = None if at is None else moment_in_log(at, market.timed, "Option --at")
    asked_at = (
        NOW if at is not None and at.strip() == NOW else moment
    )  # gone on with later it is the moment of then
    told: dict[str, Any] = {
        "kind": kind,
        "run": str(run_path.resolve()),
        "space": space,
        "rules": rules,
        "beside": fit,
        "chunk": chunk,
        "generation": run.generation,
        "fingerprint": fingerprint_of(run.folder, market.fingerprint),
        "asked_at": asked_at,
        "inference": inference_of(
            run, kind
        ),  # loads the model: what is amiss is told before the events are sorted
    }
    job = claim(folder, told)
    if job is None:
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "similar":
            moment = run.after_last_event if moment is None else moment
            chunks = math.ceil(index.known.sum() / chunk)
        else:
            after = cut_histories(market, folder / HISTORIES, chunk, moment, report)
            moment = after if moment is None else moment
            if fit is not None and (fit.days is not None or fit.events is not None):
                save_gain(folder, fit, market, moment)
            chunks = len(list((folder / HISTORIES).glob("part-*.parquet")))
        name = f"{run_path.resolve().name}-{told['fingerprint'][:8]}"
        job = Job(**told | {"at": moment}, name=name, timed=market.timed, chunks=chunks)
        job.save(folder)
    elif kind == "recommend" and job.todo(folder) and not (folder / HISTORIES).is_dir():
        # A file of lists that were finished was removed: it is made again.
        cut_histories(market, folder / HISTORIES, chunk, job.at, report)
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
