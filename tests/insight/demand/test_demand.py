"""Unmet demand of a run: a withdrawn taste is found where it is, by month, and described by what its users touched."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import listing_vibes
from listing_vibes import Run, VibesError
from listing_vibes.insight.demand.demand import DAYS, demand
from listing_vibes.insight.demand.places import candidate_places
from listing_vibes.insight.demand.wishes import NEAR, Wishes
from listing_vibes.insight.map.cluster_names import coded_at
from listing_vibes.market.log import DAY


@pytest.fixture(scope="module")
def short(trained):
    """The run, without the live listings of the place that most users wish for; and what is gone."""
    run = Run.open(trained.path)
    told = Wishes.of(run, run.moment(None), None)
    places = candidate_places(run.vectors("model"))
    gone = places[int(told.shares(places).mean(axis=0).argmax())]
    until, now = run.catalogue.until.copy(), run.moment(None) - DAY
    until[gone] = np.minimum(until[gone], now)
    run.__dict__["catalogue"] = replace(run.catalogue, until=until)
    return run, gone


def test_wishes_are_what_the_model_would_give_of_all_that_was_published(trained):
    at = trained.moment("2025-02-20")
    told = Wishes.of(trained, at, at - 28 * DAY)
    log = trained.log
    active = np.unique(log.user[(log.time < at) & (log.time >= at - 28 * DAY)])
    assert sorted(told.audience.user) == active.tolist()
    published = [name for name, there in zip(trained.listing_ids, told.published, strict=True) if there]
    assert set(published) == set(
        trained.market.listings["listing_id"][trained.market.listings["published_at"] <= "2025-02-20"]
    )
    user = log.users[told.audience.user[0]]
    whole = trained.recommend(
        user, k=NEAR, at="2025-02-20", rules={"live_only": False, "drop_seen": False, "k": len(log.users)}
    )
    mine = [trained.listing_ids[row] for row in told.first[0]]
    expected = [name for name in whole["listing_id"] if name in published]
    assert mine[: len(expected)] == expected
    assert told.shares([np.arange(len(trained.listing_ids))])[:, 0] == pytest.approx(1)
    assert told.wished.sum() == pytest.approx(len(active))


def test_a_withdrawn_taste_is_found_and_described(short):
    run, gone = short
    found = listing_vibes.demand(run, space="model")
    place = found.places[0]
    row = run.listing_row
    inside = np.isin([row[name] for name in place.listings], gone)
    assert inside.mean() > 0.5 and place.last.sure and place.last.low >= 1.5
    live = run.catalogue.live(run.moment(None))
    assert place.last.live == sum(live[row[name]] for name in place.listings)
    assert all(live[row[name]] for name in place.nearest) and set(place.wanted) <= set(place.listings)
    told = Wishes.of(run, run.moment(None), run.moment(None) - DAYS * DAY)
    rows = np.array([row[name] for name in place.listings])
    wanted = sorted(rows, key=lambda one: -told.wished[one])[:8]  # by most users first
    assert place.wanted == [run.listing_ids[one] for one in wanted]
    middle = told.audience.vectors[told.users_of(rows)].mean(axis=0)
    near = sorted(np.flatnonzero(told.live), key=lambda one: -float(run.vectors("model")[one] @ middle))[:8]
    assert place.nearest == [run.listing_ids[one] for one in near]
    share = told.shares([rows]).mean()
    assert place.last.usual == pytest.approx(share * told.published.sum() / told.published[rows].sum())
    assert place.name and all(trait.inside > trait.outside for trait in place.traits)
    table = found.frame()
    assert table["at"].tolist()[0] == str(pd.Timestamp(run.moment(None) - 1).date())
    assert json.loads(json.dumps(found.to_dict()))["places"][0]["figures"][0]["live"] == place.last.live
    assert place.name in repr(found) and place.wanted[0] in repr(found)


def test_months_have_a_figure_each_and_know_nothing_later(short):
    run, _ = short
    (place, *_) = demand(run, by="month", space="model", least=1.1).places
    days = ["2025-01-31", "2025-02-28", str(pd.Timestamp(run.moment(None) - 1).date())]
    assert [one.at for one in place.figures] == days
    assert [one.sure for one in place.figures] == [False, False, True]
    alone = Wishes.of(run, run.moment("2025-03-01"), run.moment("2025-02-01"))
    rows = np.array([run.listing_row[name] for name in place.listings])
    february = place.figures[1]
    assert (february.asked, february.of) == (len(alone.audience), alone.live.sum())
    assert february.users == pytest.approx(alone.shares([rows]).sum(), abs=0.06)
    assert february.live == alone.live[rows].sum()


@pytest.mark.parametrize(
    "options", [{"space": "photos"}, {"least": 0.5}, {"at": "2020-01-01", "by": "month"}], ids=str
)
def test_what_cannot_be_estimated_is_refused(trained, options):
    with pytest.raises(VibesError):
        demand(trained, **options)


def test_without_a_model_there_is_no_demand(bare):
    with pytest.raises(VibesError):
        demand(bare)


def test_a_listing_that_stands_often_is_counted_often():
    rng = np.random.default_rng(0)
    coded = [("Rooms", [("1", "1"), ("2", "2"), ("3", "3")], rng.permutation(12) % 8, rng.integers(0, 3, 12))]
    rows = rng.integers(0, 8, 20)
    ((label, told, place, code),) = coded_at(coded, 8, rows)
    slow = {(at, c) for at, row in enumerate(rows) for p, c in zip(*coded[0][2:], strict=True) if p == row}
    assert (label, told) == coded[0][:2] and set(zip(place.tolist(), code.tolist(), strict=True)) == slow
