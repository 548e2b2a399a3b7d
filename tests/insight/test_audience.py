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
from listing_vibes.insight.audience import Audience, Crowd, audience_share, recent_lists
from listing_vibes.insight.personas import personas
from listing_vibes.insight.probes import probe
from listing_vibes.market.log import DAY
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run


def test_lists_of_active_users_are_those_of_recommend_by_the_model_only(trained, tmp_path):
    embed_market(trained.market, tmp_path / "untrained", None)
    moment = int(np.quantile(trained.log.time, 0.8))
    for run, at in ((trained, None), (trained, moment), (Run.open(tmp_path / "untrained"), None)):
        lists, population = recent_lists(run, at)
        events, end = run.market.events, run.after_last_event if at is None else at
        events = events[events["timestamp"] < pd.Timestamp(end, tz="UTC")]
        active = set(events[events["timestamp"] >= pd.Timestamp(end - 28 * DAY, tz="UTC")]["user_id"])
        assert set(lists["user_id"]) == active and population.users == population.sample == len(active)
        for user in lists["user_id"].unique()[::20]:
            mine = lists[lists["user_id"] == user]
            expected = run.recommend(user, at=at, blend="nothing" if run.has_model else None)
            assert mine["listing_id"].tolist() == expected["listing_id"].tolist()
            assert mine["rank"].tolist() == list(range(1, len(mine) + 1))
            assert mine["events"].iloc[0] == (events["user_id"] == user).sum()


def test_a_sample_stands_for_all_users_active_in_the_window(trained):
    everyone, some = Audience.of(trained), Audience.of(trained, limit=9)
    assert (
        some.population.users
        == len(everyone)
        == everyone.population.users
        > len(some)
        == some.population.sample
        == 9
    )
    rank = {user: place for place, user in enumerate(everyone.user)}
    gaps = np.diff([rank[user] for user in some.user])
    assert (
        gaps.min() > 0 and gaps.max() - gaps.min() <= 1
    )  # evenly spaced, so that it is not of the last day only
    assert some.population.describe() == everyone.population.describe()
    crowd = Crowd.of(trained)
    listing = crowd.lists()["listing_id"].value_counts()
    assert crowd.people.population.share(listing.iloc[0]) == listing.iloc[0] / len(everyone)
    texts = ["0%", "under 0.1%", "3.4%", "12%", "over 99%", "100%"]
    assert [audience_share(share, "") for share in (0, 0.0001, 0.0341, 0.1234, 0.999, 1)] == texts


def test_the_last_active_users_come_by_their_history_before_the_moment(trained):
    log = trained.log
    moment = int(np.quantile(log.time, 0.5))
    audience = Audience.of(trained, before=moment)
    assert (log.time[audience.end - 1] < moment).all()
    last = log.time[audience.end - 1]
    assert (np.diff(last) <= 0).all()
    whole = {
        user: [row for row in range(log.start[user], log.start[user + 1]) if log.time[row] < moment]
        for user in range(len(log.users))
    }
    newest = sorted((max(log.time[rows]) for rows in whole.values() if rows), reverse=True)
    newest = [time for time in newest if time >= moment - 28 * DAY]
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
    others = Audience.of(run)
    assert user not in others.user and others.user.tolist() == Audience.of(trained).user[1:].tolist()


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
