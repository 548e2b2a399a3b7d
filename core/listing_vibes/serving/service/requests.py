"""What a request asks for, and what it gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from listing_vibes.run.histories import Event
from listing_vibes.run.rules import Rules


class Similar(NamedTuple):
    """The listings nearest to one; `space` None = the run's first."""

    listing: str
    rules: Rules
    space: str | None = None
    at: str | int | None = None
    why: float | None = None  # seconds for the reasons of the list; None: they are not asked for


class Recommend(NamedTuple):
    """Listings for a user of the market, or (`user` None) for a history, oldest first.

    Attributes:
        beside: what is added to the model, see `listing_vibes.run.run.Run.recommend`; None: what the service adds to all; "": nothing.
        why: seconds for the reasons of the list; None: they are not asked for.
        about: whom a history is of, as far as that is told.
    """

    user: str | None
    history: list[Event]
    rules: Rules
    at: str | int | None = None
    beside: str | None = None
    why: float | None = None
    about: str | None = None


class Probe(NamedTuple):
    """A list of one, of which nothing is recorded: whether lists are answered at all."""


class Embed(NamedTuple):
    """A listing that the market does not have: cells by attribute, contents of image files, `k` neighbours a space."""

    attributes: dict[str, Any]
    photos: list[bytes]
    spaces: list[str] | None
    k: int


class Found(NamedTuple):
    """Listings with their cosine, best first, listings of a posted history that the run does not know, and of each listing
    what put it there, one of `listing_vibes.run.rules.RULED` (empty: scores alone did)."""

    listings: list[str]
    scores: list[float]
    unknown: list[str]
    ruled: Sequence[str] = ()
    reasons: Sequence[
        dict[str, Any] | None
    ] = ()  # of each listing why, as `listing_vibes.insight.explain` tells it; None: the time was up
    scorer: str = ""  # what scored it where no model did, as `listing_vibes.run.recommender` names it
    fallback: bool = False  # there was no history to go by: popular and recent listings
    market_changed: bool = False  # since the run was made
    nothing: str = ""  # of an empty list why it is that, see `listing_vibes.run.empty_lists`
    request_id: str = ""  # by which events tell what became of the answer; "": nobody keeps it


class Embedded(NamedTuple):
    """By space a vector, L2-normalised, and its neighbours; by the number of a photo why it was left out."""

    vectors: dict[str, list[float]]
    similar: dict[str, Found]
    broken: dict[int, str]
