"""Slices by hand."""

import numpy as np

from listing_vibes.evaluation.slices import cold_listing, cold_user, slice_masks, week_after_training
from listing_vibes.market.splits import make_split

DAY = 24 * 3600 * 10**9


def test_cold_is_what_training_has_not_seen(make_log, always_live):
    #                   user 0 trains on 0 and 1; user 1 appears after T1 = day 10 only
    log = make_log([0, 0, 0, 1, 1], [0, 1, 2, 2, 0], np.array([1, 2, 20, 15, 21]) * DAY, 3, 2)
    split = make_split(log, always_live(log), "temporal", 10 * DAY, 19 * DAY)
    assert log.listing[split.test.event].tolist() == [2, 0]
    assert cold_listing(log, split.train, split.test).tolist() == [True, False]
    assert cold_user(log, split.train, split.test).tolist() == [False, True]


def test_weeks_begin_where_training_ends(make_log, always_live):
    days = np.array([0, 10, 16, 17, 24])
    log = make_log([0] * 5, range(5), days * DAY, 5, 1)
    split = make_split(log, always_live(log), "temporal", 10 * DAY, 10 * DAY)
    assert week_after_training(split, split.test).tolist() == [1, 1, 2, 3]


def test_without_time_there_are_no_weeks(random_log, always_live):
    log = random_log(0, timed=False)
    split = make_split(log, always_live(log))
    assert week_after_training(split, split.test) is None


def test_slices_share_out_all_queries():
    cold, fresh = np.arange(6) == 0, np.arange(6) > 1
    masks = slice_masks(cold, fresh, np.array([1, 2, 3, 4, 9, 10]), np.array([1, 1, 4, 2, 2, 2]))
    expected = {
        "cold listings": [0], "warm listings": [1, 2, 3, 4, 5], "cold users": [2, 3, 4, 5], "warm users": [0, 1],
        "history 1": [0], "history 2-3": [1, 2], "history 4-9": [3, 4], "history 10+": [5],
        "week 1": [0, 1], "week 2": [3, 4, 5], "week 4": [2],
    }  # fmt: skip
    assert {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()} == expected
