"""An evaluation as it is asked for, by `vibes evaluate` and by `listing_vibes.evaluate`: measured, and kept with the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.result import Evaluation
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import Baselines, save_metrics
from listing_vibes.progress import Notice, Report, shown
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking import Scorer

PROTOCOLS = ("temporal", "leave-one-out")


def evaluate(
    run: Run | Path | str,
    protocol: str | None = None,
    *,
    hide_history: bool | None = None,
    new_by: str | None = None,
    baselines: str = "all",
    users: int | None = None,
    new_test: bool = False,
    also: Sequence[Scorer] = (),
    save: bool = True,
    progress: Report | bool = False,
) -> Evaluation:
    """Measure a run on its test queries, beside the baselines: what `vibes evaluate` does.

    >>> found = evaluate(run, save=False)
    >>> found.headline
    'temporal: ... queries of ... users...'

    Args:
        run: a run, or its folder.
        protocol: "temporal" or "leave-one-out"; None: that of the training.
        hide_history: in leave-one-out recommend nothing that is in the history; False: that as well, as papers do; None: nothing of it
            unless 2 % of the training events go back to a listing.
        new_by: an attribute; rankings also without the listings that share its value with the history.
        baselines: "all", "fast" (without those that take minutes on ten thousand listings, EASE and ALS) or "none" (the model and what
            serving adds alone); a note of the evaluation says what was left out.
        users: of so many users at most, drawn by chance and the same for every run of a market, where all would take too long; None: all.
        new_test: also ask what came after the test of an earlier evaluation of the same model, as after a refresh; by default the
            test set stays as it was, so that figures can be compared.
        also: more scorers for the table.
        save: keep figures, queries and the weights of what serving adds in the run's folder, where pages, reports and
            recommendations beside recency or neighbours find them. One with fewer baselines or users is kept beside a
            fuller one, which they go on reading.
        progress: called with each update of `listing_vibes.progress`, or True for a bar on stderr.

    Raises:
        VibesError: no events, another protocol than that of the training, an unknown word for the baselines, no user, or nothing left to test on.
    """
    if protocol not in (None, *PROTOCOLS):
        raise VibesError(f"The protocol is '{protocol}'; use {' or '.join(PROTOCOLS)}.")
    if baselines not in get_args(Baselines):
        raise VibesError(f"The baselines are '{baselines}'; use {', '.join(get_args(Baselines))}.")
    opened = run if isinstance(run, Run) else Run.open(run)
    with shown(progress) as report:
        found = evaluate_run(opened, protocol, report, also, hide_history, new_by, baselines, users, new_test)  # type: ignore[arg-type]
        if save and not save_metrics(opened, found):
            report(
                Notice(
                    f"{opened.path} has a fuller evaluation, which pages and reports go on showing; this one is kept beside it."
                )
            )
    return found
