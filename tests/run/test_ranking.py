"""Lists under rules against their plain definition, one candidate after the other; what `same` calls equal."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.conditions import Groups, resolve_rules
from listing_vibes.run.ranking import CandidateRanker, Requests, search_scores
from listing_vibes.run.rules import Rules
from listing_vibes.search.index import ExactIndex

LISTINGS, QUERIES, K = 1500, 5, 12


def by_definition(scores, allowed, seller, most, pins, k, vectors, diversity) -> list[int]:
    """Return the rows of one list: pins first, then by score and row, at most so many of one seller."""
    order = np.lexsort((np.arange(len(scores)), -scores))
    candidates = [row for row in (*pins, *(row for row in order if row not in pins)) if allowed[row]]
    chosen: list[int] = []
    for row in candidates:
        if seller[row] < 0 or sum(seller[one] == seller[row] for one in chosen) < most:
            chosen.append(row)
    if not diversity:
        return chosen[:k]
    pool, picked = chosen[: 4 * k], []
    while pool and len(picked) < k:
        like = [
            max((float(np.round(vectors[one].astype(float) @ vectors[row], 6)) for one in picked), default=0)
            for row in pool
        ]
        worth = [
            float((1 - diversity) * scores[row]) - diversity * near
            for row, near in zip(pool, like, strict=True)
        ]
        pinned = [row for row in pool if row in pins]
        picked.append(pinned[0] if pinned else pool[int(np.argmax(worth))])
        pool.remove(picked[-1])
    return picked


@pytest.mark.parametrize("most", [1, 2, 200])
@pytest.mark.parametrize("more", [{}, {"same": True}, {"pins": [7, 400, 3]}, {"diversity": 0.5, "pins": [7]}])
def test_a_list_is_that_of_the_plain_definition(most, more):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(LISTINGS, 8)).astype(np.float32)
    vectors[300:500] = vectors[300]  # twins
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    seller = rng.choice([-1, 0, 1, 2, 3, 4], LISTINGS, p=[0.002, 0.6, 0.2, 0.15, 0.046, 0.002])
    kind, allowed = rng.integers(0, 3, LISTINGS), rng.random(LISTINGS) < 0.8
    allowed[[7, 3]], allowed[400] = True, False
    banned, owner = rng.integers(0, LISTINGS, 60), rng.integers(0, QUERIES, 60)
    region_of, pins = np.array([1, 301, 900, 17, 1200]), np.array(more.get("pins", []), np.int64)
    rules = Rules(k=K, at_most=most, seller="host", diversity=more.get("diversity", 0))
    queries = vectors[region_of]
    scores = np.round(queries @ vectors.T, 5)
    requests = Requests(region_of, banned, owner, None, K)
    index = ExactIndex(vectors)
    for search, given in ((search_scores, scores), (index.search, queries)):
        region = kind if more.get("same") else None
        ranker = CandidateRanker(search, rules, vectors, region, seller, pins)
        rows, worth = ranker.rank(given, requests, allowed)
        for line, row in enumerate(region_of):
            mine = allowed & (kind == kind[row]) if more.get("same") else allowed.copy()
            mine[banned[owner == line]] = False
            expected = by_definition(scores[line], mine, seller, most, pins, K, vectors, rules.diversity)
            assert rows[line][rows[line] >= 0].tolist() == expected
            np.testing.assert_allclose(worth[line][: len(expected)], scores[line][expected], atol=1e-5)


def test_listings_are_of_one_group_where_all_attributes_are_equal_or_missing(tmp_path):
    rng = np.random.default_rng(1)
    cells = [[None if one == 3 else f"v{one}" for one in rng.integers(0, 4, 60)] for _ in range(3)]
    table = pd.DataFrame({"listing_id": range(60), "kind": cells[0], "town": cells[1], "host": cells[2]})
    market = Market.from_frames(table, path=tmp_path / "m")
    names = ("kind", "town", "host")
    for same in (names[:1], names[:2], names):
        region = Groups.of(resolve_rules(Rules(same=same), market, False), market).region
        values = list(zip(*cells[: len(same)], strict=True))
        for row in range(60):
            assert (region == region[row]).tolist() == [other == values[row] for other in values]


def test_pinned_listings_stand_first_with_their_own_score_where_the_list_may_hold_them(trained):
    user = trained.log.users[5]
    plain = trained.recommend(user, 30).set_index(C.LISTING)["score"]
    seen = trained.listing_ids[trained.log.listing[trained.log.start[trained.user_number[user]]]]
    pins = [plain.index[20], seen, plain.index[7]]
    found = trained.recommend(user, 5, rules={"pin": pins}).set_index(C.LISTING)
    assert found.index.tolist() == [pins[0], pins[2], *plain.index[:3]]
    assert found["score"].tolist() == pytest.approx(plain[found.index].tolist(), abs=1e-6)
    assert found["rule"].tolist() == ["pinned", "pinned", "", "", ""]
    kept = trained.recommend(user, 4, rules={"pin": pins, "drop_seen": False})[C.LISTING].tolist()
    assert (
        kept[:2] == [pins[0], seen] or not trained.catalogue.live(trained.after_last_event)[trained.row(seen)]
    )
    blocked = trained.recommend(user, 4, rules={"pin": pins[0], "block": [pins[0], plain.index[0]]})
    assert blocked[C.LISTING].tolist() == plain.index[1:5].tolist()
    with pytest.raises(VibesError, match="names 'ghost', which is not a listing"):
        trained.recommend(user, rules={"block": "ghost"})


def test_a_short_list_is_filled_up_rule_by_rule_and_says_so(trained):
    listing, table = trained.listing_ids[5], trained.market.listings.set_index(C.LISTING)
    asked = {"same": "district", "where": "rooms=2", "at_most": 1, "seller": "building"}
    strict = trained.similar(listing, 60, rules=asked)[C.LISTING].tolist()
    found = trained.similar(listing, 60, rules=asked | {"fill": True})
    assert found[C.LISTING].tolist()[: len(strict)] == strict and len(found) == 60
    order = ["", "without at_most", "without same", "without where"]
    assert found["rule"].map(order.index).is_monotonic_increasing and set(found["rule"]) == set(order)
    district, rooms = (table[name][found[C.LISTING]].to_numpy() for name in ("district", "rooms"))
    rule = found["rule"].to_numpy()
    assert (district[rule == "without at_most"] == table["district"][listing]).all()
    assert (rooms[rule == "without same"] == 2).all() and (
        district[rule == "without same"] != table["district"][listing]
    ).all()
    assert (rooms[rule == "without where"] != 2).all()
    for one in order:
        assert found["score"][rule == one].is_monotonic_decreasing
