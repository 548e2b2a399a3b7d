"""`vibes ablate`: train every variant of a grid with every seed, evaluate on the same queries, compare, and draw the differences."""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from listing_vibes.ablation.grid import Grid, Variant, available_inputs, left_out
from listing_vibes.ablation.jobs import JOB, OUTCOME, RANKS, AblationJob, JobSettings, run_jobs, save_ranks
from listing_vibes.ablation.table import Measured, ablation_table, figures_of, render_ablation
from listing_vibes.cores import cores
from listing_vibes.errors import VibesError, needs
from listing_vibes.evaluation.result import slice_masks, week_after_training
from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.market.caches import user_cache
from listing_vibes.market.documents import first_problem, read_json, write_json
from listing_vibes.market.durable import atomic_path, only_writer
from listing_vibes.market.io import write_table
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Split
from listing_vibes.model.settings import Resolved, Settings
from listing_vibes.progress import Notice, Report, Stage, silent
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_metrics import ORACLE
from listing_vibes.words import count, write_p

OracleOf = Callable[[EventLog], Scorer]


@dataclass(frozen=True, eq=False)
class Ablation:
    """The result of `ablate`, which is also written to `ablation.parquet` and to the figure."""

    table: pd.DataFrame
    measured: list[Measured]
    headline: str  # market, protocol and size
    left_out: dict[str, str]  # reason by variant
    failed: dict[str, str]
    notes: dict[str, str]

    def text(self) -> str:
        """Return the table of all variants, then the variants that were left out or failed."""
        lines = [self.headline, "", render_ablation(self.table, self.measured)]
        lines += [f"{name}: {note}" for name, note in self.notes.items()]
        lines += [
            "",
            "p-values after Holm's correction for all differences of the grid; intervals over users.",
        ]
        lines += list(self.left_out.values())
        return "\n".join(lines + [f"'{name}' failed: {reason}" for name, reason in self.failed.items()])


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
    """Train and evaluate the variants of `grid` that `market` has inputs for; write `ablation.parquet`, `.png` and `.svg`.

    Results in `out` are reused: a finished variant and seed is not trained again, an interrupted one continues
    from its checkpoint. A failed variant is listed in `failed`, and the others continue.

    Args:
        processes: parallel trainings with one thread each; None: one per core.
        photo_encoder: the encoder of the market's embedded photos; "" without photos.
        oracle: factory of the oracle scorer of a simulated market.

    Raises:
        VibesError: there is nothing to train on, another ablation is running in `out`, `out` has results of another market or of
            other settings under the same names, or no variant could be evaluated.
    """
    with needs("Training"):
        from listing_vibes.training.examples import TrainingData

    check_seeds(seeds)
    base = Resolved.of(Settings.of(grid.base))
    data = TrainingData.of(market, base.split)
    log, catalogue, split = data.log, data.catalogue, data.split
    if not len(split.test):
        raise VibesError(f"{market.path} has no test query, so there is nothing to compare variants on.")

    without = left_out(grid, available_inputs(market), oracle is not None)
    for sentence in without.values():
        report(Notice(sentence))
    variants = [variant for variant in grid.variants if variant.name not in without]
    out.mkdir(parents=True, exist_ok=True)
    with only_writer(out, "vibes ablate"):
        jobs = {}
        for variant in variants:
            settings = grid.settings(variant)
            # A baseline hardly depends on the seed.
            each = seeds[:1] if settings is None else seeds
            jobs[variant.name] = [
                _make_job(variant, settings or base, seed, market, out, photo_encoder) for seed in each
            ]
        for variant in variants:
            first = jobs[variant.name][0]
            if variant.baseline == ORACLE and oracle is not None and not first.is_finished:
                report(Stage("oracle"))
                save_ranks(first.folder, rank_queries([oracle(log)], log, split, catalogue), market, "")
        run_jobs([job for group in jobs.values() for job in group], processes or cores(), report)
        result = _gather(grid, without, jobs, market, split)
        write_table(out / "ablation.parquet", result.table)
        save_figure(result.table, result.measured, out / "ablation.parquet", result.headline)
    return result


def check_seeds(seeds: Sequence[int]) -> None:
    """Check the seeds of an ablation.

    Raises:
        VibesError: there are no seeds, one is repeated, or one is not a valid seed.
    """
    if len(set(seeds)) != len(seeds) or not seeds:
        raise VibesError(f"The seeds {list(seeds)} are not distinct whole numbers; give for example 0,1,2.")
    for seed in seeds:
        try:
            Settings(seed=seed)
        except ValidationError as error:
            raise VibesError(f"The seeds {list(seeds)}: {first_problem(error)}") from error


def folder_of(out: Path, name: str, seed: int) -> Path:
    """Return the folder of a variant and seed: readable, and unique even for names that differ only in punctuation."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return out / "variants" / f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:6]}" / str(seed)


def _make_job(
    variant: Variant, settings: Settings, seed: int, market: Market, out: Path, photo_encoder: str
) -> AblationJob:
    folder = folder_of(out, variant.name, seed)
    settings = settings.model_copy(update={"seed": seed})
    job = JobSettings(
        market=str(market.path.resolve()),
        fingerprint=market.fingerprint,
        baseline=variant.baseline,
        # Settings that the grid leaves open are resolved from the market, as in `vibes train`.
        settings=settings.model_dump(mode="json", exclude_none=True, exclude_unset=True),
        control=variant.control,
        photo_encoder=photo_encoder,
    )
    before = read_json(folder / JOB, f"remove {folder}", JobSettings.model_validate)
    if before is not None and before.model_copy(update={"market": job.market}) != job:
        raise VibesError(
            f"{out} holds '{variant.name}' of another state of {market.path} or with other settings than the grid has "
            "now; choose another folder, or give the variant another name."
        )
    write_json(folder / JOB, job.model_dump())
    return AblationJob(variant.name, seed, folder)


def _gather(
    grid: Grid, without: dict[str, str], jobs: dict[str, list[AblationJob]], market: Market, split: Split
) -> Ablation:
    """Collect the saved ranks."""
    measured: dict[str, Measured] = {}
    failed: dict[str, str] = {}
    notes: dict[str, str] = {}
    queries: pd.DataFrame | None = None
    for variant in grid.variants:
        ranks, coverage = {}, {}
        for job in jobs.get(variant.name, []):
            if not job.is_finished:
                failed.setdefault(variant.name, f"seed {job.seed}: {job.error}")
                continue
            frame = pd.read_parquet(job.folder / RANKS)
            queries = frame if queries is None else queries
            if not frame[["user_id", "target"]].equals(queries[["user_id", "target"]]):
                raise VibesError(
                    f"{job.folder / RANKS} holds other queries than the rest; remove {job.folder}."
                )
            outcome: dict[str, Any] = read_json(job.folder / OUTCOME, f"remove {job.folder}") or {}
            ranks[job.seed], coverage[job.seed] = frame["rank"].to_numpy(np.int64), tuple(outcome["coverage"])
            if outcome["note"]:
                notes.setdefault(variant.name, outcome["note"])
        if ranks:
            reference = grid.reference_of(variant, measured)
            measured[variant.name] = Measured(variant.name, reference, ranks, variant.question, coverage)
    if queries is None:
        raise VibesError(f"No variant could be measured; the first one failed: {next(iter(failed.values()))}")
    masks = slice_masks(
        queries["cold_listing"].to_numpy(bool),
        queries["cold_user"].to_numpy(bool),
        queries["history_length"].to_numpy(),
        week_after_training(split, split.test),
    )
    seeds = ", ".join(map(str, sorted({seed for variant in measured.values() for seed in variant.ranks})))
    users = len(np.unique(split.test.user))
    size = f"{count(len(split.test), 'query', 'queries')} of {count(users, 'user')}"
    headline = f"{market.name}, {split.protocol}: {size}, seeds {seeds}"
    table = ablation_table([*measured.values()], split.test.user, masks)
    return Ablation(table, [*measured.values()], headline, without, failed, notes)


ROW, GAP = 0.26, 1.4  # inches per row; rows between two questions
COLORS, PLAIN = {"better": "#0b7a75", "worse": "#b5452c"}, "#5f6b76"
XLABEL = (
    "recall@30: mean over users and seeds, 95 % interval over users, rings: single seeds;\n"
    "filled: differs from its reference, p < .05 after Holm, green above, red below"
)


def save_figure(table: pd.DataFrame, measured: Sequence[Measured], path: Path, headline: str) -> None:
    """Write the figure to `path` with the suffixes .png and .svg; the same table gives the same bytes.

    Raises:
        VibesError: matplotlib is not installed, or the files cannot be written.
    """
    with needs("The figure"):
        # Otherwise matplotlib writes its font cache into the home folder.
        os.environ.setdefault("MPLCONFIGDIR", str(user_cache() / "matplotlib"))
        import matplotlib
    from matplotlib.figure import Figure

    questions = pd.Series([variant.question for variant in measured], [variant.name for variant in measured])
    is_first = questions != questions.shift()
    heights = pd.Series(range(len(questions)), questions.index) + GAP * (is_first.cumsum() - 1)
    figure = Figure(figsize=(9.5, 1.3 + ROW * (heights.max() + 1)), dpi=150)
    axes = figure.add_subplot()
    beside = axes.get_yaxis_transform()  # x in parts of the axes, y in rows
    for name, row in figures_of(table).loc[heights.index].iterrows():
        height, color = heights[name], COLORS.get(row["verdict"], PLAIN)
        axes.hlines(height, row["low"], row["high"], color=color, linewidth=1.8)
        if len(row["seeds"]) > 1:
            at = [height] * len(row["seeds"])
            axes.plot(row["seeds"], at, "o", mfc="none", mec=color, ms=3.5, mew=0.7, alpha=0.7)
        fill = "white" if color == PLAIN else color
        axes.plot([row["value"]], [height], "o", mfc=fill, mec=color, ms=6.5, mew=1.5)
        text = f"{row['value']:.3f}".replace("0.", ".", 1)
        if pd.notna(row["difference"]):
            text += f"   {row['difference']:+.3f}  p {write_p(row['p_value'])}  to {row['reference']}"
        axes.text(1.01, height, text, va="center", fontsize=8, color=color, transform=beside)
    for name, question in questions[is_first].items():
        axes.text(
            -0.01, heights[name] - 1, question, ha="right", va="center", weight="bold", transform=beside
        )
    axes.set_yticks(heights.to_list(), heights.index.to_list())
    axes.set_ylim(heights.max() + 0.8, -0.8 - GAP / 2)
    axes.set_xlim(left=0)
    axes.set_xlabel(XLABEL)
    axes.set_title(headline, loc="left", fontsize=10)
    axes.grid(axis="x", color="#e3e6e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    # Otherwise the file contains the date and random ids.
    with matplotlib.rc_context({"svg.hashsalt": "vibes", "svg.fonttype": "none"}):
        for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
            with atomic_path(path.with_suffix(suffix)) as temporary:
                figure.savefig(temporary, format=suffix[1:], metadata=metadata, bbox_inches="tight")
