"""What a request asks for, and what it gets."""

from __future__ import annotations

from typing import Any, NamedTuple


class Similar(NamedTuple):
    """The listings nearest to one; `space` None = the run's first."""

    listing: str
    k: int
    space: str | None = None


class Event(NamedTuple):
    """An event of a posted history."""

    listing: str
    action: str | None = None
    duration_s: float | None = None


class Recommend(NamedTuple):
    """Listings for a user of the market, or (`user` None) for a history, oldest first."""

    user: str | None
    history: list[Event]
    k: int
    at: str | int | None = None


class Embed(NamedTuple):
    """A listing that the market does not have: cells by attribute, contents of image files, `k` neighbours a space."""

    attributes: dict[str, Any]
    photos: list[bytes]
    spaces: list[str] | None
    k: int


class Found(NamedTuple):
    """Listings with their cosine, best first, and listings of a posted history that the run does not know."""

    listings: list[str]
    scores: list[float]
    unknown: list[str]


class Embedded(NamedTuple):
    """By space a vector, L2-normalised, and its neighbours; by the number of a photo why it was left out."""

    vectors: dict[str, list[float]]
    similar: dict[str, Found]
    broken: dict[int, str]
