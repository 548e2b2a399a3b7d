"""`vibes ablate`: every variant of a grid trained with every seed, measured on the same queries, and compared."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from listing_vibes.ablation.figure import save_figure
from listing_vibes.ablation.grid import Grid, Inputs, Plan, Planned, make_plan
from listing_vibes.ablation.jobs import Job, run_jobs
from listing_vibes.ablation.table import Measured, ablation_table
from listing_vibes.ablation.text import ablation_document, ablation_text
from listing_vibes.ablation.worker import OUTCOME, RANKS, keep
from listing_vibes.cores import cores
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.evaluation.slices import slice_masks, week_after_training
from listing_vibes.market.documents import first_problem, read_json, write_json
from listing_vibes.market.io import write_table
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Queries, Split, make_split
from listing_vibes.model.settings import Resolved, Settings
from listing_vibes.progress import Notice, Report, Stage, silent
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.words import count

OracleOf = Callable[[EventLog], Scorer]


@dataclass(frozen=True, eq=False)
class Ablation:
    """What `ablate` found; it lies in `ablation.parquet` and in the figure as well."""

    table: pd.DataFrame
    measured: list[Measured]
    head: dict[str, Any]  # market, protocol, queries, users, seeds
    left_out: dict[str, str]  # variant: sentence
    failed: dict[str, str]
    notes: dict[str, str]

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        return ablation_document(self.table, self.measured, self.head, self.left_out, self.failed, self.notes)

    def text(self) -> str:
        """The same for a person."""
        return ablation_text(self.table, self.measured, self.headline, self.left_out, self.failed, self.notes)

    @property
    def headline(self) -> str:
        """Market, protocol and size in one line."""
        seeds = ", ".join(map(str, self.head["seeds"]))
        size = f"{count(self.head['queries'], 'query', 'queries')} of {count(self.head['users'], 'user')}"
        return f"{self.head['market']}, {self.head['protocol']}: {size}, seeds {seeds}"


def ablate(
    market: Market,
    out: Path,
    grid: Grid,
    seeds: Sequence[int] = (0, 1, 2),
    processes: int | None = None,
    photo_encoder: str = "",
    oracle: OracleOf | None = None,
    report: Report = silent,
) -> Ablation:
    """Train and measure the variants of `grid` that `market` allows; write `ablation.parquet`, `.png` and `.svg`.

    What is in `out` already is kept: a finished variant and seed is not trained again, one that was interrupted goes
    on from its checkpoint. A variant that fails is named in `failed` and the others go on. `photo_encoder` names the
    encoder that the market's photos have been embedded with ("" without photos), `oracle` makes the scorer of a
    simulated market; `processes` None takes one a core, each with one thread.

    Raises:
        VibesError: nothing to train on, another ablation at work in `out`, `out` made of another market or of other
            settings under the same names, or no variant that could be measured.
    """
    if importlib.util.find_spec("torch") is None:
        raise VibesError("Training needs torch; install it with `pip install 'listing-vibes[train]'`.")
    from listing_vibes.training.decided import decided

    check_seeds(seeds)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    asked = Resolved.of(_base(grid)).split
    split = make_split(log, catalogue, asked.protocol, asked.t1, asked.t2)

    def decide(settings: Settings) -> Settings:
        resolved = Resolved.of(settings)
        training = decided(resolved, log, split, attributes=bool(market.attributes))
        return resolved.model_copy(update={"training": training})

    plan = make_plan(grid, Inputs.of(market), oracle is not None, decide)
    for sentence in plan.left_out.values():
        report(Notice(sentence))
    if not len(split.test):
        raise VibesError(f"{market.path} has no test query, so there is nothing to compare variants on.")
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        jobs = {p.name: _jobs(p, market, out, grid, seeds, photo_encoder) for p in plan.variants}
        if oracle is not None:
            for variant in plan.variants:
                if variant.variant.baseline == "oracle" and not jobs[variant.name][0].finished:
                    report(Stage("oracle"))
                    _rank_oracle(jobs[variant.name][0].folder, oracle, market, log, split, catalogue)
        everything = [job for own in jobs.values() for job in own]
        run_jobs(everything, processes or cores(), report)
        found = _gather(plan, jobs, market, log, split)
        path = out / "ablation.parquet"
        write_table(path, found.table)
        save_figure(found.table, found.measured, path, found.headline)
    return found


def check_seeds(seeds: Sequence[int]) -> None:
    """Raises:
    VibesError: there are none, one comes twice, or one is no seed of a training.
    """
    if len(set(seeds)) != len(seeds) or not seeds:
        raise VibesError(f"The seeds {list(seeds)} are not distinct whole numbers; give for example 0,1,2.")
    for seed in seeds:
        try:
            Settings(seed=seed)
        except ValidationError as error:
            raise VibesError(f"The seeds {list(seeds)}: {first_problem(error)}") from error


def _base(grid: Grid) -> Settings:
    return Settings.model_validate(grid.base)


def folder_of(out: Path, name: str, seed: int) -> Path:
    """Where a variant and seed lies: readable, and different for names that differ in a sign only."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return out / "variants" / f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:6]}" / str(seed)


def _jobs(
    planned: Planned, market: Market, out: Path, grid: Grid, seeds: Sequence[int], photo_encoder: str
) -> list[Job]:
    """A job a seed; a baseline, which no seed changes much, has the first one only."""
    found = []
    for seed in seeds if planned.settings is not None else seeds[:1]:
        settings = (planned.settings or _base(grid)).model_copy(update={"seed": seed})
        folder = folder_of(out, planned.name, seed)
        wanted = {
            "kind": planned.variant.kind,
            "baseline": planned.variant.baseline,
            # What the grid leaves open is left to the market, as `vibes train` leaves it.
            "settings": settings.model_dump(mode="json", exclude_none=True, exclude_unset=True),
            "serving": planned.variant.serving,
            "control": planned.variant.control,
            "photo_encoder": photo_encoder,
            "fingerprint": market.fingerprint,
        }
        path = folder / "job.json"
        if (was := read_json(path, f"remove {folder}")) is not None:
            _same(planned.name, was, wanted, market, out)
        write_json(path, {"market": str(market.path.resolve()), **wanted})
        found.append(Job(planned.name, seed, folder))
    return found


def _same(name: str, was: dict[str, Any], wanted: dict[str, Any], market: Market, out: Path) -> None:
    if was["fingerprint"] != wanted["fingerprint"]:
        raise VibesError(f"{out} was made from another state of {market.path}; choose another folder.")
    for key, value in wanted.items():
        if was.get(key) != value:
            raise VibesError(
                f"{out} holds '{name}' with another {key} than the grid asks for now; choose another folder or give the "
                "variant another name."
            )


def _rank_oracle(
    folder: Path, oracle: OracleOf, market: Market, log: EventLog, split: Split, catalogue: Catalogue
) -> None:
    scorer = oracle(log)
    found = evaluate([scorer], log, split, catalogue)
    keep(folder, found, market, "")


def _gather(plan: Plan, jobs: dict[str, list[Job]], market: Market, log: EventLog, split: Split) -> Ablation:
    """Put the kept ranks together; a reference that failed is replaced by its own reference."""
    measured: list[Measured] = []
    failed: dict[str, str] = {}
    notes: dict[str, str] = {}
    stand_in: dict[str, str | None] = {}
    frame: pd.DataFrame | None = None
    for planned in plan.variants:
        own, reference = jobs[planned.name], planned.reference
        while reference in stand_in:
            reference = stand_in[reference]
        broken = [job for job in own if not job.finished]
        if broken:
            failed[planned.name] = f"seed {broken[0].seed}: {broken[0].error}"
        done = [job for job in own if job.finished]
        if not done:
            stand_in[planned.name] = reference
            continue
        frames = {job.seed: pd.read_parquet(job.folder / RANKS) for job in done}
        outcomes: dict[int, dict[str, Any]] = {
            job.seed: read_json(job.folder / OUTCOME, f"remove {job.folder}") or {} for job in done
        }
        for job in done:
            frame = frames[job.seed] if frame is None else frame
            if not frames[job.seed][["user_id", "target"]].equals(frame[["user_id", "target"]]):
                raise VibesError(
                    f"{job.folder / RANKS} holds other queries than the rest; remove {job.folder}."
                )
        note = next((outcome["note"] for outcome in outcomes.values() if outcome["note"]), "")
        if note:
            notes[planned.name] = note
        measured.append(
            Measured(
                name=planned.name,
                reference=reference,
                ranks={seed: one["rank"].to_numpy(np.int64) for seed, one in frames.items()},
                question=planned.variant.question,
                coverage={seed: tuple(outcome["coverage"]) for seed, outcome in outcomes.items()},
            )
        )
    if frame is None:
        raise VibesError(f"No variant could be measured; the first one failed: {next(iter(failed.values()))}")
    queries: Queries = split.test
    masks = slice_masks(
        frame["cold_listing"].to_numpy(bool),
        frame["cold_user"].to_numpy(bool),
        frame["history_length"].to_numpy(),
        week_after_training(split, queries),
    )
    seeds = sorted({seed for one in measured for seed in one.ranks})
    head = {
        "market": market.name,
        "protocol": split.protocol,
        "queries": len(queries),
        "users": len(np.unique(queries.user)),
        "seeds": seeds,
    }
    table = ablation_table(measured, queries.user, masks)
    return Ablation(table, measured, head, plan.left_out, failed, notes)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Only one ablation at a time works in a folder; processes that outlive their parent count, too.

    Raises:
        VibesError: another one is at work.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    with (out / ".lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise VibesError(
                f"Another ablation is at work in {out}; wait for it, or choose another folder."
            ) from error
        yield
