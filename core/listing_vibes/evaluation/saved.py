"""The evaluation saved with a run: the newest one with the most baselines and users."""

from pathlib import Path

from listing_vibes.evaluation.result import Evaluation, EvaluationRequest
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import only_writer
from listing_vibes.market.io import write_table
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Protocol
from listing_vibes.run.fits import copy_fits, save_fits
from listing_vibes.run.run import Run
from listing_vibes.run.versions import RESULTS, building, publish_results, results_of, sweep

FILE, QUERIES = "request.json", "queries.parquet"
RANK = "rank of "  # before the name of the scorer, in a column of `QUERIES`


def frozen_test(run: Run, protocol: Protocol | None) -> EvaluationRequest | None:
    """Return the request that fixes the split and the last test query of this evaluation; None before the first evaluation.

    It belongs to the saved evaluation of the same model and protocol. Leave-one-out has no moments.
    """
    request = _saved_request(run)
    if request is None or request.test_until is None or request.t2 is None:
        return None
    return request if protocol in (None, request.protocol) else None


def save_metrics(run: Run, evaluation: Evaluation) -> bool:
    """Save an evaluation with its run: `metrics.json`, `queries.parquet` and, if blends were fitted, `serving.json`.

    Returns:
        Whether it was saved: an evaluation with fewer baselines or users than the saved one of the same model is not.
    """
    request = evaluation.request
    with only_writer(run.path, "vibes evaluate", ".measuring", wait=True):
        saved = _saved_request(run)
        if request is not None and saved is not None and request.fullness < saved.fullness:
            return False
        with building(run.path, RESULTS) as built:
            save_queries(built, evaluation, run.market)
            if evaluation.fits:
                save_fits(built, evaluation.fits)
            else:  # for a refit: the blends of the run that it repeats
                copy_fits(run.path, built)
            if request is not None:
                write_json(built / FILE, request.model_dump(), indent=1)
            write_json(built / "metrics.json", evaluation.to_dict(), indent=1)
            publish_results(run.path, built, run.stamp)
        sweep(run.path, RESULTS)
    return True


def save_queries(folder: Path, evaluation: Evaluation, market: Market) -> None:
    """Write `queries.parquet`: the columns of `Evaluation.queries_frame`, with one rank per scorer."""
    frame = evaluation.queries_frame(market, evaluation.names[0]).drop(columns="rank")
    ranks = {RANK + name: ranks for name, ranks in evaluation.ranks.items()}
    write_table(folder / QUERIES, frame.assign(**ranks))


def _saved_request(run: Run) -> EvaluationRequest | None:
    """Return the request of the saved evaluation of the run's current model."""
    path = results_of(run.path, run.stamp) / FILE
    return read_json(path, "remove it and evaluate the run again", EvaluationRequest.model_validate)
