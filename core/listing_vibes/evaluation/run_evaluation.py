"""`vibes evaluate`: a run's model beside the baselines, on the same queries and candidates."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.better import BETTER, surely_better
from listing_vibes.evaluation.new_by import NewBy
from listing_vibes.evaluation.notes import DRAWN, FIRST_SETTINGS, FROZEN, LEFT_OUT, RIVALS, WITHIN
from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.evaluation.result import Evaluation
from listing_vibes.evaluation.saved import Baselines, EvaluationRequest, frozen_test
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Protocol, Queries, Split, choosing, make_split
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Report, Stage
from listing_vibes.run.additions import Additions
from listing_vibes.run.fits import NOTHING, fit_of, load_fits, unasked_fit
from listing_vibes.run.run import Run
from listing_vibes.run.scorer import as_served, model_scorer, untrained_neighbours
from listing_vibes.scoring.baselines import Baseline, first_level
from listing_vibes.scoring.blends import SHARES, Blend, RecencyPrior, Remembered
from listing_vibes.scoring.interactions import IdModel
from listing_vibes.scoring.named import NEAR_RECENT
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, MODEL_ONLY, blend_name


def evaluate_run(
    run: Run,
    protocol: Protocol | None = None,
    report: Report | None = None,
    also: Sequence[Scorer] = (),
    hide_history: bool | None = None,
    new_by: str | None = None,
    baselines: Baselines = "all",
    users: int | None = None,
    new_test: bool = False,
) -> Evaluation:
    """The model, what serving adds to it, the first-level baselines, neighbours by attributes, photos and text, the best of
    these beside what is recent, and the scorers `also`.

    With the `baselines` "fast" the baselines that take long are left out, so that what serving adds knows fewer id models to
    choose from; with "none" all baselines and neighbours are, but for what stands beside the model.

    Of a refit, which has no validation, what serving adds is weighed as it was for the run that it repeats, and what needs no
    model is tuned within what trains (`listing_vibes.market.splits.choosing`), then fitted on all of it. The split is
    the one that the model was trained with; another protocol than that of the training would test the
    model on what it has seen; of another market's model see `RunFolder.split`. With `hide_history` what is in the history is never
    recommended, in leave-one-out as well, with False it stays among the candidates there, by default as the split has it.
    With the attribute `new_by` all are also ranked among the listings that share none of its values with the history. Of more than
    so many `users` with a test query as many are asked, drawn by chance: the same ones for every run of a market. The test ends
    where that of an earlier evaluation of the model did, unless a `new_test` is asked for.

    Raises:
        VibesError: the market has no events or no attribute `new_by`, `protocol` is not that of the training, without
            baselines there is nothing to measure, or fewer than one of the `users` is asked.
    """
    if users is not None and users < 1:
        raise VibesError(f"{users} users are to be asked; give 1 or more.")
    if baselines == "none" and not run.has_model and not also:
        raise VibesError(
            f"{run.path} has no trained model, so without baselines there is nothing to measure; use fast or all."
        )
    among = None if new_by is None else NewBy.of(run.market, new_by)
    log, catalogue, settings = run.log, run.catalogue, run.manifest.settings
    if not len(log):
        raise VibesError(
            f"{run.market.path} has no events, so there is nothing to evaluate on; add an events table. Without one, "
            f"`vibes similar {run.path} LISTING` and `vibes recommend {run.path} --history FILE` make lists."
        )
    trained = settings.split.protocol
    own = run.has_model and not run.transferred
    if own and protocol is not None and trained is not None and protocol != trained:
        raise VibesError(
            f"{run.path} was trained for the protocol {trained}; evaluated as {protocol} it would be asked about events "
            f"that it learned from. Train another run with --protocol {protocol}."
        )
    if run.trained_on_everything:
        raise VibesError(
            f"{run.path} was trained on every event of {run.market.path}, so there is nothing left to test it on; evaluate "
            "the run that it repeats, or bring newer events."
        )
    split, later = _split(run, protocol, new_test)
    split = split.with_history(hide_history)
    left_out: dict[str, str] = {}
    if baselines == "none":
        left_out["popularity, id models and neighbours"] = "not asked for"
        first: list[Baseline] = []
    else:
        first = first_level(log, split, catalogue, report, settings.seed, baselines == "all", left_out)
    if report is not None:
        report(Stage("neighbours, chosen on validation"))
    near: list[Scorer] = [Remembered(one) for one in untrained_neighbours(run, split, report)]
    scorers: list[Scorer] = []
    fitted: list[Scorer] = []
    if run.has_model and len(split.valid):
        kept = Remembered(model_scorer(run))
        if report is not None:
            report(Stage("what serving adds, weighed on validation"))
        added = with_serving(kept, first, near, log, split, catalogue, settings.seed)
        fitted = added[1:]
        scorers += [as_served(run, kept), kept, *fitted]
    elif run.has_model:
        kept = Remembered(model_scorer(run))
        scorers += [
            as_served(run, kept),
            kept,
            *(Additions(run, fit, split.train).scorer(kept, log) for fit in load_fits(run.path)),
        ]
    scorers += [*first, *([] if baselines == "none" else near)]
    tuned_by = choosing(split, log, catalogue)
    if baselines != "none" and near and len(tuned_by.valid):
        scorers.append(RecencyPrior.tune(near, log, tuned_by, catalogue, settings.seed, NEAR_RECENT))
    scorers += also
    queries = split.test if users is None else _of_drawn_users(split.test, users)
    found = evaluate(scorers, log, split, catalogue, queries, seed=settings.seed, report=report, new_by=among)
    found = replace(found, request=_request(run, found, baselines, users, new_by))
    if later:
        found.notes[FROZEN] = f"as it was, without {later:,} newer queries; --new-test adds them"
    if len(queries) < len(split.test):
        every = len(np.unique(split.test.user))
        found.notes[DRAWN] = f"{users:,} of the {every:,} users who have a test query, by chance"
    if run.has_model:
        found.notes[DEFAULT_RANKING] = _default_blend(settings)
    if run.transferred and run.manifest.carried is not None:
        found.notes["carried over"] = f"the model {run.manifest.carried.sentence}"
    if left_out:
        found.notes[LEFT_OUT] = ", ".join(f"{name} ({why})" for name, why in left_out.items())
    if len(split.valid):
        found = replace(found, fits=[fit for scorer in fitted if (fit := fit_of(scorer)) and fit.added])
        asked = {fit.name: fit.added for fit in found.fits} | {MODEL_ONLY: NOTHING}
        if found.fits and (better := surely_better(found.differences, asked, found.names[0])):
            found.notes[BETTER] = better
        return found
    found.notes[RIVALS] = FIRST_SETTINGS if tuned_by is split else WITHIN
    return found


def _split(run: Run, protocol: Protocol | None, new_test: bool) -> tuple[Split, int]:
    """Return the split, and how many newer queries its test leaves out: those from after an earlier evaluation's test."""
    frozen = None if new_test else frozen_test(run, protocol)
    split = run.split(protocol)
    if frozen is None or frozen.test_until is None or split.protocol != "temporal":
        return split, 0
    if split.t2 != frozen.t2 or split.t1 != frozen.t1:  # by default they move with the events
        split = make_split(run.log, run.catalogue, "temporal", frozen.t1, frozen.t2)
    test = split.test.take(split.test.at <= frozen.test_until)
    return replace(split, test=test), len(split.test) - len(test)


def _request(
    run: Run, found: Evaluation, baselines: Baselines, users: int | None, new_by: str | None
) -> EvaluationRequest:
    """Return what an evaluation was asked for."""
    split, test = found.split, found.split.test
    return EvaluationRequest(
        protocol=split.protocol,
        history_hidden=found.queries.masked,
        new_by=new_by,
        baselines=baselines,
        users=users,
        t1=split.t1,
        t2=split.t2,
        test_until=int(test.at.max()) if split.t2 is not None and len(test) else None,
        base=run.stamp.base,
        model=run.stamp.model,
    )


def _of_drawn_users(queries: Queries, users: int) -> Queries:
    """The queries of so many users drawn by chance, who are among those that a larger number would draw; all where there are no more."""
    drawn = np.random.default_rng(0).permutation(np.unique(queries.user))[:users]
    return queries.take(np.isin(queries.user, drawn))


def _default_blend(settings: Resolved) -> str:
    """Return what the default ranking consists of."""
    days, fit = settings.training.recent_days, unasked_fit(settings)
    trained = f", trained beside the events of the last {days} days" if days else ""
    if fit is None or not fit.holds:
        return f"the model only{trained}"
    return f"the model{trained}, blended with {fit.holds.replace('+', ' and ')}"


def with_serving(
    model: Scorer,
    first: Sequence[Scorer],
    near: Sequence[Scorer],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    seed: int = 0,
) -> list[Scorer]:
    """The model, and beside it, as rows of their own: with a recency prior, blended with neighbours, with both, with an
    id model.

    All are fitted on validation queries, on which the partners are chosen as well: of `near`, the untrained neighbours by
    attributes, photos and text (nothing here knows an id: where little trains a model, they know what it could not
    learn), and of the id models in `first`, beside which the neighbours may stay. Recency and neighbours together
    are fitted together: beside a recency prior neighbours deserve another weight.
    """
    kept = model if isinstance(model, Remembered) else Remembered(model)
    own: list[Scorer] = [kept]  # what an id model is blended with
    found: list[Scorer] = [kept, RecencyPrior.tune([kept], log, split, catalogue, seed)]
    if near:
        partners = [one if isinstance(one, Remembered) else Remembered(one) for one in near]
        blends: list[Scorer] = [Blend(kept, one, share) for one in partners for share in SHARES]
        blend = Blend.tune([kept], near, log, split, catalogue, seed, blend_name("neighbors"))
        own += [blend] if blend.weight else []
        found += [
            blend,
            RecencyPrior.tune(
                [kept, *blends], log, split, catalogue, seed, blend_name("neighbors", "recency")
            ),
        ]
    ids = [scorer for scorer in first if isinstance(scorer, IdModel)]
    if ids:
        found.append(Blend.tune(own, ids, log, split, catalogue, seed, blend_name("ids")))
    return found
