"""What boosts, pins, blocks and filling up mean, told by hand; that every caller agrees is in test_one_recommender."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes import Market
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.score_moves import read_boost

DAY = 86_400 * 10**9


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    listings = pd.DataFrame(
        {
            "listing_id": ["new", "old", "never", "far"],
            "published_at": ["2025-01-31", "2025-01-17", None, "2024-01-01"],
            "latitude": [48.0, 48.0, None, -48.0],
            "longitude": [11.0, 11.0134, 11.0, 169.0],
        }
    )
    events = pd.DataFrame({"user_id": ["u"], "listing_id": ["new"], "timestamp": ["2025-01-31"]})
    return Market.from_frames(listings, events, path=tmp_path_factory.mktemp("boosts") / "market")


def test_what_is_new_gains_and_half_is_left_after_its_time(market):
    at = pd.Timestamp("2025-01-31", tz="UTC").value
    assert read_boost(market, "fresh 0.5 14d").gain(market, at) == pytest.approx([0.5, 0.25, 0, 0], abs=1e-6)
    later = read_boost(market, "fresh 0.5 336h").gain(market, at + 14 * DAY)
    assert later[:3] == pytest.approx([0.25, 0.125, 0])


def test_what_is_near_gains_by_the_way_on_the_sphere(market):
    gain = read_boost(market, "near 48.0,11.0 2 1km").gain(market, 0)
    assert gain == pytest.approx([2, 1, 0, 0], abs=0.01)  # 0.0134 degrees at 48 north are 997 m
    assert read_boost(market, " near 48,11 2  1000m ") == read_boost(market, "near 48.0,11.0 2 1km")


@pytest.mark.parametrize(
    ("text", "told"),
    [("new 1 2d", "write for example"), ("fresh 0 2d", "above 0"), ("fresh 11 2d", "up to 10"), ("fresh 1 0d", "a half-life above 0"),
     ("near 91,11 1 2km", "latitude goes from -90 to 90"), ("near 48;11 1 2km", "write for example")],
)  # fmt: skip
def test_what_is_no_boost_is_told(market, text, told):
    with pytest.raises(VibesError, match=told):
        read_boost(market, text)


@pytest.mark.slow
def test_a_boost_moves_scores_by_deviations_of_all_of_them(trained):
    user = trained.log.users[5]
    text = "fresh 1.5 30d"
    plain = trained.recommend(user, 120).set_index(C.LISTING)["score"]
    found = trained.recommend(user, 120, rules={"boost": text}).set_index(C.LISTING)["score"]
    start, end = trained.log.history_at(trained.user_number[user], None)
    vectors = trained.vectors("model")
    mine = trained.engine.encode_histories(trained.log, np.array([start]), np.array([end]), vectors)[0]
    gain = read_boost(trained.market, text).gain(trained.market, trained.after_last_event)
    by_hand = pd.Series(plain + np.std(vectors @ mine) * pd.Series(gain, trained.listing_ids)[plain.index])
    assert found[plain.index].to_numpy() == pytest.approx(by_hand.to_numpy(), abs=2e-3)
    assert found.index[0] == by_hand.idxmax() and found.is_monotonic_decreasing


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
