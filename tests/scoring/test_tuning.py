"""Tuning looks at validation only, is seeded, and prefers the earlier of equals."""

import numpy as np
import pytest

from listing_vibes.market.splits import make_split
from listing_vibes.scoring import tuning
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.tuning import best, recall, validation_sample


@pytest.fixture
def setting(random_log, always_live):
    log = random_log(10, users=80, listings=80, events=1500)
    catalogue = always_live(log)
    return log, make_split(log, catalogue), catalogue


def test_a_sample_is_seeded_and_never_larger_than_asked(setting, monkeypatch):
    log, split, _ = setting
    assert len(validation_sample(split, 0, log.listings)) == len(split.valid)
    monkeypatch.setattr(tuning, "MOST_QUERIES", 20)
    one, again, other = (validation_sample(split, seed, log.listings).event for seed in (0, 0, 1))
    assert len(np.unique(one)) == 20 and np.isin(one, split.valid.event).all()
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_of_many_listings_fewer_queries_are_asked_but_never_too_few(setting, monkeypatch):
    log, split, _ = setting
    monkeypatch.setattr(tuning, "LEAST_QUERIES", 5)
    monkeypatch.setattr(tuning, "CELLS", 12 * 3 * log.listings)
    assert len(validation_sample(split, 0, log.listings, trials=3)) == 12
    assert len(validation_sample(split, 0, log.listings, trials=6)) == 6
    assert len(validation_sample(split, 0, log.listings, trials=600)) == 5


def test_the_best_trial_wins_and_the_first_of_equals(setting):
    log, split, catalogue = setting
    good = log.counts(np.isin(np.arange(len(log)), split.valid.event)).astype(
        np.float32
    )  # what will be asked for
    trials = [
        Popularity(values, name) for name, values in (("bad", -good), ("good", good), ("same", 2 * good))
    ]
    assert recall(trials[0], log, split.valid, catalogue) < recall(trials[1], log, split.valid, catalogue)
    assert best(iter(trials), log, split.valid, catalogue).name == "good"


def test_recall_is_a_mean_over_users(setting):
    log, split, catalogue = setting
    scorer = Popularity.fit(log, split.train)
    hits: dict[int, list[bool]] = {}
    for row in range(len(split.valid)):
        one = split.valid.take(slice(row, row + 1))
        allowed = catalogue.candidates(log, one)[0]
        better = (scorer.counts[allowed] >= scorer.counts[one.target[0]]).sum()
        hits.setdefault(int(one.user[0]), []).append(better <= 30)
    expected = np.mean([np.mean(each) for each in hits.values()])
    assert recall(scorer, log, split.valid, catalogue) == pytest.approx(expected)
