"""What an experiment has shown, by hand: whom each event counts for, and what a share of the decided means."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market.columns import Columns as C
from listing_vibes.serving.experiment.assignment import A, Arm, B, Setup
from listing_vibes.serving.experiment.verdict import Experiment, judge


def split_of(share: float = 0.5) -> Setup:
    return Setup(design="split", share=share, a=Arm(run="a"), b=Arm(run="b"))


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_a_difference_of_split_users_is_how_much_more_of_those_of_b_act(share):
    a, b = 0.1, 0.13  # of the users of each act
    decided = share * b / (share * b + (1 - share) * a)
    found = Experiment(
        split_of(share), {A: 700, B: 300}, np.arange(100) < 30, pd.DataFrame(), (0, 0), None, {A: [], B: []}
    )
    assert found.difference(decided) == pytest.approx(b / a - 1)
    assert found.difference(share) == pytest.approx(0) and found.null == share
    for of_ten, verdict in ((1, A), (8, B)):
        assert replace(found, outcomes=np.arange(1000) % 10 < of_ten).verdict == verdict
    assert replace(found, outcomes=np.arange(20) % 10 < 10 * share).verdict is None


def test_of_split_users_each_counts_once_for_the_arm_that_they_have():
    second = pd.Timedelta(1, "s")
    at = pd.Timestamp("2025-03-01 10:00:00.9", tz="UTC")
    rows, events = [], []
    for number, (one, user, arm) in enumerate(
        [("r1", "u", B), ("r2", "u", B), ("r3", "v", A), ("r4", None, A), ("r5", None, B), ("r6", "w", B)]
    ):
        for place, listing in enumerate("xy"):
            rows.append((one, at + number * second, "recommend", user, place, listing, arm, True))
    for one, listing, after in [
        ("r2", "y", 1.05), ("r1", "x", 3), ("r4", "x", 3.1), ("r3", "z", 4), ("r5", "y", 5), ("r5", "x", 6), ("r6", "x", 3),
    ]:  # fmt: skip
        events.append((one, listing, (at + after * second).floor("s"), None))  # a clock of whole seconds
    shown = pd.DataFrame(
        rows, columns=["request_id", "time", "kind", C.USER, "position", C.LISTING, "arm", "tried"]
    )
    told = pd.DataFrame(events, columns=["request_id", C.LISTING, "acted_at", C.ACTION])
    found = judge(split_of(), shown, told.sort_values("acted_at", kind="stable"))
    # u by the first of two events, the two of nobody each; nothing of v was shown, and w acted before there was an answer
    assert found.decisions["request_id"].tolist() == ["r2", "r4", "r5"]
    assert found.outcomes.tolist() == [True, False, True] and found.units == {A: 2, B: 3}
    assert found.events == (6, 7)


@pytest.mark.parametrize(("share", "balanced"), [(0.2, True), (0.5, False)])
def test_users_are_split_as_they_should_be_where_as_many_as_the_share_have_b(share, balanced):
    users = [f"u{number}" for number in range(400)]
    shown = pd.DataFrame(
        {"request_id": users, "time": pd.Timestamp("2025-03-01", tz="UTC"), "kind": "recommend", C.USER: users, "position": 0,
         C.LISTING: "x", "arm": [B if number % 5 == 0 else A for number in range(400)], "tried": True}
    )  # fmt: skip
    none = pd.DataFrame(
        {"request_id": [], C.LISTING: [], "acted_at": shown["time"][:0], C.ACTION: []}, dtype=object
    )
    found = judge(split_of(share), shown, none.astype({"acted_at": shown["time"].dtype}))
    assert (
        found.units == {A: 320, B: 80}
        and (found.balance > 0.1) == balanced
        and (found.balance < 0.01) != balanced
    )
