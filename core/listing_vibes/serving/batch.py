"""A batch job: the lists of all listings or users in chunks, each committed as one Parquet file by a rename.

A chunk depends on the job only, so its rows are the same with threads and with Ray, and after any number of interruptions. A chunk
whose file exists is done.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from listing_vibes.cluster import Batch, on_ray
from listing_vibes.cores import cores
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import Forbidding, read_json, write_text
from listing_vibes.market.durable import atomic_path, scratch_folder, sweep_left
from listing_vibes.market.storage import StoragePath, is_address, storage_errors
from listing_vibes.model.settings import BlendWeights
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.run.candidates import Lists
from listing_vibes.run.histories import history_ends
from listing_vibes.run.query import Query
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import RULED, Rules
from listing_vibes.run.run import Run
from listing_vibes.scoring.blend import ALONE
from listing_vibes.search.index import Shared

#: Readers of parquet folders skip names that begin with _ or .
MANIFEST, PROBE = "_job.json", "_vibes-probe"
#: Folder of the vectors that the workers of a job map, so that those of a machine share them.
VECTORS = ".vectors"
Kind = Literal["similar", "recommend"]
#: Listings or users a chunk.
CHUNK = 2048
NOW = "now"


class Job(Forbidding):
    """Everything that the rows of a job depend on.

    Attributes:
        name: of the run in the rows.
        fingerprint: sha256 of the run's vectors and weights and of the market's tables.
        at: the moment, nanoseconds UTC or (not `timed`) a position; requested_at: the moment as requested, "now" for the start of the
            job, None for the default.
        chunk: listings or users per file.
    """

    kind: Kind
    run: str
    name: str
    fingerprint: str
    space: str
    rules: Rules
    blend: BlendWeights | None = None
    at: int
    requested_at: int | Literal["now"] | None
    timed: bool
    chunk: int

    @classmethod
    def load(cls, folder: Path) -> "Job | None":
        """Read the job of `folder`; None if there is none.

        Raises:
            VibesError: its manifest is damaged or of another version.
        """
        return read_json(folder / MANIFEST, "choose another folder, or remove this one", cls.model_validate)


@dataclass(frozen=True, eq=False)
class JobScorer:
    """Scorer of the chunks of a job; each process that works on the job has its own.

    Attributes:
        rows: (Q,) the listings with a vector, or the users with a history, in the order of the chunks.
        ends: (U,) where the history of each user ends at the job's moment.
        listing_ids: (L,) object.
    """

    job: Job
    folder: Path
    run: Run
    recommender: Recommender
    rows: np.ndarray
    ends: np.ndarray
    listing_ids: np.ndarray

    @classmethod
    def of(cls, job: Job, folder: Path, run: Run) -> "JobScorer":
        """Open the run and prepare the rules of a job."""
        recommender = Recommender(run, job.space, job.rules, job.blend or ALONE, batch=True)
        if job.kind == "recommend":
            _ = run.engine  # loaded before threads share it
            ends = history_ends(run, job.at)
            rows = np.flatnonzero(ends > run.log.start[:-1])
            if not len(rows):
                raise VibesError(
                    f"No user of {run.market.path} has an event before that moment, so there is no history to go by."
                )
        else:
            ends, rows = np.zeros(0, np.int64), np.flatnonzero(run.index(job.space).known)
            if recommender.groups.region is not None:  # order the listings by region
                rows = rows[np.argsort(recommender.groups.region[rows], kind="stable")]
        recommender.warm(job.at if job.kind == "recommend" else None)
        return cls(job, folder, run, recommender, rows, ends, np.array(run.listing_ids, object))

    @classmethod
    def reopen(cls, folder: Path) -> "JobScorer":
        """Open the job in `folder` from another process."""
        job = Job.load(folder)
        if job is None:
            raise VibesError(
                f"{folder} holds no job any more; it was removed during the job. Start the job again."
            )
        use_one_thread()
        run = Run.open(Path(job.run))
        (folder / VECTORS).mkdir(exist_ok=True)
        run.shared = Shared(folder / VECTORS)
        if fingerprint_of(run) != job.fingerprint:
            raise VibesError(f"{run.path} was refreshed during the job in {folder}; choose a new folder.")
        return cls.of(job, folder, run)

    @property
    def chunks(self) -> int:
        """The number of chunks, each of which becomes a file."""
        return math.ceil(len(self.rows) / self.job.chunk)

    def todo(self) -> list[int]:
        """Return the numbers of the chunks whose file does not exist yet."""
        return [number for number in range(self.chunks) if not part_path(self.folder, number).is_file()]

    def write_chunk(self, number: int) -> int:
        """Score a chunk and write its file; return the number of its lists."""
        job, ids = self.job, self.listing_ids
        rows = self.rows[number * job.chunk :][: job.chunk]
        if job.kind == "similar":
            names, lists = ids[rows], self.recommender.similar(rows, job.at)
        else:
            log = self.run.log
            names = [log.users[row] for row in rows]
            lists = self.recommender.recommend(log, log.start[rows], self.ends[rows], job.at, job.rules.k)
        with atomic_path(part_path(self.folder, number)) as temporary:
            pq.write_table(list_table(job, names, ids, lists), temporary, compression="zstd")
        return len(rows)


def list_table(job: Job, owners: Sequence[str], listing_ids: np.ndarray, lists: Lists) -> pa.Table:
    """Return the lists of the `owners` (n,), users or listings, as a table; listing_ids: (L,) object."""
    line, rank = np.nonzero(lists.rows >= 0)
    at, moment = (job.at // 1000, pa.timestamp("us", "UTC")) if job.timed else (job.at, pa.int64())
    columns = {
        C.LISTING if job.kind == "similar" else C.USER: pa.array(np.array(owners, object)[line], pa.string()),
        "rank": pa.array((rank + 1).astype(np.int32)),
        "candidate_id": pa.array(listing_ids[lists.rows[line, rank]], pa.string()),
        "score": pa.array(lists.scores[line, rank], pa.float32()),
        "run": pa.DictionaryArray.from_arrays(np.zeros(len(line), np.int32), [job.name]),
        "at": pa.array(np.full(len(line), at, np.int64)).cast(moment),
    }
    if job.rules.shows_rule:
        rules = lists.ruled[line, rank].astype(np.int32)
        columns["rule"] = pa.DictionaryArray.from_arrays(rules, list(RULED))
    return pa.table(columns)


def part_path(folder: Path, number: int) -> Path:
    """Return the file of a chunk."""
    return folder / f"part-{number:05d}.parquet"


def score_here(scorer: JobScorer, workers: int | None = None, report: Report = silent) -> int:
    """Score the remaining chunks of a job on `workers` threads (None: one per core); return the number of lists."""
    todo, lists = scorer.todo(), 0
    pool = ThreadPoolExecutor(workers or cores(), initializer=use_one_thread)
    try:
        futures = [pool.submit(scorer.write_chunk, number) for number in todo]
        for done, future in enumerate(as_completed(futures), start=scorer.chunks - len(todo) + 1):
            lists += future.result()
            report(Counted("chunks", done, scorer.chunks))
    finally:
        pool.shutdown(cancel_futures=True)
    return lists


class RayScorer:
    """Ray actor that opens the job once and scores the chunks assigned to it."""

    def __init__(self, folder: str) -> None:
        self._scorer = JobScorer.reopen(Path(folder))

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Score the chunks `batch["chunk"]` (n,) and write each to its file; return the number of lists per chunk."""
        lists = [self._scorer.write_chunk(int(number)) for number in batch["chunk"]]
        return {"chunk": batch["chunk"], "lists": lists}


def score_on_ray(scorer: JobScorer, workers: int, report: Report = silent) -> int:
    """Score the remaining chunks of a job with `workers` actors; return the number of lists.

    A worker that dies is restarted and its chunk is scored again. A slow worker delays its current chunk only, since
    chunks are assigned one at a time.

    Raises:
        VibesError: Ray is not installed or does not start, or a chunk cannot be scored.
    """
    items, created = [{"chunk": number} for number in scorer.todo()], 0
    try:
        with on_ray(workers) as cluster:
            results = cluster.map(RayScorer, (str(scorer.folder.resolve()),), items)
            for done, result in enumerate(results, start=scorer.chunks - len(items) + 1):
                created += int(result["lists"].sum())
                report(Counted("chunks", done, scorer.chunks))
    finally:
        rmtree(scorer.folder / VECTORS, ignore_errors=True)
    return created


def prepare(run_path: Path, folder: Path, query: Query, chunk: int | None = None) -> JobScorer:
    """Return the scorer of a job in `folder`: a new job, or the one that the same arguments started there; see `use_one_thread`.

    Args:
        query: of no listings, for the lists of all of them, or of no users, likewise.
        chunk: listings or users per file of a new job; None: `CHUNK`.

    Raises:
        VibesError: the folder holds another job, the run cannot serve this one, or an attribute is unknown.
    """
    use_one_thread()
    run = Run.open(run_path)
    if query.users is not None:
        run.needs_model()
    compiled, at, fingerprint = query.compile(run), run.moment(query.at), fingerprint_of(run)
    recommender = compiled.recommender
    job = Job(
        kind="similar" if query.users is None else "recommend",
        run=str(run_path.resolve()),
        name=f"{run_path.resolve().name}-{fingerprint[:8]}",
        fingerprint=fingerprint,
        space=recommender.space,
        rules=recommender.rules.model_copy(update={"k": compiled.k}),
        blend=None if recommender.fit is ALONE else recommender.fit,
        at=at,
        requested_at=None if query.at is None else NOW if str(query.at).strip() == NOW else at,
        timed=run.market.timed,
        chunk=chunk or CHUNK,
    )
    sweep_left(folder)
    before = Job.load(folder)
    if before is not None:  # it goes on with the moment and the chunks of its start
        same = job.model_copy(update={"at": before.at, "chunk": before.chunk})
        if same.model_dump(mode="json") != before.model_dump(mode="json"):
            raise VibesError(
                f"{folder} holds lists of other options, or of another state of the run or its market; give the same options to "
                "continue them, or choose another folder."
            )
        return JobScorer.of(before, folder, run)
    if strange := sorted(folder.glob("*.parquet")):
        raise VibesError(
            f"{folder} holds {strange[0].name}, which no job of this kind wrote; choose another folder."
        )
    scorer = JobScorer.of(job, folder, run)
    write_text(folder / MANIFEST, job.model_dump_json(indent=1))
    return scorer


def fingerprint_of(run: Run) -> str:
    """Return the sha256 over the digests of the run's vectors and weights and the fingerprint of its market."""
    facts = [run.manifest.files.get(name) for name in ("listings.safetensors", "model.safetensors")]
    return hashlib.sha256(f"{facts} {run.market.fingerprint}".encode()).hexdigest()


def use_one_thread() -> None:
    """Limit this thread (for torch: this process) to one computing thread, so that sums are the same on every machine.

    The index is built this way as well: its axes must not depend on the number of cores.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    try:
        import torch
    except ImportError:  # similar listings need no torch
        return
    torch.set_num_threads(1)


@contextmanager
def delivered(out: str) -> Iterator[Path]:
    """Yield the folder that a job writes to: `out`, or for a URL a local folder whose files are uploaded at the end.

    The manifest is uploaded last, so that a reader who finds it finds every file. Write access is checked at once, since lists may
    take long. A job that was interrupted starts again from the first chunk.

    Raises:
        VibesError: the URL holds lists already, or cannot be written.
    """
    if not is_address(out):
        yield Path(out)
        return
    place = StoragePath.of(out, "OUT")
    with storage_errors(place):
        place.files.invalidate_cache()
        names = {place.inside(str(path)) for path in place.files.find(place.path)}
    existing = {name for name in names if "/" not in name}  # subfolders may hold the lists of other days
    strange = [name for name in existing if name.endswith(".parquet") and not name.startswith("part-")]
    if MANIFEST in existing or strange:
        raise VibesError(
            f"{place.shown} holds {MANIFEST if MANIFEST in existing else strange[0]} already; choose another folder, such "
            "as one with the date."
        )
    with scratch_folder() as folder:
        (folder / PROBE).touch()
        (place / PROBE).put(folder / PROBE)
        with suppress(Exception):  # write permission does not imply delete permission
            place.files.rm_file((place / PROBE).path)
        yield folder / "lists"
        files = sorted((folder / "lists").glob("*.parquet"))
        for file in files:
            (place / file.name).put(file)
        with storage_errors(place, "written"):
            for name in existing - {file.name for file in files}:
                if name.startswith("part-"):  # left by a delivery that was interrupted
                    place.files.rm_file((place / name).path)
        (place / MANIFEST).put(folder / "lists" / MANIFEST)
