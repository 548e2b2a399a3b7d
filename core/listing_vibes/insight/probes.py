"""Linear probes (Alain & Bengio 2016, arXiv 1610.01644): what a space knows of price, area, rooms, vibe or room type.

A ridge regression or a linear classifier foretells one fact from a space's vectors, cross-validated so that no listing is
on both sides. Beside every space stand the attributes alone (without the one that is asked for) and chance.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import bootstrap_means, interval
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

TABLE = ("space", "question", "kind", "metric", "value", "low", "high", "chance", "rows", "listings")
PREDICTIONS = (C.LISTING, "space", "question", "truth", "predicted")
PENALTIES = np.logspace(-1, 4, 11)  # of the ridge, chosen within each training part
CLASS_PENALTY = 0.1  # C of the logistic regression
ORDERS = 10.0  # a positive number that spans more than this is asked for by its logarithm
FEWEST = 20  # listings with an answer; fewer say nothing


@dataclass(frozen=True, eq=False)
class Probes:
    """What was found: one row a space and question, and every out-of-fold prediction."""

    table: pd.DataFrame  # columns TABLE; metric r2 or accuracy, with its 95 % interval over listings
    predictions: pd.DataFrame  # columns PREDICTIONS; of the second part of a photo question one row a photo


def probe_run(
    run: Run,
    questions: Sequence[str] | None = None,
    truth: pd.DataFrame | None = None,
) -> Probes:
    """Probe every space of a run for `questions` (None: its numbers) and for the columns of `truth`.

    `truth` has `listing_id` and columns that the market does not have, such as the vibe.

    Raises:
        VibesError: a question that is neither an attribute nor in `truth`, `truth` without `listing_id`, or nothing to ask.
    """
    market = run.market
    answers = dict(_answers(market, questions, truth))
    if not answers:
        raise VibesError(f"{market.path} has no number to ask a probe for; give questions or a truth table.")
    ids = np.asarray(run.listing_ids)
    parts = []
    for question, values in answers.items():
        spaces = {name: run.vectors(name) for name in run.spaces if name != "attributes"}
        spaces["attributes"] = attributes_without(market, question)
        parts += [probe(space, question, vectors, values, ids) for space, vectors in spaces.items()]
    return joined(parts)


def _answers(
    market: Market, questions: Sequence[str] | None, truth: pd.DataFrame | None
) -> Iterator[tuple[str, pd.Series]]:
    kinds = {attribute.name: type_of(attribute.kind) for attribute in market.attributes}
    if truth is not None and C.LISTING not in truth:
        raise VibesError(f"The truth table has the columns {list(truth)}; it needs 'listing_id'.")
    told = [] if truth is None else [str(name) for name in truth if name != C.LISTING]
    chosen = [name for name, kind in kinds.items() if kind.amount] if questions is None else list(questions)
    for name in dict.fromkeys([*chosen, *told]):
        if name in told and truth is not None:
            by_id = truth.drop_duplicates(C.LISTING).set_index(C.LISTING)[name]
            yield name, market.listings[C.LISTING].map(by_id)
        elif name in kinds and kinds[name].short:
            yield name, market.listings[name]
        else:
            raise VibesError(
                f"'{name}' is no number, category or flag of {market.path} and not in the truth table; ask for another."
            )


def attributes_without(market: Market, question: str) -> np.ndarray:
    """(L, d) the attributes space of a market that lacks the attribute `question`, which would give the answer away."""
    from listing_vibes.run.spaces import spaces_of

    rest = [attribute for attribute in market.attributes if attribute.name != question]
    if not rest:
        return np.zeros((len(market.listings), 1), np.float32)
    return spaces_of(replace(market, attributes=rest), None, None)["attributes"]


def probe(
    space: str,
    question: str,
    vectors: np.ndarray,
    values: pd.Series | np.ndarray,
    listing: np.ndarray,
    folds: int = 5,
    seed: int = 0,
) -> Probes:
    """One space and question: N rows `vectors` (N, d), their answers `values` (N,) and listings `listing` (N,).

    Rows of one listing (its photos, say) are always in the same fold. Rows without an answer or with a zero vector are
    left out. Numbers that are all positive and span more than a factor of ten are asked for by their logarithm, and are
    so in the predictions; the chance of a class is that of the commonest one, the chance of a number is R2 = 0.

    Raises:
        VibesError: fewer than 20 listings have an answer, or all the same one.
    """
    answers = pd.Series(values).reset_index(drop=True)
    usable = answers.notna().to_numpy() & np.any(vectors != 0, axis=1)
    number = pd.api.types.is_numeric_dtype(answers.dtype) and not pd.api.types.is_bool_dtype(answers.dtype)
    told, groups, inputs = answers[usable], listing[usable], np.asarray(vectors[usable], np.float64)
    count = len(np.unique(groups))
    if count < FEWEST or told.nunique() < 2:
        raise VibesError(
            f"Only {count} listings of the space '{space}' have an answer to '{question}' ({told.nunique()} different "
            f"ones); a probe needs {FEWEST} and two."
        )
    target = told.to_numpy(np.float64) if number else told.astype(str).to_numpy()
    if number and target.min() > 0 and np.quantile(target, 0.99) > ORDERS * np.quantile(target, 0.01):
        target = np.log(target)
    predicted = _out_of_fold(inputs, target, groups, min(folds, count), seed)
    if number:
        value, low, high = _r2(target, predicted, groups, seed)
        chance = 0.0
    else:
        right = (predicted == target).astype(np.float64)
        value, low, high = _mean(right, groups, seed)
        chance = float((target == pd.Series(target).mode()[0]).mean())
    metric = "r2" if number else "accuracy"
    kind = "number" if number else "class"
    row = (space, question, kind, metric, value, low, high, chance, len(target), count)
    predictions = pd.DataFrame(
        {C.LISTING: groups, "space": space, "question": question, "truth": target, "predicted": predicted}
    )
    return Probes(pd.DataFrame([row], columns=list(TABLE)), predictions[list(PREDICTIONS)])


def joined(parts: Sequence[Probes]) -> Probes:
    """Several probes as one; truths and predictions become text, since numbers and classes share the columns."""
    predictions = [part.predictions.astype({"truth": str, "predicted": str}) for part in parts]
    return Probes(
        pd.concat([part.table for part in parts], ignore_index=True),
        pd.concat(predictions, ignore_index=True),
    )


def _out_of_fold(
    inputs: np.ndarray, target: np.ndarray, groups: np.ndarray, folds: int, seed: int
) -> np.ndarray:
    """(N,) what a linear probe that has not seen a row's listing says of it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GroupKFold

    numeric = np.issubdtype(target.dtype, np.number)
    found = np.empty_like(target)
    for train, test in GroupKFold(folds, shuffle=True, random_state=seed).split(inputs, target, groups):
        if not numeric and len(np.unique(target[train])) < 2:
            found[test] = target[train][0]
            continue
        model = RidgeCV(PENALTIES) if numeric else LogisticRegression(C=CLASS_PENALTY, max_iter=500)
        # One scale for all columns: a space is a shape, and a column that hardly varies says hardly anything.
        centre, scale = inputs[train].mean(axis=0), np.sqrt(inputs[train].var(axis=0).mean()) or 1.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit((inputs[train] - centre) / scale, target[train])
        found[test] = model.predict((inputs[test] - centre) / scale)
    return found


def _sums(columns: Mapping[str, np.ndarray], groups: np.ndarray) -> np.ndarray:
    """(G, C) the sums of each column over the rows of each listing."""
    _, which = np.unique(groups, return_inverse=True)
    return np.column_stack([np.bincount(which, weights=column) for column in columns.values()])


def _mean(right: np.ndarray, groups: np.ndarray, seed: int) -> tuple[float, float, float]:
    """The mean over rows, and its interval over listings."""
    draws = bootstrap_means(_sums({"right": right, "rows": np.ones(len(right))}, groups), seed=seed)  # (R, 2)
    low, high = interval(draws[:, :1] / draws[:, 1:])
    return float(right.mean()), float(low[0]), float(high[0])


def _r2(
    target: np.ndarray, predicted: np.ndarray, groups: np.ndarray, seed: int
) -> tuple[float, float, float]:
    """1 - squared error over variance, and its interval over listings."""
    parts = {
        "rows": np.ones(len(target)),
        "error": np.square(target - predicted),
        "value": target,
        "square": np.square(target),
    }
    sums = _sums(parts, groups)  # (G, 4)

    def of(means: np.ndarray) -> np.ndarray:
        rows, error, value, square = means.T
        return 1 - error / np.maximum(square - value**2 / rows, 1e-12)

    low, high = interval(of(bootstrap_means(sums, seed=seed))[:, None])
    return float(of(sums.mean(axis=0, keepdims=True))[0]), float(low[0]), float(high[0])
