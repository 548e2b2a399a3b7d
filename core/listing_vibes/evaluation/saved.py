"""The evaluation saved with a run: the newest one with the most baselines and users."""

from listing_vibes.evaluation.result import Evaluation, EvaluationRequest
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import only_writer
from listing_vibes.market.io import write_table
from listing_vibes.run.blends import copy_blends, save_blends
from listing_vibes.run.run import Run
from listing_vibes.run.versions import RESULTS, building, publish_results, results_of, sweep

REQUEST_FILE, QUERIES = "request.json", "queries.parquet"
RANK = "rank of "  # before the name of the scorer, in a column of `QUERIES`


def saved_request(run: Run) -> EvaluationRequest | None:
    """Return the request of the saved evaluation of the run's current model; None before the first one."""
    if run.stored_run is None:
        return None
    path = results_of(run.path, run.stamp) / REQUEST_FILE
    return read_json(path, "remove it and evaluate the run again", EvaluationRequest.model_validate)


def save_metrics(run: Run, evaluation: Evaluation) -> bool:
    """Save an evaluation with its run: `metrics.json`, `queries.parquet` and, if blends were fitted, `serving.json`; in memory the first
    and the last.

    Returns:
        Whether it was saved: an evaluation with fewer baselines or users than the saved one of the same model is not. A run in
        memory keeps the newest one.
    """
    if run.stored_run is None:
        run.keep_evaluation(evaluation.to_dict(), evaluation.fitted_blends or run.fitted_blends)
        return True
    request = evaluation.request
    with only_writer(run.path, "vibes evaluate", ".measuring", wait=True):
        saved = saved_request(run)
        if request is not None and saved is not None and request.is_smaller_than(saved):
            return False
        with building(run.path, RESULTS) as built:
            frame = evaluation.queries_frame(run.market, evaluation.names[0]).drop(columns="rank")
            ranks = {RANK + name: ranks for name, ranks in evaluation.ranks.items()}
            write_table(built / QUERIES, frame.assign(**ranks))
            if evaluation.fitted_blends:
                save_blends(built, evaluation.fitted_blends)
            else:  # for a refit: the blends of the run that it repeats
                copy_blends(run.path, built)
            if request is not None:
                write_json(built / REQUEST_FILE, request.model_dump(), indent=1)
            write_json(built / "metrics.json", evaluation.to_dict(), indent=1)
            publish_results(run.path, built, run.stamp)
        sweep(run.path, RESULTS)
    return True
