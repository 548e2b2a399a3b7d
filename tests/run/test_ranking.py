"""Lists under rules against their plain definition, one candidate after the other; what `same` calls equal."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.commands import vibes
from listing_vibes.errors import NotThere, VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.candidates import CandidateRanker, Requests, search_scores
from listing_vibes.run.conditions import Groups
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.histories import user_number
from listing_vibes.run.rule_gains import SHRUNK, Dial, position, read_boost, read_dial
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.search.index import ExactIndex

LISTINGS, QUERIES, K = 1500, 5, 12


#: The standard deviations of scores and of cosines that diversity compares in.
SCORE_UNIT, COSINE_UNIT = 0.3, 0.5


def by_definition(scores, allowed, seller, most, pins, k, vectors, diversity) -> list[int]:
    """Return the rows of one list: pins first, then by score and row, at most so many of one seller."""
    order = np.lexsort((np.arange(len(scores)), -scores))
    candidates = [row for row in (*pins, *(row for row in order if row not in pins)) if allowed[row]]
    chosen: list[int] = []
    for row in candidates:
        if seller[row] < 0 or sum(seller[one] == seller[row] for one in chosen) < most:
            chosen.append(row)
        if len(chosen) == 4 * k:  # of which diversity chooses
            break
    if not diversity:
        return chosen[:k]
    pool, picked = chosen, []
    while pool and len(picked) < k:
        like = [
            max((float(np.round(vectors[one].astype(float) @ vectors[row], 6)) for one in picked), default=0)
            for row in pool
        ]
        worth = [
            float((1 - diversity) * scores[row] / SCORE_UNIT) - diversity / COSINE_UNIT * near
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
        ranker = CandidateRanker(search, rules, vectors, region, seller, pins, COSINE_UNIT)
        rows, worth = ranker.rank(given, requests, allowed, np.full((QUERIES, 1), SCORE_UNIT))
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
    market = Market.from_frames(table).save(tmp_path / "m")
    names = ("kind", "town", "host")
    for same in (names[:1], names[:2], names):
        region = Groups.of(Rules(same=same), market).region
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


HOMES = pd.DataFrame({C.LISTING: list("abcdef"), "rooms": [1, 2, 3, 1, 2, 3], "district": list("xxxyyy")})
#: c twice in the last days, b once there and once long ago, e once there, a long ago; nobody clicked d and f.
EVENTS = [("c", 1), ("c", 2), ("b", 3), ("b", 400), ("e", 3), ("a", 400), ("a", 401)]


def run_over(folder, listings: pd.DataFrame, events: pd.DataFrame | None) -> Run:
    market = Market.from_frames(listings, events).save(folder / "market")
    embed_market(market, folder / "run", None)
    return Run.open(folder / "run")


@pytest.fixture
def timed(tmp_path) -> Run:
    last = pd.Timestamp("2025-06-01")
    rows = [(f"u{n}", listing, last - pd.Timedelta(days=days)) for n, (listing, days) in enumerate(EVENTS)]
    return run_over(tmp_path, HOMES, pd.DataFrame(rows, columns=[C.USER, C.LISTING, C.TIMESTAMP]))


def ids(found: pd.DataFrame) -> str:
    return "".join(found[C.LISTING])


def test_recent_events_count_first_then_all_events_then_the_order_of_the_table(timed):
    found = timed.recommend("nobody")
    assert ids(found) == "cbeadf" and found["fallback"].all()
    assert found["score"].tolist() == [2, 1, 1, 0, 0, 0]
    before = timed.recommend([], at="2024-05-01")  # no later event is known
    assert ids(before) == "abcdef" and before["score"].tolist() == [2, 1, 0, 0, 0, 0]
    for rules, expected in (
        ({"where": "rooms>=2"}, "cbef"), ({"at_most": 1, "seller": "district"}, "ce"), ({"k": 2}, "cb"),
        ({"pin": "f", "block": ["b", "c"]}, "fead"), ({"same": "district"}, "cbeadf"),  # there is nothing to compare with
    ):  # fmt: skip
        assert ids(timed.recommend([], rules=rules)) == expected


def test_several_users_some_of_whom_are_unknown(timed):
    found = timed.recommend(pd.DataFrame({C.USER: ["nobody", "u0", "no one"]}), 3)
    assert found[C.USER].tolist() == ["nobody"] * 3 + ["u0"] * 3 + ["no one"] * 3
    assert found["fallback"].tolist() == [True] * 3 + [False] * 3 + [True] * 3
    alone = timed.recommend("u0", 3)
    assert "fallback" not in alone and ids(found[~found["fallback"]]) == ids(alone)


def test_without_events_the_newest_published_come_first(tmp_path):
    days = ["2025-01-01", "2025-03-01", None, "2025-02-01", None, "2025-03-01"]
    dated = run_over(tmp_path / "dated", HOMES.assign(**{C.PUBLISHED: days}), None)
    assert ids(dated.recommend("nobody")) == "bfdace"
    assert ids(run_over(tmp_path / "plain", HOMES, None).recommend([])) == "abcdef"


def test_events_without_timestamps_count_by_the_last_of_each_user(tmp_path):
    rows = [("u", "a", n) for n in range(4)] + [("u", "b", n) for n in range(4, 9)] + [("v", "b", 0)]
    run = run_over(tmp_path, HOMES, pd.DataFrame(rows, columns=[C.USER, C.LISTING, C.POSITION]))
    found = run.recommend([], 3)
    assert ids(found) == "bac" and found["score"].tolist()[:2] == [6, 0]


def test_the_command_says_that_there_was_no_history(timed, tmp_path):
    (tmp_path / "none.json").write_text("[]")
    for words in (["nobody"], ["--history", tmp_path / "none.json"]):
        done = vibes("recommend", timed.path, *words, "-k", 2, "--json")
        assert json.loads(done.stdout) == [
            {C.LISTING: listing, "score": score, "fallback": True, "scorer": "popular and recent listings"}
            for listing, score in (("c", 2.0), ("b", 1.0))
        ]
        assert "popular and recent" in done.stderr


def test_an_unknown_id_reveals_no_user(timed):
    for call in (
        lambda: timed.recommend(["nobody", "no one"]), lambda: timed.recommend("a"), lambda: user_number(timed, "nobody"),
        lambda: timed.row("nobody"),
    ):  # fmt: skip
        with pytest.raises(NotThere) as caught:
            call()
        assert not any(f"'{user}'" in str(caught.value) for user in timed.log.users)


DAY = 86_400 * 10**9
MORE, LESS = ("home-0003", "home-0010"), ("home-0020", "home-0031", "home-0044")


def dial(weight=1.0, space="model") -> str:
    return str(Dial("more rustic", weight, space, MORE, LESS))


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
    return Market.from_frames(listings, events).save(tmp_path_factory.mktemp("boosts") / "market")


def test_new_and_near_listings_gain_and_half_is_left_after_the_age_or_distance(market):
    at = pd.Timestamp("2025-01-31", tz="UTC").value
    assert read_boost(market, "fresh 0.5 14d").gain(market, at) == pytest.approx([0.5, 0.25, 0, 0], abs=1e-6)
    later = read_boost(market, "fresh 0.5 336h").gain(market, at + 14 * DAY)
    assert later[:3] == pytest.approx([0.25, 0.125, 0])
    gain = read_boost(market, "near 48.0,11.0 2 1km").gain(market, 0)
    assert gain == pytest.approx([2, 1, 0, 0], abs=0.01)  # 0.0134 degrees at 48 north are 997 m
    assert read_boost(market, " near 48,11 2  1000m ") == read_boost(market, "near 48.0,11.0 2 1km")


@pytest.mark.parametrize(
    "text", ["new 1 2d", "fresh 0 2d", "fresh 11 2d", "fresh 1 0d", "near 91,11 1 2km", "near 48;11 1 2km"]
)
def test_an_invalid_boost_is_refused(market, text):
    with pytest.raises(VibesError, match="Rule boost"):
        read_boost(market, text)


@pytest.mark.parametrize("space", ["model", "attributes"])
def test_the_direction_is_that_of_a_slow_discriminant(trained, space):
    vectors = trained.vectors(space).astype(np.float64)
    more, less = (np.mean([vectors[trained.row(item)] for item in side], axis=0) for side in (MORE, LESS))
    covariance = sum(np.outer(row, row) for row in vectors - vectors.mean(axis=0)) / len(vectors)
    shrunk, width = SHRUNK[space], vectors.shape[1]
    mixed = (1 - shrunk) * covariance + shrunk * np.trace(covariance) / width * np.eye(width)
    along = vectors @ (np.linalg.inv(mixed) @ (more - less))
    slow = np.clip((along - along.mean()) / along.std(), -4, 4)
    found = position(trained, read_dial(dial(space=space)))
    np.testing.assert_allclose(found, slow, atol=1e-4)
    means = [found[[trained.row(item) for item in side]].mean() for side in (MORE, LESS)]
    assert means[0] > 1 > means[1]
    one_side = position(trained, Dial("x", 1, space, MORE, ()))  # the other is the mean of all
    np.testing.assert_allclose(one_side, -position(trained, Dial("x", 1, space, (), MORE)), atol=1e-5)


def test_a_list_moves_along_a_direction_and_at_0_stays(trained):
    along = dict(zip(trained.listing_ids, position(trained, read_dial(dial())), strict=True))

    def mean_of(weight: float) -> float:
        found = trained.recommend("user-0001", 20, rules={"dial": dial(weight)})[C.LISTING]
        return float(np.mean([along[item] for item in found]))

    plain = trained.recommend("user-0001", 20)[C.LISTING].tolist()
    assert trained.recommend("user-0001", 20, rules={"dial": dial(0.0)})[C.LISTING].tolist() == plain
    means = [mean_of(weight) for weight in (-2.0, -0.5, 0.5, 2.0)]
    assert means == sorted(means) and means[-1] - means[0] > 1
    near = trained.similar("home-0003", 10, rules={"dial": [dial(9.0)]})[C.LISTING]
    assert np.mean([along[item] for item in near]) > 1


def test_a_dial_is_read_back_as_written():
    strange = Dial("lighter", -0.25, "photos", ("a b;c", "-7", "+x"), ("é/%",))
    assert read_dial(str(strange)) == strange
    plain = Dial("more rustic", 1.5, "photos", ("a", "c"), ("b",))
    assert read_dial("more rustic 1.5 photos +a -b +c") == plain


@pytest.mark.parametrize(
    "text",
    [
        "lighter", "lighter 1 sound +home-0003", "lighter 1 model", "lighter 11 model +home-0003", "lighter 1 model +nobody",
        "lighter 1 photos +home-0003",
    ],
)  # fmt: skip
def test_an_invalid_dial_is_refused(trained, text):
    with pytest.raises(VibesError):
        trained.recommend("user-0001", rules={"dial": text})
