"""Groups that look different are told apart by what is seen in their photos."""

import numpy as np

from browser.painted import paint_market
from listing_vibes.features.photos.looks import Looks
from listing_vibes.insight.map.cluster_looks import coded_looks
from listing_vibes.insight.map.cluster_names import portraits
from listing_vibes.market.market import Market


def test_a_group_is_named_by_what_its_photos_show(tmp_path):
    market = Market.open(paint_market(tmp_path / "market", listings=12, photos=2, users=0, titles=False))
    rows = np.arange(2, 12)
    owner = market.photos["listing_id"].map(market.listing_row).to_numpy()
    # Every photo shows a wall; the second photo of listings 2 to 6 a bed, of a bed that is hardly one elsewhere.
    classes = np.tile(np.array([0, 1], np.int16), (len(owner), 1))
    shares = np.tile(np.array([0.5, 0.02], np.float16), (len(owner), 1))
    shares[(owner < 7) & (market.photos["position"] == 1), 1] = 0.3
    looks = Looks(classes, shares, np.array(["wall", "four-poster"]), np.eye(2), np.array(["t"]))
    label, told, place, code = coded_looks(looks, market, rows)
    assert (label, told[1]) == ("Seen in photos", ("four-poster", "“four-poster” in photos"))
    beds = place[code == 1].tolist()
    assert beds == [0, 1, 2, 3, 4] and sorted(place[code == 0]) == list(range(9))  # the last one has no photo
    found = portraits(market, rows, np.where(rows < 7, 0, 1), coded=[(label, told, place, code)])
    assert found[0].name == "“four-poster” in photos" and found[0].traits[0].inside == 1
    assert "four-poster" not in found[1].name
