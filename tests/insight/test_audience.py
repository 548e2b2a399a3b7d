"""The users who were active last, and their lists."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from browser.painted import embed_run, paint_market
from helpers.small_market import generate
from listing_vibes.errors import VibesError
from listing_vibes.features.reduce import spherical_kmeans
from listing_vibes.insight.audience import Audience, recent_lists
from listing_vibes.insight.personas import personas
from listing_vibes.insight.probes import probe
from listing_vibes.market.market import Market
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
    none = np.zeros(0, np.int64)
    no_events = SimpleNamespace(
        time=none, user=none, users=[], start=np.zeros(1, np.int64), has_negatives=False
    )
    long_ago = pd.Timestamp("1980-01-01", tz="UTC").value
    for run, before in (
        (bare, None),
        (trained, long_ago),
        (SimpleNamespace(needs_model=lambda: None, log=no_events, after_last_event=1), None),
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


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("personas")
    generate(folder / "market", listings=80, users=60, seed=4)
    embed_market(Market.open(folder / "market"), folder / "run", None)
    return Run.open(folder / "run")


@pytest.mark.slow
def test_each_is_the_last_events_of_a_real_user_oldest_first(run):
    found = personas(run)
    assert 2 <= len(found) <= 6
    events = run.market.events
    enough = events.groupby("user_id")["listing_id"].nunique() >= 3
    assert sum(one.members for one in found) == int(enough.sum())
    assert [one.members for one in found] == sorted((one.members for one in found), reverse=True)
    for one in found:
        theirs = events[events["user_id"] == one.user].drop_duplicates("listing_id", keep="last")
        assert [event.listing for event in one.history] == theirs["listing_id"].tolist()[-6:]


def test_they_are_the_same_every_time_with_names_that_differ(run):
    one, two = personas(run), personas(Run.open(run.path))
    assert [(p.name, p.members, p.user) for p in one] == [(p.name, p.members, p.user) for p in two]
    names = [persona.name for persona in one]
    assert len(set(names)) == len(names) and all(names)


def test_a_market_without_events_has_none(tmp_path):
    assert not personas(Run.open(embed_run(paint_market(tmp_path / "market", users=0), tmp_path / "run")))


def test_groups_are_found_and_never_empty():
    rng = np.random.default_rng(0)
    centers = np.eye(3, 8)
    points = np.repeat(centers, 20, axis=0) + 0.05 * rng.standard_normal((60, 8))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    group, center = spherical_kmeans(points, 3)
    assert len(center) == 3 and [len(set(group[first : first + 20])) for first in (0, 20, 40)] == [1, 1, 1]
    group, center = spherical_kmeans(np.ones((5, 2)) / np.sqrt(2), 4)
    assert len(center) == 1 and group.tolist() == [0] * 5


N = 200


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_number_that_is_in_the_space_is_predicted_and_another_one_is_not(rng):
    vectors = rng.normal(size=(N, 8))
    price = np.exp(2 * vectors[:, 0] + 6 + rng.normal(0, 0.2, N))
    row = probe(
        "model", vectors, price
    )  # it spans more than a factor of ten, so that its logarithm is predicted
    assert 0.95 < row["low"] < row["value"] < row["high"] < 1 and row["listings"] == N
    assert probe("model", rng.normal(size=(N, 8)), price)["value"] < 0.05


def test_listings_without_the_number_or_a_vector_are_left_out(rng):
    vectors, values = rng.normal(size=(N, 3)), rng.normal(size=N)
    vectors[:10], values[5:30] = 0, np.nan
    assert probe("model", vectors, values)["listings"] == N - 30
    for rows, numbers in ((slice(30, 35), values), (slice(None), np.ones(N))):
        with pytest.raises(VibesError, match="a probe needs"):
            probe("model", vectors[rows], numbers[rows])
