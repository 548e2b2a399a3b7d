"""What the users of a place touched, over what can be had, and the live listings that come nearest to what they want."""

from __future__ import annotations

import numpy as np

from listing_vibes.insight.demand.wishes import Wishes
from listing_vibes.insight.map.cluster_looks import coded_looks
from listing_vibes.insight.map.cluster_names import Coded, Portrait, coded_attributes, portraits
from listing_vibes.insight.map.naming import names_of
from listing_vibes.insight.map.tones import COLUMNS, coded_tones
from listing_vibes.insight.map.tones import LABEL as TONES
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.search.photo_search import PhotoSearch
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import ranges
from listing_vibes.run.run import Run

MOSTLY = 0.5  # of a user's wishes that must lie in a place for the user to be one of its users
FEWEST = 20  # users that a place is told of, be it with fewer of their wishes


def users_of(told: Wishes, rows: np.ndarray) -> np.ndarray:
    """Numbers of the asked users whose wishes lie mostly in the place `rows`, or of those who come nearest to that."""
    share = told.shares([rows])[:, 0]
    order = np.argsort(-share, kind="stable")
    return order[: max(min(FEWEST, len(order)), int((share >= MOSTLY).sum()))]


def about(run: Run, space: str, told: Wishes, rows: np.ndarray) -> Portrait:
    """What holds for what the users of a place touched and for fewer of the live listings: attributes, what is seen in photos
    where that is known, and words."""
    asked, users = told.audience, users_of(told, rows)
    events = ranges(asked.start[users], asked.end[users] - asked.start[users])
    owner = np.repeat(users, asked.end[users] - asked.start[users])
    events, owner = events[run.log.wanted[events]], owner[run.log.wanted[events]]
    pairs = np.unique(
        np.stack([owner, run.log.listing[events]], axis=1), axis=0
    )  # (T, 2), each listing once a user
    touched, live = pairs[:, 1], np.flatnonzero(told.live)
    both = np.concatenate([touched, live])
    group = np.repeat([0, -1], [len(touched), len(live)])
    coded = repeated(_known(run), both)
    found = portraits(run.market, both, group, coded=coded, leading=leading_of(space))
    return found[0] if found else Portrait(names_of([[]], [[]])[0])  # they only refused listings


def leading_of(space: str) -> tuple[str, ...]:
    """Labels of the traits that names of a space's places begin with."""
    return (TONES,) if space == "photos" else ()


def live_nearest(told: Wishes, rows: np.ndarray, k: int) -> np.ndarray:
    """The k live listings that the model gives the users of a place first, on the mean."""
    live, vectors = np.flatnonzero(told.live), told.audience.run.vectors("model")
    middle = told.audience.vectors[users_of(told, rows)].mean(axis=0)
    return live[np.argsort(-(vectors[live] @ middle), kind="stable")[:k]]


def repeated(coded: list[Coded], rows: np.ndarray) -> list[Coded]:
    """`coded` of all listings as that of `rows` (n,), in which a listing may stand often."""
    found = []
    for label, told, place, code in coded:
        order = np.argsort(place, kind="stable")
        place, code = place[order], code[order]
        start = np.searchsorted(place, rows)
        count = np.searchsorted(place, rows, side="right") - start
        found.append((label, told, np.repeat(np.arange(len(rows)), count), code[ranges(start, count)]))
    return found


def _known(run: Run) -> list[Coded]:
    rows = np.arange(len(run.market.listings))
    found = coded_attributes(run.market, rows)
    drawn, search = read_map(run), PhotoSearch.open(run) if len(run.market.photos) else None
    if drawn is not None and set(COLUMNS) <= set(drawn.columns):
        tones = drawn.drop_duplicates(C.LISTING).set_index(C.LISTING).reindex(run.listing_ids)
        found += coded_tones(tones.reset_index())
    if search is not None:
        found.append(coded_looks(search.looks, run.market, rows))
    return found
