"""Which listings count as new, with and without dates, and from which look on."""

import numpy as np

from helpers.copies import copied
from listing_vibes.market.splits import Catalogue
from listing_vibes.serving.monitor.checks import Monitored, Reached, Thresholds
from listing_vibes.serving.monitor.groups import groups, new_rows


def looked(reached: Reached) -> Monitored:
    return Monitored(run="r", market="m", generation=0, looked="2025-01-01 10:00", thresholds=Thresholds(), checks=[], reached=reached)  # fmt: skip


def test_without_dates_only_what_trained_and_what_came_is_compared(trained, tmp_path):
    run = copied(trained, tmp_path)
    split = run.split()
    touched = run.log.counts(split.train) > 0
    some, reached = groups(run, split.t1, split.train, None)
    dated = {group.name: group.rows for group in some}
    after = (run.catalogue.since >= split.t1) & ~touched
    assert (dated["new"] == np.flatnonzero(after)).all() and len(new_rows(some)) == after.sum() > 0
    assert reached.listings == len(run.listing_ids) and reached.last == run.listing_ids[-1]
    least, most = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    run.catalogue = Catalogue(
        np.full(len(touched), least), np.full(len(touched), most)
    )  # nobody says when they came
    (live,), _ = groups(run, split.t1, split.train, None)
    assert live.name == "live" and (live.rows == np.flatnonzero(touched)).all()


def test_a_look_goes_on_where_the_last_one_ended(trained):
    ids, split = trained.listing_ids, trained.split()
    before = looked(Reached(first=90, listings=100, last=ids[99]))
    some, reached = groups(trained, split.t1, split.train, before)
    assert some[0].name == "newest" and (some[0].rows == np.arange(100, len(ids))).all()
    again, _ = groups(trained, split.t1, split.train, looked(reached))
    assert (again[0].rows == some[0].rows).all()  # nothing came since
    other = looked(Reached(first=0, listings=100, last="of another state"))
    assert groups(trained, split.t1, split.train, other)[0][0].name == "new"
