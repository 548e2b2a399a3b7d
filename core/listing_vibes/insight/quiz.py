"""A quiz that explains recall: which of a few listings did a visitor open next, beside the choices of the model and of popularity."""

from dataclasses import dataclass

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.insight.audience import newest_listings
from listing_vibes.insight.disagreements import scorer_of, split_of
from listing_vibes.run.run import Run
from listing_vibes.run.scorer import untrained_neighbors
from listing_vibes.scoring.ranking import checked_scores
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING

ROUNDS, CHOICES = 10, 6
SHORTEST, NEWEST = 3, 6  # events of a history, and listings of it that are shown


@dataclass(frozen=True)
class Round:
    """A question of the quiz."""

    user: str
    history: tuple[str, ...]  # the newest distinct listings of the visitor, the oldest first
    choices: tuple[str, ...]  # listings, one of which the visitor interacted with next
    answer: int  # its position in `choices`
    model: int  # position of the listing that the model would have put first
    popularity: int  # and of the one that popularity would have


def quiz(run: Run, rounds: int = ROUNDS, seed: int = 0) -> list[Round]:
    """Draw test queries of different visitors, each with the next listing among `CHOICES` active ones.

    A run without a model answers with its untrained neighbors.

    >>> [len(question.choices) for question in quiz(run, rounds=2)]
    [6, 6]

    Raises:
        VibesError: the market has no events, or too few test queries or listings.
    """
    if not len(run.log):
        raise VibesError("This market has no events, so there is no next listing to guess.")
    split, rng = split_of(run), np.random.default_rng(seed)
    test, has_cover = split.test, np.ones(len(run.listing_ids), bool)
    if run.market.cover:
        has_cover = np.array([name in run.market.cover for name in run.listing_ids])
    rows = np.flatnonzero((test.length >= SHORTEST) & has_cover[test.target])
    _, first = np.unique(test.user[rows := rng.permutation(rows)], return_index=True)
    queries = test.take(rows[np.sort(first)][:rounds])
    if not len(queries.user):
        raise VibesError(
            "This market has no test query with a history of three events, so there is nothing to guess."
        )
    candidates = run.catalogue.candidates(run.log, queries) & has_cover
    scorers = [
        scorer_of(run, split, DEFAULT_RANKING)
        if run.has_model
        else untrained_neighbors(run, split, tune=False)[0],
        scorer_of(run, split, "popularity"),
    ]
    scores = [checked_scores(scorer, queries, run.log.listings) for scorer in scorers]
    results = []
    for row, target in enumerate(queries.target.tolist()):
        others = np.setdiff1d(np.flatnonzero(candidates[row]), target)
        if len(others) < CHOICES - 1:
            raise VibesError(
                f"Fewer than {CHOICES} listings of this market were active, so there is nothing to guess."
            )
        choices = rng.permutation([target, *rng.choice(others, CHOICES - 1, replace=False)])
        user, ids = int(queries.user[row]), run.listing_ids
        results.append(
            Round(
                run.log.users[user],
                tuple(newest_listings(run, user, int(queries.at[row]))[:NEWEST][::-1]),
                tuple(ids[item] for item in choices),
                int(np.flatnonzero(choices == target)[0]),
                *(int(score[row, choices].argmax()) for score in scores),
            )
        )
    return results
