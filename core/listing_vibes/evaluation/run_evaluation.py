"""`vibes evaluate`: a run's model and the baselines, on the same queries and candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import SIGNIFICANT, Results
from listing_vibes.evaluation.result import (
    DRAWN,
    FROZEN,
    LEFT_OUT,
    TUNED,
    UNTUNED,
    WITHIN,
    Baselines,
    Evaluation,
    EvaluationRequest,
)
from listing_vibes.evaluation.saved import save_metrics, saved_request
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Protocol, Queries, Split, choosing, make_split
from listing_vibes.model.settings import BlendWeights, Resolved
from listing_vibes.progress import Counted, Notice, Report, Stage, shown, silent
from listing_vibes.run.blends import NO_BLEND
from listing_vibes.run.run import Run
from listing_vibes.run.scorers import (
    default_ranking,
    model_scorer,
    neighbor_features,
    run_blend,
    tuned_content_ease,
    untrained_neighbors,
)
from listing_vibes.scoring.baselines import Baseline, first_level
from listing_vibes.scoring.blend import COVISITS, Blend, Moment, fit_blend, moments_of
from listing_vibes.scoring.content_ease import ContentEase
from listing_vibes.scoring.interactions import IdModel
from listing_vibes.scoring.ranking import Scorer, batches, checked_scores, pessimistic_ranks, top
from listing_vibes.scoring.ranking_metrics import (
    CONTENT_EASE,
    DEFAULT_RANKING,
    METRIC,
    MODEL_ONLY,
    NEAR_RECENT,
    WITHOUT_MODEL,
    Coverage,
    blend_name,
    blend_parts,
)
from listing_vibes.scoring.scores import CachedScorer
from listing_vibes.scoring.tuning import best, validation_sample
from listing_vibes.words import count


def evaluate(
    run: Run | Path | str,
    protocol: str | None = None,
    *,
    hide_history: bool | None = None,
    baselines: str = "all",
    users: int | None = None,
    new_test: bool = False,
    also: Sequence[Scorer] = (),
    save: bool = True,
    progress: Report | bool = False,
) -> Evaluation:
    """Evaluate a run and the baselines on the test queries; the function behind `vibes evaluate`.

    >>> result = evaluate(run, save=False)
    >>> result.headline
    'temporal: ... queries of ... users...'

    The scorers are the model, its blends, the baselines, neighbors by attributes, photos and text, the best of these blended with
    recency, and the scorers `also`. A refit has no validation: its blends have the weights of the run that it repeats, and
    baselines are tuned on a part of the training events (`listing_vibes.market.splits.choosing`).

    Args:
        run: a run, or its folder.
        protocol: "temporal" or "leave-one-out"; None: the protocol of the training; the other one would test the model on its training data.
        hide_history: in leave-one-out, exclude the history from the candidates; False: include it, as papers do; None: exclude it
            unless 2 % of the training events return to a listing.
        baselines: "all", "fast" (without those that take minutes on ten thousand listings, EASE and ALS) or "none" (only the model and
            its blends); a note of the evaluation lists what was left out.
        users: size of a random sample of users, the same for every run of a market; None: all users.
        new_test: also use events from after the test of an earlier evaluation of the same model, as after a refresh; by default the
            test set does not change, so that results can be compared.
        also: additional scorers.
        save: save results, queries and the weights of blends in the run's folder for pages, reports and lists. An evaluation with
            fewer baselines or users than the saved one is not saved.
        progress: called with each update of `listing_vibes.progress`, or True for a bar on stderr.

    Raises:
        VibesError: the market has no events, the protocol differs from the training's, `baselines` is unknown, or there is no test query.
    """
    if protocol not in (None, *get_args(Protocol)):
        raise VibesError(f"The protocol is '{protocol}'; use {' or '.join(get_args(Protocol))}.")
    if baselines not in get_args(Baselines):
        raise VibesError(f"The baselines are '{baselines}'; use {', '.join(get_args(Baselines))}.")
    opened = run if isinstance(run, Run) else Run.open(run)
    with shown(progress) as report:
        options = (hide_history, baselines, users, new_test)
        result = evaluate_run(opened, protocol, report, also, *options)  # type: ignore[arg-type]
        if save and not save_metrics(opened, result):
            report(
                Notice(
                    f"{opened.label} has a saved evaluation with more baselines or users, so this one is not saved."
                )
            )
    return result


def evaluate_run(
    run: Run,
    protocol: Protocol | None = None,
    report: Report = silent,
    also: Sequence[Scorer] = (),
    hide_history: bool | None = None,
    baselines: Baselines = "all",
    users: int | None = None,
    new_test: bool = False,
) -> Evaluation:
    """Evaluate an open run without saving; see `evaluate`."""
    _check_request(run, protocol, users, baselines != "none" or bool(also))
    split, notes = _frozen_split(run, protocol, new_test)
    split = split.with_history(hide_history)
    ranked = _scorers(run, split, baselines, report)
    scorers = [*ranked.blends, *ranked.baselines, *also]
    queries = split.test if users is None else _sample_users(split.test, users, notes)
    seed = run.manifest.settings.seed
    result = rank_queries(scorers, run.log, split, run.catalogue, queries, seed=seed, report=report)
    if ranked.blends:
        notes[DEFAULT_RANKING] = _describe_default(run.manifest.settings)
    if run.transferred and run.manifest.carried is not None:
        notes["transfer"] = f"the model {run.manifest.carried.sentence}"
    if better := better_blend(
        result.differences, {fit.name: blend_parts(fit.name) for fit in ranked.fitted_blends}
    ):
        notes["significantly better"] = better
    request = EvaluationRequest(
        protocol=split.protocol,
        history_hidden=queries.masked,
        baselines=baselines,
        users=users if DRAWN in notes else None,
        t1=split.t1,
        t2=split.t2,
        test_until=int(split.test.at.max()) if split.t2 is not None and len(split.test) else None,
    )
    return replace(
        result, notes=result.notes | notes | ranked.notes, fitted_blends=ranked.fitted_blends, request=request
    )


@dataclass
class _Scorers:
    """The scorers of an evaluation: the rankings by the model, the first of which is the default one, and the baselines."""

    blends: list[Scorer] = field(default_factory=list)
    baselines: list[Scorer] = field(default_factory=list)
    fitted_blends: list[BlendWeights] = field(default_factory=list)  # the blends that were fitted here
    notes: dict[str, str] = field(default_factory=dict)


def _scorers(run: Run, split: Split, baselines: Baselines, report: Report) -> _Scorers:
    """Return the scorers of a run, tuned on validation; without validation, blends have the weights of the run that it repeats."""
    log, catalogue, seed = run.log, run.catalogue, run.manifest.settings.seed
    left_out: dict[str, str] = {}
    result = _Scorers()
    first: list[Baseline] = []
    if baselines == "none":
        left_out["popularity, id models and neighbors"] = "not requested"
    else:
        first = first_level(log, split, catalogue, report, seed, baselines == "all", left_out)
    if left_out:
        result.notes[LEFT_OUT] = ", ".join(f"{name} ({why})" for name, why in left_out.items())
    report(Stage("neighbors, chosen on validation"))
    neighbors = untrained_neighbors(run, split, report, tune=baselines != "none")
    features = {name: CachedScorer(scorer) for name, scorer in neighbor_features(neighbors).items()}
    covisits = None
    if baselines == "all" and neighbors:
        report(Stage(f"baseline {CONTENT_EASE}"))
        covisits = tuned_content_ease(run, neighbors, split)
    tuned_on = choosing(split, log, catalogue)
    if not len(split.valid):
        result.notes[TUNED] = UNTUNED if tuned_on is split else WITHIN
    if run.has_model:
        model = CachedScorer(model_scorer(run))
        if len(split.valid):
            report(Stage("blends, weighed on validation"))
            blends = blends_of(model, first, features, log, split, catalogue, seed, covisits)
            result.fitted_blends = [blend.weights for blend in blends]
        else:
            blends = [run_blend(run, fit, model, split.train) for fit in run.fitted_blends]
        result.blends = [default_ranking(run, model, split), model, *blends]
    elif run.manifest.settings.blend is not None:
        result.blends = [default_ranking(run, None, split)]
    if baselines != "none":
        result.baselines = [*first, *neighbors]
        if neighbors and len(tuned_on.valid):
            moments = moments_of(log, tuned_on.train, catalogue)
            blend = fit_blend(NEAR_RECENT, features, moments, log, tuned_on, catalogue, seed)
            result.baselines.append(blend)
            if covisits is not None:
                with_covisits = {**features, COVISITS: CachedScorer(covisits)}
                result.baselines += [
                    covisits,
                    fit_blend(WITHOUT_MODEL, with_covisits, moments, log, tuned_on, catalogue, seed),
                ]
    return result


def _check_request(run: Run, protocol: Protocol | None, users: int | None, has_baselines: bool) -> None:
    """Raise a VibesError if there is nothing to evaluate, or if the model would be tested on its training data."""
    if users is not None and users < 1:
        raise VibesError(f"Option --users is {users}; give 1 or more.")
    if not has_baselines and not run.has_model:
        raise VibesError(
            f"{run.label} has no trained model, so without baselines there is nothing to evaluate; use fast or all."
        )
    if not len(run.log):
        raise VibesError(
            f"{run.market.path} has no events, so there is nothing to evaluate on; add an events table. Without one, "
            f"`vibes similar {run.label} LISTING` and `vibes recommend {run.label} --history FILE` make lists."
        )
    trained = run.manifest.settings.split.protocol
    if run.has_model and not run.transferred and None not in (protocol, trained) and protocol != trained:
        raise VibesError(
            f"{run.label} was trained for the protocol {trained}; evaluated as {protocol} it would be tested on events "
            f"that it was trained on. Train another run with --protocol {protocol}."
        )
    if run.trained_on_everything:
        raise VibesError(
            f"{run.label} was trained on every event of {run.market.path}, so there is nothing left to test it on; evaluate "
            "the run that it repeats, or bring newer events."
        )


def _frozen_split(run: Run, protocol: Protocol | None, new_test: bool) -> tuple[Split, dict[str, str]]:
    """Return the split without the queries after an earlier evaluation's test, and a note on their number."""
    frozen, split = None if new_test else saved_request(run), run.split(protocol)
    if frozen is None or frozen.test_until is None or split.protocol != "temporal":
        return split, {}
    if split.t2 != frozen.t2 or split.t1 != frozen.t1:  # by default they move with the events
        split = make_split(run.log, run.catalogue, "temporal", frozen.t1, frozen.t2)
    test = split.test.take(split.test.at <= frozen.test_until)
    newer = len(split.test) - len(test)
    note = f"as it was, without {newer:,} newer queries; `evaluate(run, new_test=True)` adds them"
    return replace(split, test=test), {FROZEN: note} if newer else {}


def _sample_users(queries: Queries, users: int, notes: dict[str, str]) -> Queries:
    """Return the queries of a random sample of users, with a note; a smaller sample is a subset of a larger one."""
    every = np.unique(queries.user)
    if users < len(every):
        notes[DRAWN] = f"{users:,} of the {len(every):,} users who have a test query, by chance"
    return queries.take(np.isin(queries.user, np.random.default_rng(0).permutation(every)[:users]))


def _describe_default(settings: Resolved) -> str:
    """Return what the default ranking consists of."""
    days, fit = settings.training.recent_days, settings.blend
    trained = f", trained with the events of the last {days} days" if days else ""
    if fit is None:
        return f"the model only{trained}"
    model = f"the model{trained}, blended: " if "model" in fit.weights else ""
    alone = ", ".join(f"{weight:.2f} x {name}" for name, weight in fit.alone.items())
    queries = count(fit.queries, "validation query", "validation queries")
    return f"{model}{fit.note}; by the {queries} without other markets: {alone}"


def better_blend(differences: Results, blends: Mapping[str, str]) -> str:
    """Return a note on the ranking that is most and significantly better than the default one, with its `--blend`; "" if there is none.

    Args:
        blends: values of `--blend` by ranking.
    """
    behind = {}
    for name, blend in {**blends, MODEL_ONLY: NO_BLEND}.items():
        result = differences.get(f"{DEFAULT_RANKING} - {name}", {}).get(METRIC)
        if result and (result["value"] or 0) < 0 and (result["p_holm"] or 0) < SIGNIFICANT:
            behind[name] = (result["value"], blend)
    if not behind:
        return ""
    name, (value, blend) = min(behind.items(), key=lambda item: item[1])
    return f"{name}, by {-(value or 0):.3f} of {METRIC}: ask for such lists with `--blend {blend}`"


def blends_of(
    model: Scorer,
    first: Sequence[Baseline],
    neighbors: Mapping[str, Scorer],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    seed: int = 0,
    covisits: ContentEase | None = None,
) -> list[Blend]:
    """Return the model blended with recency, with neighbors, with both, with the id model of the best validation recall@30, and with
    content EASE.

    Args:
        neighbors: untrained neighbors by space.
        covisits: content EASE, if it was fitted.
    """
    moments = moments_of(log, split.train, catalogue)
    near = {"model": model, **neighbors}
    features: dict[str, tuple[Mapping[str, Scorer], Mapping[str, Moment]]] = {
        "recency": ({"model": model}, moments)
    }
    if neighbors:
        features |= {"neighbors": (near, {}), "neighbors+recency": (near, moments)}
    blends = [
        fit_blend(blend_name(*parts.split("+")), *columns, log, split, catalogue, seed)
        for parts, columns in features.items()
    ]
    ids = [scorer for scorer in first if isinstance(scorer, IdModel)]
    if ids:
        chosen = best(ids, log, validation_sample(split, seed, log.listings), catalogue)
        blend = fit_blend(blend_name("ids"), {"model": model, "ids": chosen}, {}, log, split, catalogue, seed)
        about = {"ids": chosen.name, "id_settings": chosen.settings}
        blends.append(replace(blend, weights=blend.weights.model_copy(update=about)))
    if covisits is not None:
        scorers = {"model": model, COVISITS: covisits}
        blends.append(fit_blend(blend_name(COVISITS), scorers, {}, log, split, catalogue, seed))
    return blends


def rank_queries(
    scorers: Sequence[Scorer],
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    queries: Queries | None = None,
    batch_size: int = 256,
    seed: int = 0,
    report: Report = silent,
) -> Evaluation:
    """Rank the target of every query (default: the test queries of `split`) by every scorer.

    The other scorers are compared with the first one. Ranks are pessimistic: ties count against the
    target. Memory is bounded by `batch_size` x L scores per scorer, and by 64 MiB for each of four.

    Raises:
        VibesError: there is no query.
        ValueError: two scorers share a name, a score is NaN or of a wrong shape, a target is not a candidate.
    """
    queries = split.test if queries is None else queries
    if len(queries) == 0:
        raise VibesError(
            "There is no query to evaluate: no event of the test period has an earlier event of the same user and a "
            "listing that is active and new to them; choose an earlier end of training or another --protocol."
        )
    names = [scorer.name for scorer in scorers]
    if len(set(names)) != len(names) or not names:
        raise ValueError(f"scorers need distinct names, got {names}")
    ranks = {name: np.zeros(len(queries), np.int64) for name in names}
    coverage = {name: Coverage(log.listings) for name in names}
    candidates = np.zeros(len(queries), np.int64)
    for rows, batch, allowed in batches(log, queries, catalogue, batch_size, len(scorers)):
        if split.protocol == "temporal" and not allowed[np.arange(len(batch)), batch.target].all():
            raise ValueError("a query's target is not among its candidates")
        candidates[rows] = [np.count_nonzero(row) for row in allowed]
        for scorer in scorers:
            scores = checked_scores(scorer, batch, log.listings)  # (B, L)
            ranks[scorer.name][rows] = pessimistic_ranks(scores, allowed, batch.target)
            query, listing = top(scores, allowed, K)
            coverage[scorer.name].add(batch.user[query], listing, allowed)
        report(Counted("evaluate", rows.stop, len(queries)))
    notes = {scorer.name: note for scorer in scorers if (note := getattr(scorer, "note", ""))}
    return Evaluation(log, split, queries, ranks, coverage, candidates, seed, notes)
