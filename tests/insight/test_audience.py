"""The users who would get a listing first, against a slow count by `Run.recommend`."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.insight.audience import Audience
from listing_vibes.run.run import Run


def test_ranks_are_the_places_among_the_recommendations(trained):
    audience = Audience.of(trained, limit=20)
    catalogue = trained.catalogue
    live = (catalogue.since <= audience.at) & (audience.at < catalogue.until)
    row = int(np.argmin(np.where(live, trained.log.counts(), 10**6)))
    listing = trained.listing_ids[row]
    found = audience.first(trained.vectors("model")[row], row)
    assert len(found) > 10 and found["rank"].is_monotonic_increasing
    for user, rank, score in found[["user_id", "rank", "score"]].itertuples(index=False):
        mine = trained.recommend(user, k=1000)
        place = mine["listing_id"].tolist().index(listing)
        assert rank == place + 1
        assert score == pytest.approx(mine["score"][place], abs=1e-4)


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


def test_users_who_had_the_listing_are_left_out(trained):
    audience = Audience.of(trained, limit=1000)
    events = trained.market.events
    listing = events["listing_id"].value_counts().index[0]
    row = trained.listing_row[listing]
    found = set(audience.first(trained.vectors("model")[row], row)["user_id"])
    had = set(events[events["listing_id"] == listing]["user_id"])
    assert had and found == set(events["user_id"]) - had


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


def test_who_only_refused_listings_is_asked_only_where_the_model_learned_what_that_means(trained):
    run = Run.open(trained.path)
    log = run.log
    user = int(log.user[np.argmax(log.time)])  # the user active last
    run.__dict__["log"] = replace(log, refused=log.user == user)
    others = Audience.of(run, limit=5)
    assert user not in others.user and len(others) == 5
    assert others.user.tolist() == Audience.of(trained, limit=6).user[1:].tolist()
    settings = run.engine.settings
    training = settings.training.model_copy(update={"unwanted_learned": True})
    run.__dict__["engine"] = replace(run.engine, settings=settings.model_copy(update={"training": training}))
    assert Audience.of(run, limit=5).user[0] == user
