"""Personas are real users' histories, one a group, and the same every time."""

import numpy as np
import pytest

from browser.painted import embed_run, paint_market
from helpers.small_market import generate
from listing_vibes.features.reduce import spherical_kmeans
from listing_vibes.insight.personas import personas
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market


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
        assert one.history["listing_id"].tolist() == theirs["listing_id"].tolist()[-6:]


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
