"""New rows of an embedding table: near the like where names tell, random where they do not."""

import numpy as np

from listing_vibes.features.texts.likely import likely_rows


def test_rows_follow_what_names_tell_and_differ_where_they_tell_nothing():
    rng = np.random.default_rng(0)
    known, wanted = rng.standard_normal((200, 12)), rng.standard_normal((30, 12))
    truth = rng.standard_normal((12, 6))
    told = likely_rows(known, known @ truth + 3, wanted, rng)
    np.testing.assert_allclose(told, wanted @ truth + 3, atol=0.2)
    rows = rng.standard_normal((200, 6))
    untold = likely_rows(known, rows, np.repeat(wanted[:1], 400, axis=0), rng)
    np.testing.assert_allclose(untold.std(axis=0), rows.std(axis=0), rtol=0.25)
    few = likely_rows(known[:3], rows[:3], wanted, rng)
    assert few.shape == (30, 6) and len(np.unique(few[:, 0])) == 30
