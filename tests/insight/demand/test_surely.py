"""The bound of a lift against Clopper and Pearson's own, and what is named."""

import numpy as np
import pytest
from scipy.stats import beta

from listing_vibes.insight.demand.surely import lifts, surest


@pytest.mark.parametrize(("live", "looked"), [(0, 1), (3, 7), (40, 7)])
def test_where_users_do_not_differ_the_bound_is_the_exact_one(live, looked):
    wishes = np.full((50, 1), 0.2)
    found = lifts(wishes, np.array([live]), 200, 1.5, looked)
    highest = beta.ppf(1 - 0.05 / looked, live + 1, 200 - live)  # of the share of live listings
    assert found.low[0] == pytest.approx(0.2 / highest, rel=1e-4)
    assert found.lift[0] == pytest.approx(0.2 * 200 / live) if live else np.isinf(found.lift[0])


def test_users_who_differ_make_it_less_sure():
    same = lifts(np.full((60, 1), 0.2), np.array([4]), 200, 1.5, 1).low[0]
    one_in_five = np.zeros((60, 1))
    one_in_five[::5] = 1
    differing = lifts(one_in_five, np.array([4]), 200, 1.5, 1)
    assert differing.share[0] == pytest.approx(0.2) and differing.low[0] < 0.95 * same
    again = lifts(one_in_five, np.array([4]), 200, 1.5, 1)
    assert again.low[0] == differing.low[0]


@pytest.mark.slow
def test_supply_that_follows_demand_is_named_in_hardly_any_market():
    named = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        chance = rng.dirichlet(np.full(10, 5.0))
        wishes = np.eye(10)[rng.choice(10, 400, p=chance)]
        live = rng.multinomial(300, chance)
        found = lifts(wishes, live, 300, 1.0, 10)
        named += bool((found.low >= 1).any())
    assert named <= 4  # one in twenty


def test_the_surest_come_first_and_hardly_overlap():
    places = [np.arange(0, 20), np.arange(0, 30), np.arange(40, 60), np.arange(70, 90)]
    wishes = np.tile([0.3, 0.32, 0.25, 0.1], (80, 1))
    one = lifts(wishes, np.array([0, 6, 4, 30]), 300, 1.5, 4)
    assert surest([one], places, 100, 1.5, 0.2) == [0, 2]
