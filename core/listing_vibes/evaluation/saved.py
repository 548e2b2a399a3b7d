"""Evaluations that a run keeps: one for each request, of which the newest of the fullest is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import copy_file, only_writer
from listing_vibes.market.io import write_table
from listing_vibes.market.splits import Protocol
from listing_vibes.run.fits import carry_fits, save_fits
from listing_vibes.run.generations import RESULTS, building, folders_of, publish, results_of, sweep
from listing_vibes.run.run import Run

if TYPE_CHECKING:
    from listing_vibes.evaluation.result import Evaluation
    from listing_vibes.market.market import Market

FILE, QUERIES = "request.json", "queries.parquet"
RANK = "rank of "  # before the name of the scorer, in a column of `QUERIES`
Baselines = Literal["all", "fast", "none"]


class EvaluationRequest(BaseModel):
    """What an evaluation was asked for.

    Attributes:
        t1, t2: the split, in the time of the log; None in leave-one-out.
        test_until: the moment of the last test query; later events are no part of the test.
        base, model: the state of the run whose model was measured.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    protocol: Protocol
    history_hidden: bool = False
    new_by: str | None = None
    baselines: Baselines = "all"
    users: int | None = Field(None, ge=1)
    t1: int | None = None
    t2: int | None = None
    test_until: int | None = None
    base: str = ""
    model: int = 0

    @property
    def fullness(self) -> tuple[bool, int]:
        """Return how much was measured: all users before a draw of them, more baselines before fewer."""
        return self.users is None, ("none", "fast", "all").index(self.baselines)


def frozen_test(run: Run, protocol: Protocol | None) -> EvaluationRequest | None:
    """Return the request whose split and last test query hold for this evaluation; None where none was made yet.

    It is the one with the latest test among those of the same model and protocol. Leave-one-out has no moments.
    """
    requests = [one for one in _requests(run).values() if one.protocol == (protocol or one.protocol)]
    temporal = [one for one in requests if one.test_until is not None and one.t2 is not None]
    return max(temporal, key=lambda one: one.test_until or 0, default=None)


def save_metrics(run: Run, evaluation: Evaluation) -> bool:
    """Save an evaluation with its run; `metrics.json`, `queries.parquet` and, where anything was fitted, `serving.json`.

    Pages, reports and lists read the newest of the fullest evaluations, of which the run folder gets copies. One with
    fewer baselines or users is kept beside it.

    Returns:
        Whether this evaluation is the one that is shown.
    """
    request = evaluation.request
    with only_writer(run.path, "vibes evaluate", ".measuring", wait=True):
        current = _requests(run).get(results_of(run.path, run.stamp))
        is_shown = request is None or current is None or request.fullness >= current.fullness
        with building(run.path, RESULTS) as built:
            save_queries(built, evaluation, run.market)
            if evaluation.fits:
                save_fits(built, evaluation.fits)
            else:  # of a refit: as the run was that it repeats
                carry_fits(run.path, built)
            if request is not None:
                write_json(built / FILE, request.model_dump(), indent=1)
            write_json(built / "metrics.json", evaluation.to_dict(), indent=1)
            publish(run.path, built, RESULTS, of=run.stamp, is_current=is_shown)
        if is_shown:
            for path in sorted(results_of(run.path).glob("[!.]*")):
                copy_file(path, run.path / path.name)
        newest = {request.model_dump_json(): folder for folder, request in _requests(run).items()}
        sweep(run.path, RESULTS, keep=newest.values())
    return is_shown


def save_queries(folder: Path, evaluation: Evaluation, market: Market) -> None:
    """Write `queries.parquet`: the columns of `Evaluation.queries_frame`, one rank a scorer."""
    frame = evaluation.queries_frame(market, evaluation.names[0]).drop(columns="rank")
    ranks = {RANK + name: ranks for name, ranks in evaluation.ranks.items()}
    write_table(folder / QUERIES, frame.assign(**ranks))


def _requests(run: Run) -> dict[Path, EvaluationRequest]:
    """Return the requests of all evaluations of the run's present model by their folders, the oldest first."""
    shown = results_of(run.path, run.stamp)
    state = {"base": run.stamp.base, "model": run.stamp.model}
    requests = {}
    for folder in dict.fromkeys([*([shown] if shown == run.path else []), *folders_of(run.path, RESULTS)]):
        request = read_json(
            folder / FILE, "remove it and evaluate the run again", EvaluationRequest.model_validate
        )
        if request is None and folder == shown and run.metrics is not None:  # saved without its request: full
            request = EvaluationRequest(protocol=run.metrics.get("protocol") or "temporal", **state)
        if request is not None and {"base": request.base, "model": request.model} == state:
            requests[folder] = request
    return requests
