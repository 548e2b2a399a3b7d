"""What lists show, counted by loops, and from when it is an alarm."""

import numpy as np

from listing_vibes.serving.monitor.checks import Thresholds
from listing_vibes.serving.monitor.monitor import SampledLists, coverage_check

LISTINGS, LIMITS = 40, Thresholds()


def lists_of(seed: int, number: int = 60, among: int = LISTINGS) -> SampledLists:
    """Return lists of five of the first active listings, some shorter."""
    rng = np.random.default_rng(seed)
    active = np.arange(LISTINGS) % 8 != 7
    candidates = np.flatnonzero(active)[:among]
    rows = np.stack([rng.permutation(candidates)[:5] for _ in range(number)])
    rows[rng.random(number) < 0.3, 3:] = -1
    return SampledLists(active, rows)


def counted(of: SampledLists) -> list[int]:
    return [sum(row == listing for line in of.rows.tolist() for row in line) for listing in range(LISTINGS)]


def test_coverage_is_that_of_a_loop():
    of = lists_of(0, number=6)
    value, low, high = of.coverage
    assert value == sum(n > 0 for n in counted(of)) / of.active.sum() and low < value < high


def test_lists_of_fewer_listings_cross_a_threshold_where_it_is_significant():
    check, wide, narrow = coverage_check, lists_of(0), lists_of(1, among=12)
    assert check(narrow, wide, LIMITS).crossed and not check(wide, narrow, LIMITS).crossed
    for value in (None, 0.9):
        assert not check(narrow, wide, Thresholds(coverage_drop=value)).crossed
    first, second = lists_of(3, number=6, among=20), lists_of(0, number=9)
    result = check(first, second, Thresholds(coverage_drop=0.1))  # too few lists for a test
    assert abs(result.value - result.before) > 0.1 * result.before and not result.crossed
    assert check(wide, None, LIMITS).before is None
