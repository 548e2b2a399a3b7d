"""The users who were active last, and their lists."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.insight.audience import Audience, recent_lists
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market


def test_recent_lists_are_those_of_recommend_for_the_users_active_last(trained, tmp_path):
    embed_market(trained.market, tmp_path / "untrained", None)
    moment = int(np.quantile(trained.log.time, 0.8))
    for run, at in ((trained, None), (trained, moment), (Run.open(tmp_path / "untrained"), None)):
        lists = recent_lists(run, at)
        events = run.market.events
        if at is not None:
            events = events[events["timestamp"] < pd.Timestamp(at, tz="UTC")]
        assert set(lists["user_id"]) == set(events["user_id"])
        for user in lists["user_id"].unique()[::20]:
            mine = lists[lists["user_id"] == user]
            assert mine["listing_id"].tolist() == run.recommend(user, at=at)["listing_id"].tolist()
            assert mine["rank"].tolist() == list(range(1, len(mine) + 1))
            assert mine["events"].iloc[0] == (events["user_id"] == user).sum()


def test_the_last_active_users_come_by_their_history_before_the_moment(trained):
    log = trained.log
    moment = int(np.quantile(log.time, 0.5))
    audience = Audience.of(trained, limit=5, before=moment)
    assert (log.time[audience.end - 1] < moment).all()
    last = log.time[audience.end - 1]
    assert (np.diff(last) <= 0).all()
    whole = {
        user: [row for row in range(log.start[user], log.start[user + 1]) if log.time[row] < moment]
        for user in range(len(log.users))
    }
    newest = sorted((max(log.time[rows]) for rows in whole.values() if rows), reverse=True)[:5]
    assert last.tolist() == newest
    for user, start, end in zip(audience.user, audience.start, audience.end, strict=True):
        assert list(range(start, end)) == whole[user]


def test_without_a_model_or_a_history_there_is_no_audience(trained, bare):
    no_events = SimpleNamespace(time=np.zeros(0, np.int64), start=np.zeros(1, np.int64), has_negatives=False)
    long_ago = pd.Timestamp("1980-01-01", tz="UTC").value
    for run, before in (
        (bare, None),
        (trained, long_ago),
        (SimpleNamespace(has_model=True, log=no_events), None),
    ):
        with pytest.raises(VibesError):
            Audience.of(run, before=before)


def test_who_only_refused_listings_is_not_asked(trained):
    run = Run.open(trained.path)
    log = run.log
    user = int(log.user[np.argmax(log.time)])  # the user active last
    run.__dict__["log"] = replace(log, refused=log.user == user)
    others = Audience.of(run, limit=5)
    assert user not in others.user and len(others) == 5
    assert others.user.tolist() == Audience.of(trained, limit=6).user[1:].tolist()
