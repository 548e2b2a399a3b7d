"""Baselines by name, and the text space that one of them looks at."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

import listing_vibes.scoring.late_interaction as late_interaction
from helpers.logs import build_log
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.features.content_spaces import text_vectors
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.progress import Counted
from listing_vibes.scoring.baselines import first_level
from listing_vibes.scoring.interactions import history_matrix
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.named import named_baseline
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.scores import CachedScorer
from listing_vibes.scoring.tuning import DECAYS, recall, validation_sample


@pytest.fixture
def setting(tiny_market):
    market = Market.open(tiny_market(listings=40, users=60, events_per_user=8, photos=0))
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    return market, log, make_split(log, catalogue), catalogue


@pytest.mark.slow
def test_the_best_id_model_is_the_one_that_validation_likes_best(setting):
    market, log, split, catalogue = setting
    chosen = named_baseline("best-id", market, log, split, catalogue)
    queries = validation_sample(split, 0, log.listings)
    reached = {one.name: recall(one, log, queries, catalogue) for one in first_level(log, split, catalogue)}
    assert reached[chosen.name] == max(reached.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, label",
    [
        ("popularity", "popularity"),
        ("recent-popularity", "recent popularity"),
        ("itemknn", "ItemKNN"),
        ("ease", "EASE"),
        ("sparse-ease", "sparse EASE"),
        ("als", "ALS"),
        ("attribute-neighbors", "attribute neighbors"),
        ("text-neighbors", "text neighbors"),
    ],
)
def test_every_name_gives_its_baseline(setting, name, label):
    market, log, split, catalogue = setting
    found = named_baseline(name, market, log, split, catalogue)
    assert found.name == label and found.score(split.test).shape == (len(split.test), log.listings)


def test_what_a_market_lacks_is_said(setting):
    market, log, split, catalogue = setting
    with pytest.raises(VibesError, match="no photos, so there are no photo neighbors"):
        named_baseline("photo-neighbors", market, log, split, catalogue)
    with pytest.raises(VibesError, match="no baseline 'sasrec'"):
        named_baseline("sasrec", market, log, split, catalogue)
    silent = replace(market, attributes=[a for a in market.attributes if a.kind != "text"])
    assert text_vectors(silent, np.ones(40, bool)) is None
    with pytest.raises(VibesError, match="no text, so there are no text neighbors"):
        named_baseline("text-neighbors", silent, log, split, catalogue)


def test_alike_texts_are_near_and_a_listing_without_text_has_no_vector(tiny_market):
    market = Market.open(tiny_market(listings=6, photos=0))
    texts = [
        "A quiet flat by the sea with a balcony",
        "Sunny flat at the beach, with a balcony",
        "Workshop with a crane for heavy machines",
        "Heavy machine hall, crane included",
        None,
        "Room for students near the university",
    ]
    market.listings["title"] = texts
    told: list[object] = []
    vectors = text_vectors(market, np.arange(6) < 4, report=told.append)
    assert told[-1] == Counted("texts", 5, 5)  # an evaluation may be the first that asks for them
    cosine = vectors @ vectors.T
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1, 1, 0, 1], abs=1e-5)
    assert cosine[0, 1] > cosine[0, 2] and cosine[2, 3] > cosine[2, 1]


def test_the_text_space_is_fitted_on_what_is_known_by_then(tiny_market):
    """In Greek, whose texts go by their words: what a later listing says moves no vector of the earlier ones."""
    market = Market.open(tiny_market(listings=6, photos=0))
    texts = ["σπίτι με κήπο", "σπίτι με θέα", "κήπος και θέα", "μικρό σπίτι", "θέα στη θάλασσα", "κήπος"]
    vectors = []
    for later in ("μικρό σπίτι με θέα", "θάλασσα θάλασσα θάλασσα"):
        market.listings["title"] = [*texts, later][1:]
        vectors.append(text_vectors(market, np.arange(6) < 5))
    np.testing.assert_allclose(vectors[0][:5], vectors[1][:5], atol=1e-6)
    assert np.abs(vectors[0][5] - vectors[1][5]).max() > 0.1


def test_scores_are_weighted_mean_cosines_and_empty_rows_are_never_recommended(random_split):
    log, split, _ = random_split(8)
    queries = split.test
    vectors = np.random.default_rng(0).normal(size=(log.listings, 5)) * 3
    vectors[[2, 5, 11]] = 0
    scores = VectorNeighbors.of(vectors, log, 0.6).score(queries)
    histories = history_matrix(log, queries.start, queries.end, 0.6).toarray()
    for row, history in enumerate(histories):
        for listing in range(log.listings):
            if not vectors[listing].any():
                assert scores[row, listing] == -np.inf
                continue
            total = weight = 0.0
            for other in np.flatnonzero(history):
                if vectors[other].any():
                    lengths = np.linalg.norm(vectors[other]) * np.linalg.norm(vectors[listing])
                    total += history[other] * (vectors[other] @ vectors[listing]) / lengths
                    weight += history[other]
            assert scores[row, listing] == pytest.approx(total / weight if weight else 0.0, abs=1e-5)


def test_the_nearest_listing_of_a_history_may_count_alone(random_split):
    log, split, _ = random_split(8)
    queries = split.test
    vectors = np.random.default_rng(0).normal(size=(log.listings, 5)) * 3
    vectors[[2, 5, 11]] = 0
    scores = VectorNeighbors.of(vectors, log, nearest=True).score(queries)
    length = np.linalg.norm(vectors, axis=1)
    for row, (start, end) in enumerate(zip(queries.start, queries.end, strict=True)):
        speaks = [other for other in log.listing[start:end] if length[other]]
        for listing in range(log.listings):
            if not length[listing]:
                assert scores[row, listing] == -np.inf
                continue
            cosines = [vectors[one] @ vectors[listing] / length[one] / length[listing] for one in speaks]
            assert scores[row, listing] == pytest.approx(max(cosines, default=-1.0), abs=1e-5)


def test_nearest_is_chosen_where_a_history_holds_several_things(make_log, always_live):
    """Who buys coats and socks in turn; and things halfway between any two kinds, which nobody buys, are like the mean."""
    pairs = list(combinations(range(6), 2))
    between = np.repeat([np.eye(6)[[one, other]].sum(axis=0) for one, other in pairs], 40, axis=0)
    vectors = np.concatenate([np.repeat(np.eye(6), 10, axis=0), between])  # (660, 6)
    touched = [10 * pair[place % 2] + place for pair in pairs for place in range(8)]
    user, time = np.repeat(np.arange(len(pairs)), 8), np.tile(np.arange(8), len(pairs))
    log = make_log(user, touched, time, len(vectors), len(pairs))
    split = make_split(log, always_live(log), "leave-one-out")
    tuned = VectorNeighbors.tune(vectors, log, split, always_live(log))
    assert tuned.nearest
    found = rank_queries([CachedScorer(tuned)], log, split, always_live(log))
    assert found.notes == {"neighbors": "by the nearest listing of a history"}
    assert recall(tuned, log, split.valid, always_live(log)) == 1
    assert recall(replace(tuned, nearest=False), log, split.valid, always_live(log)) == 0


def test_the_recency_weight_is_the_one_that_validation_likes_best(random_split):
    log, split, catalogue = random_split(9, users=60, listings=120, events=900)
    vectors = np.random.default_rng(1).normal(size=(log.listings, 4))
    reached = {
        decay: recall(VectorNeighbors.of(vectors, log, decay), log, split.valid, catalogue)
        for decay in DECAYS
    }
    assert len(set(reached.values())) > 1
    tuned = VectorNeighbors.tune(vectors, log, split, catalogue, "attributes")
    assert (reached[tuned.decay], tuned.name) == (max(reached.values()), "attributes")


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    found = rng.normal(size=shape).astype(np.float32)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


@pytest.fixture
def asked():
    rng = np.random.default_rng(0)
    end = np.cumsum(rng.integers(1, 9, 12))
    start = np.concatenate([[0], end[:-1]])
    owner = np.repeat(np.arange(12), end - start)
    log = build_log(owner, rng.integers(0, 20, end[-1]), np.arange(end[-1]), listings=20, users=12)
    return unit(rng, 12, 6), unit(rng, 20, 6), log, start, end


@pytest.mark.parametrize("held", [16_000_000, 1])
def test_scores_are_those_of_a_loop_over_queries_and_listings(asked, held, monkeypatch):
    monkeypatch.setattr(late_interaction, "MOST_COSINES", held)
    users, vectors, log, start, end = asked
    found = LateInteraction(0.5, newest=4).scores(users, vectors, vectors, log, start, end)
    assert found.dtype == np.float32
    for query in range(12):
        history = log.listing[max(start[query], end[query] - 4) : end[query]]
        for row in range(20):
            nearest = max(float(vectors[event] @ vectors[row]) for event in history)
            expected = (float(users[query] @ vectors[row]) + 0.5 * nearest) / 1.5
            assert found[query, row] == pytest.approx(expected, abs=1e-5)


def test_where_users_seldom_return_no_listing_is_near_to_itself(asked):
    users, vectors, log, start, end = asked
    late = LateInteraction(0.5, newest=4, itself=False)
    found = late.scores(users, vectors, vectors, log, start, end)
    for query in range(12):
        history = log.listing[max(start[query], end[query] - 4) : end[query]]
        for row in range(20):
            others = [float(vectors[event] @ vectors[row]) for event in history if event != row]
            expected = (float(users[query] @ vectors[row]) + 0.5 * max(others, default=-1.0)) / 1.5
            assert found[query, row] == pytest.approx(expected, abs=1e-5)
    some = np.array([3, 17, 5])
    part = late.scores(users, vectors[some], vectors, log, start, end, of=some)
    np.testing.assert_allclose(part, found[:, some], atol=1e-6)
    new = late.scores(
        users, vectors[some], vectors, log, start, end
    )  # a twin of a listing is another listing
    near = LateInteraction(0.5, newest=4).scores(users, vectors[some], vectors, log, start, end)
    np.testing.assert_array_equal(new, near)


def test_without_weight_they_are_cosines_to_the_last_bit(asked):
    users, vectors, log, start, end = asked
    found = LateInteraction().scores(users, vectors, vectors, log, start, end)
    np.testing.assert_array_equal(found, users @ vectors.T)


def test_the_newest_are_those_that_the_model_has_read():
    """These are the newest of what is wanted; a history without any is near to nothing."""
    rng = np.random.default_rng(0)
    vectors, users = unit(rng, 9, 5), unit(rng, 2, 5)
    log = build_log([0, 0, 0, 0, 0, 1], [0, 1, 2, 3, 4, 5], range(6), listings=9, users=2, hides=[2, 4, 5])
    found = LateInteraction(0.5, newest=2).scores(
        users, vectors, vectors, *log.select_positive(log.start[:-1], log.start[1:])
    )
    expected = (users[0] @ vectors.T + 0.5 * (vectors[[1, 3]] @ vectors.T).max(axis=0)) / 1.5
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    np.testing.assert_allclose(found[1], (users[1] @ vectors.T - 0.5) / 1.5, atol=1e-6)
