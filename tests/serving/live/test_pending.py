"""Events that a run does not have yet, against a slow count: before a moment, in order of time, each once, in bounded memory."""

import numpy as np
import pandas as pd
import pytest

from helpers.serving import stored_events
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.histories import Event
from listing_vibes.serving.live import log as live_log
from listing_vibes.serving.live import pending as module
from listing_vibes.serving.live.log import LiveLog
from listing_vibes.serving.live.pending import Pending
from listing_vibes.serving.live.posted import AHEAD_S, Refused, checked

USER = 3
HOUR = 3600 * 10**9


def line(listing: str, action: str | None = None, seconds: float | None = None, user: str = "u") -> dict:
    told = {C.USER: user, C.LISTING: listing, C.ACTION: action, C.DURATION: seconds}
    return {name: value for name, value in told.items() if value is not None}


def had(run, before: int | None) -> list[tuple[int, Event]]:
    """What the run has of the user."""
    log, rows = run.log, range(run.log.start[USER], run.log.start[USER + 1])
    return [
        (
            int(log.time[row]),
            Event(
                run.listing_ids[log.listing[row]],
                log.actions[log.action[row]] if log.action[row] >= 0 else None,
                None if np.isnan(log.duration[row]) else float(log.duration[row]),
            ),
        )
        for row in rows
        if before is None or log.time[row] < before
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_history_is_what_the_run_has_and_what_came_before_the_moment_in_order_of_time(trained, seed):
    rng = np.random.default_rng(seed)
    pending, user = Pending(lambda name: name), trained.log.users[USER]
    own = had(trained, None)
    moments = [at for at, _ in own] + (own[0][0] + rng.integers(-9, 900, 12) * HOUR).tolist()
    posted = []
    for _ in range(25):  # in any order, some at one moment, some on what nobody knows
        at = int(rng.choice(moments))
        listing = str(rng.choice([*trained.listing_ids[:6], "not there yet"]))
        action = [None, "view", "an action of tomorrow"][rng.integers(3)]
        posted.append((at, listing, action, [None, 9.5][rng.integers(2)]))
        pending.add(line(listing, action, posted[-1][3], user), at)
    for before in (None, *sorted(moments)[::4]):
        expected = had(trained, before)
        for at, listing, action, seconds in sorted(posted, key=lambda one: one[0]):
            event = Event(listing, action if action == "view" else None, seconds)
            soon = before is None or at < before
            if soon and listing in trained.listing_row and (at, event) not in expected:
                expected.append((at, event))
        later = len(expected) > len(had(trained, before))
        expected = [event for _, event in sorted(expected, key=lambda one: one[0])] if later else []
        assert pending.history(trained, user, before) == expected


def test_the_oldest_are_let_go_of_first(trained, monkeypatch):
    monkeypatch.setattr(module, "MOST_OF_USER", 3)
    pending, ids = Pending(lambda name: name, most=7), trained.listing_ids
    for n in range(5):
        pending.add(line(ids[n]), n)
    assert [one.listing for one in pending.history(trained, "u", None)] == ids[2:5]
    for n, user in enumerate(("v", "v", "u", "w", "w", "x")):  # of v nothing came for the longest
        pending.add(line(ids[n], user=user), 10 + n)
    assert [bool(pending.history(trained, user, None)) for user in "uvwx"] == [True, False, True, True]
    pending.clear()
    for n in range(7):
        pending.add(line(ids[n], user=f"z{n}"), n)
    assert all(pending.history(trained, f"z{n}", None) for n in range(7))


def test_what_is_posted_twice_at_once_is_taken_once_and_what_happens_twice_counts_twice(
    trained, tmp_path, monkeypatch
):
    log, listing = LiveLog(tmp_path, lambda: trained), trained.listing_ids[0]
    once = line(listing) | {"event_id": "e"}
    taken = log.append([[once, once], [once]])
    assert [(one.accepted, one.repeated) for one in taken] == [(1, ["e"]), (0, ["e"])]
    now = live_log.time.time_ns()
    monkeypatch.setattr(live_log.time, "time_ns", lambda: now)  # a clock that stands between two of them
    log.append([[line(listing, user="v"), line(listing, user="v")]])
    assert len(log.history(trained, "v", None)) == 2
    moments = [one[C.TIMESTAMP] for one in stored_events(tmp_path)]
    assert len(set(moments)) == len(moments) == 3


def test_a_position_follows_the_largest_whatever_came_last(untimed, tmp_path):
    log = LiveLog(tmp_path, lambda: untimed)
    log.append([[line("a") | {C.POSITION: 9}], [line("b") | {C.POSITION: 3}]])
    log.append([[line("c")]])
    assert [one[C.POSITION] for one in stored_events(tmp_path)] == [9, 3, 10]


def test_a_clock_may_be_ahead_by_a_minute(trained):
    now = pd.Timestamp("2025-05-01T12:00:00Z").value
    for ahead in (0, AHEAD_S, AHEAD_S + 1):
        at = pd.Timestamp(now + ahead * 10**9, tz="UTC").isoformat()
        asked = (line("a") | {C.TIMESTAMP: at}, True, (), now, str)
        if ahead <= AHEAD_S:
            assert pd.Timestamp(checked(*asked)[0][C.TIMESTAMP]) == pd.Timestamp(at)
        else:
            with pytest.raises(Refused, match="which is to come"):
                checked(*asked)
