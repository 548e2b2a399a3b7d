"""What recall to expect: the market's own neighbours times a ratio, in an interval that holds."""

import numpy as np
import pytest
from scipy.stats import t as student

from listing_vibes.insight.foretold import Tried, foretell


def tried(rng: np.random.Generator, count: int, slope: float = 0.0, noise: float = 0.1) -> list[Tried]:
    """Markets where the model is at .8 of the neighbours, less where the shift is large."""
    shift, near = rng.uniform(0.1, 0.6, count), rng.uniform(0.1, 0.4, count)
    model = near * 0.8 * np.exp(-slope * shift + noise * rng.standard_normal(count))
    parts = zip(shift, model, near, strict=True)
    return [Tried(market=str(n), shift=s, model=m, neighbours=b) for n, (s, m, b) in enumerate(parts)]


def test_too_few_markets_foretell_nothing():
    rows = tried(np.random.default_rng(0), 3)
    assert foretell(rows[:2], 0.3, 0.2) is None and foretell(rows, 0.3, 0.0) is None
    found = foretell(rows, 0.3, 0.2)
    assert found.low < found.value < found.high and (found.markets, found.held) == (3, 0)


def test_of_few_markets_the_interval_is_students_for_one_more():
    rows = tried(np.random.default_rng(2), 5, noise=0.3)
    ratio = np.log([row.model / row.neighbours for row in rows])
    reach = student.ppf(0.975, 4) * ratio.std(ddof=1) * np.sqrt(1 + 1 / 5)
    expected = 0.05 * np.exp(ratio.mean() + np.array([0, -reach, reach]))
    found = foretell(rows, 0.9, 0.05)
    assert (found.value, found.low, found.high) == pytest.approx(tuple(expected))


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.0, 3.0])
def test_the_interval_holds_new_markets(slope):
    rng, inside, wide = np.random.default_rng(1), 0, []
    for _ in range(70):
        *rows, new = tried(rng, 9, slope)
        found = foretell(rows, new.shift, new.neighbours)
        inside += found.low <= new.model <= found.high
        wide.append(found.high / found.low)
    assert inside / 70 >= 0.85
    assert np.median(wide) < 2.2  # a line over the shift keeps it as narrow where shift tells


def test_markets_of_different_difficulty_do_not_widen_it():
    rows = [Tried(market=str(n), shift=0.2, model=0.8 * n / 10, neighbours=n / 10) for n in (1, 2, 4, 8)]
    found = foretell(rows, 0.2, 0.3)
    assert found.value == pytest.approx(0.24) and found.high - found.low < 1e-6 and found.held == 4
