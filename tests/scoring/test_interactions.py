"""The sparse views of a log against loops."""

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.splits import make_split
from listing_vibes.scoring.interactions import Interactions, history_matrix


@pytest.mark.parametrize("seed", range(3))
def test_histories_count_a_listing_once_at_its_newest_touch(random_log, always_live, seed):
    log = random_log(seed)
    queries = make_split(log, always_live(log)).test
    matrix = history_matrix(log, queries.start, queries.end, 0.8).toarray()
    for row in range(len(queries)):
        seen: list[int] = []
        for event in range(queries.end[row] - 1, queries.start[row] - 1, -1):
            if log.listing[event] not in seen:
                seen.append(int(log.listing[event]))
        expected = np.zeros(log.listings)
        for age, listing in enumerate(seen):
            expected[listing] = 0.8**age
        assert matrix[row] == pytest.approx(expected)


def test_interactions_hold_warm_listings_and_users_of_training_only(random_log, always_live):
    log = random_log(2)
    split = make_split(log, always_live(log))
    found = Interactions.of(log, split.train)
    pairs = {(int(u), int(i)) for u, i in zip(log.user[split.train], log.listing[split.train], strict=True)}
    warm = sorted({listing for _, listing in pairs})
    users = sorted({user for user, _ in pairs})
    assert found.warm.tolist() == warm and len(warm) < log.listings
    table = found.matrix.toarray()
    assert table.shape == (len(users), len(warm)) and set(np.unique(table)) == {0, 1}
    assert {(users[row], warm[column]) for row, column in np.argwhere(table)} == pairs


def test_without_training_events_there_is_nothing_to_learn_from(random_log):
    log = random_log(0)
    with pytest.raises(VibesError, match="No event is before the end of training"):
        Interactions.of(log, np.zeros(len(log), bool))
