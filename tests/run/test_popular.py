"""Lists without a history: popular and recent listings, under the same rules."""

import json

import pandas as pd
import pytest

from helpers.commands import vibes
from listing_vibes.errors import NotThere
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.histories import user_number
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market

HOMES = pd.DataFrame({C.LISTING: list("abcdef"), "rooms": [1, 2, 3, 1, 2, 3], "district": list("xxxyyy")})
#: c twice in the last days, b once there and once long ago, e once there, a long ago; nobody clicked d and f.
EVENTS = [("c", 1), ("c", 2), ("b", 3), ("b", 400), ("e", 3), ("a", 400), ("a", 401)]


def run_over(folder, listings: pd.DataFrame, events: pd.DataFrame | None) -> Run:
    market = Market.from_frames(listings, events, path=folder / "market")
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
