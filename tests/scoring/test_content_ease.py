"""Content EASE against its definition, listings without events, and its settings."""

from dataclasses import replace

import numpy as np
import pytest

from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.features.reduce import unit_rows
from listing_vibes.scoring import content_ease
from listing_vibes.scoring.blend import COVISITS, fit_blend, moments_of
from listing_vibes.scoring.content_ease import ContentEase, known_listings
from listing_vibes.scoring.interactions import history_matrix
from listing_vibes.scoring.neighbors import VectorNeighbors

SETTINGS = {
    "share": 0.7, "content_penalty": 3.0, "penalty": 20.0, "decay": 0.8, "attributes": 1.0, "photos": 0.5, "text": 0.0,
}  # fmt: skip


@pytest.fixture
def setting(random_split):
    return random_split(3, users=60, listings=40, events=700)


def content(listings: int, group: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Vectors of some listings, near to those of the same group; the third listing has no photo."""
    rng = np.random.default_rng(1)
    spaces = {
        name: rng.normal(size=(listings, width))
        for name, width in (("attributes", 7), ("photos", 5), ("text", 3))
    }
    if group is not None:
        spaces["attributes"] += 4 * np.eye(7)[group]
    spaces["photos"][2] = 0
    return {name: unit_rows(vectors).astype(np.float32) for name, vectors in spaces.items()}


def slow_content(factor: np.ndarray, known: np.ndarray, penalty: float) -> np.ndarray:
    """Column j: the content of listing j regressed on that of all other known listings, by least squares on augmented rows."""
    count = len(factor)
    weights = np.zeros((count, count))
    for column in range(count):
        others = np.flatnonzero(known & (np.arange(count) != column))
        rows = np.vstack([factor[others].T, np.sqrt(penalty) * np.eye(len(others))])
        wanted = np.concatenate([factor[column], np.zeros(len(others))])
        weights[others, column] = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return weights


def slow_weights(matrix: np.ndarray, prior: np.ndarray, penalty: float, share: float) -> np.ndarray:
    """Column j: |x_j - X b|^2 + r (1 - s) |b|^2 + r s |b - c_j|^2 with b_j = 0, by least squares on augmented rows."""
    count = matrix.shape[1]
    weights = np.zeros((count, count))
    for column in range(count):
        others = np.arange(count) != column
        size = count - 1
        rows = np.vstack(
            [
                matrix[:, others],
                np.sqrt(penalty * (1 - share)) * np.eye(size),
                np.sqrt(penalty * share) * np.eye(size),
            ]
        )
        pulled = np.sqrt(penalty * share) * prior[others, column]
        wanted = np.concatenate([matrix[:, column], np.zeros(size), pulled])
        weights[others, column] = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return weights


def test_weights_and_scores_are_those_of_the_slow_twin(setting):
    log, split, catalogue = setting
    spaces = content(log.listings)
    fitted = ContentEase.fit(spaces, log, split.train, catalogue, SETTINGS)
    warm, known = fitted.interactions.warm, known_listings(log, split.train, catalogue)
    cold = np.setdiff1d(np.arange(log.listings), warm)
    assert len(cold) and known.all()
    factor = unit_rows(np.hstack([spaces["attributes"], np.sqrt(0.5) * spaces["photos"]])).astype(float)
    prior = slow_content(factor, known, 3.0)
    expected = 0.7 * prior  # what B is without any events
    among = slow_weights(
        fitted.interactions.matrix.toarray().astype(float), prior[np.ix_(warm, warm)], 20.0, 0.7
    )
    expected[np.ix_(warm, warm)] = among
    assert fitted.weights == pytest.approx(among, abs=1e-4)
    histories = history_matrix(log, split.test.start, split.test.end, 0.8).toarray()
    assert fitted.score(split.test) == pytest.approx(histories @ expected, abs=1e-4)
    chosen = replace(fitted, weights=None)  # as settings are chosen
    assert chosen.score(split.test) == pytest.approx(fitted.score(split.test), abs=1e-4)


def test_a_listing_without_events_is_recommended_by_its_content(setting):
    log, split, catalogue = setting
    group = np.arange(log.listings) % 7
    fitted = ContentEase.fit(content(log.listings, group), log, split.train, catalogue, SETTINGS)
    cold = np.flatnonzero(log.counts(split.train) == 0)
    one = replace(split.test, start=split.test.end - 1)
    scores, newest = fitted.score(one), log.listing[one.start]
    for listing in cold:
        same = group[newest] == group[listing]
        assert scores[same, listing].mean() > scores[~same, listing].mean() + 0.02


def test_beyond_a_limit_the_listings_of_most_users_have_rows(setting, monkeypatch):
    log, split, catalogue = setting
    monkeypatch.setattr(content_ease, "MOST_LISTINGS", 12)
    fitted = ContentEase.fit(content(log.listings), log, split.train, catalogue, SETTINGS)
    users = [len(np.unique(log.user[split.train & (log.listing == row)])) for row in range(log.listings)]
    assert min(np.array(users)[fitted.interactions.warm]) >= np.sort(users)[-12]
    assert len(fitted.interactions.warm) == 12 and "12 listings with most events" in fitted.note
    assert np.isfinite(fitted.score(split.test)).all()


def test_large_inverses_are_assembled_by_pieces(setting, monkeypatch):
    log, split, catalogue = setting
    full = ContentEase.fit(content(log.listings), log, split.train, catalogue, SETTINGS)
    monkeypatch.setattr(content_ease, "QUICK", 7)
    pieces = ContentEase.fit(content(log.listings), log, split.train, catalogue, SETTINGS)
    np.testing.assert_allclose(pieces.weights, full.weights, atol=1e-6)


def test_settings_are_chosen_on_validation_and_never_on_the_test(setting):
    log, split, catalogue = setting
    spaces = content(log.listings, np.arange(log.listings) // 3 % 7)
    blind = ContentEase.tune(spaces, log, replace(split, test=None), catalogue)
    assert blind.settings == ContentEase.tune(spaces, log, split, catalogue).settings
    untuned = {**SETTINGS, **{name: values[0] for name, values in content_ease.GRID.items()}, "photos": 0.0}
    reference = ContentEase.fit(spaces, log, split.train, catalogue, untuned)
    queries = split.valid

    def reached(scorer):
        return rank_queries([scorer], log, split, catalogue, queries).results["content EASE"]["mrr"]["value"]

    assert reached(blind) >= reached(reference) - 0.02
    none = split.valid.take(slice(0, 0))
    first = ContentEase.tune(spaces, log, replace(split, valid=none, protocol="leave-one-out"), catalogue)
    assert {name: first.settings[name] for name in content_ease.GRID} == {
        name: values[0] for name, values in content_ease.GRID.items()
    }
    again = ContentEase.fit(spaces, log, split.train, catalogue, blind.settings)
    np.testing.assert_allclose(again.score(split.test), blind.score(split.test))


def test_content_that_is_published_later_is_not_known(random_split):
    log, split, catalogue = random_split(3, users=60, listings=40, events=700)
    since = catalogue.since.copy()
    cold = np.flatnonzero(log.counts(split.train) == 0)
    since[cold[0]] = log.time[split.train].max() + 1
    known = known_listings(log, split.train, replace(catalogue, since=since))
    assert not known[cold[0]] and known.sum() == log.listings - 1


def test_the_default_blend_has_it_only_where_validation_proves_it(setting):
    log, split, catalogue = setting
    spaces = content(log.listings)
    near = {"attributes": VectorNeighbors.of(spaces["attributes"], log)}
    moments = moments_of(log, split.train, catalogue)
    useful = ContentEase.tune(spaces, log, split, catalogue)
    useless = replace(useful, weights=np.zeros_like(useful.weights))
    for scorer, is_used in ((useful, True), (useless, False)):
        blend = fit_blend(
            "default", {**near, COVISITS: scorer}, moments, log, split, catalogue, needs_proof=True
        )
        assert (COVISITS in blend.weights.weights) == is_used == bool(blend.weights.covisits)
        assert (COVISITS in blend.scorers) == is_used
        kept = fit_blend("all", {**near, COVISITS: scorer}, moments, log, split, catalogue)
        assert COVISITS in kept.weights.weights and kept.weights.covisits == scorer.settings
