"""An event as it is posted: what it may hold, and the line that is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.moments import moment_in_log
from listing_vibes.market.values import id_text

#: Events of one post.
MOST_POSTED = 1000
#: Seconds that a clock may be ahead of this one's.
AHEAD_S = 60
#: Of a user, a listing, an event or an answer. PostgreSQL keeps no text with a zero character.
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
#: Seconds of an event, 31 years at most: what is far larger is a fault of the sender, and infinite once it is a float32.
Duration = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class PostedLive(BaseModel):
    """One event: what a user did on a listing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    listing_id: Id
    user_id: Id | None = Field(
        None, description="its id, never a hash; may be left out where request_id tells what it answers"
    )
    timestamp: str | None = Field(
        None, description="a date and time, UTC where it names no zone; default: now"
    )
    position: int | None = Field(
        None, description="in a market without timestamps; default: after the user's last event"
    )
    action: str | None = None
    duration_s: Duration | None = None
    event_id: Id | None = Field(
        None, description="an event with an id that was taken already is not taken again"
    )
    request_id: Id | None = Field(None, description="of the answer that showed the listing")


_LIVE = TypeAdapter(PostedLive)


class Refused(VibesError):
    """Events that are no events: a sentence each, by their place in the post, from 0."""

    def __init__(self, problems: dict[int, str]) -> None:
        self.problems = problems
        super().__init__(next(iter(problems.values())))


def checked(body: Any, timed: bool, actions: Sequence[str], now: int, name: Any) -> list[dict[str, Any]]:
    """The events of a body, each as the mapping that is kept; without a time where none was told.

    Args:
        body: JSON, one event or a list of them.
        timed: whether the market's events have timestamps; actions: those that it knows.
        now: nanoseconds.
        name: makes a sentence of the problems that pydantic finds.

    Raises:
        Refused: some are no events; none is taken then.
        VibesError: the body is neither, or holds too many.
    """
    posted = body if isinstance(body, list) else [body]
    if not isinstance(body, list | dict) or not posted:
        raise VibesError(
            "The body holds no event; send one as a JSON object, or a list of them, with the header content-type: "
            "application/json."
        )
    if len(posted) > MOST_POSTED:
        raise VibesError(f"The body holds {len(posted)} events; send {MOST_POSTED} at once, at most.")
    found, problems = [], {}
    for place, one in enumerate(posted):
        try:
            found.append(_kept(_LIVE.validate_python(one), timed, actions, now))
        except ValidationError as error:
            problems[place] = _where(place, len(posted)) + name(error.errors())
        except VibesError as error:
            problems[place] = _where(place, len(posted)) + str(error)
    if problems:
        raise Refused(problems)
    return found


def _where(place: int, of: int) -> str:
    return "" if of == 1 else f"Event {place + 1} of {of}: "


def _kept(event: PostedLive, timed: bool, actions: Sequence[str], now: int) -> dict[str, Any]:
    kept = event.model_dump(exclude_none=True)
    for name in (C.USER, C.LISTING):  # as readers of tables take them
        if name in kept:
            kept[name] = id_text(kept[name])
            if not kept[name]:
                raise VibesError(f"{name} is empty; give an id.")
    if event.user_id is None and event.request_id is None:
        raise VibesError(f"{C.USER} is missing; give it, or the request_id of the answer that this is about.")
    if event.action is not None and event.action not in actions:
        known = f"give one of: {', '.join(actions)}" if actions else "this market has none, so leave it out"
        raise VibesError(f"action is '{event.action[:100]}'; {known}.")
    other = C.POSITION if timed else C.TIMESTAMP
    if getattr(event, other) is not None:
        mine = C.TIMESTAMP if timed else C.POSITION
        raise VibesError(f"{other} is of no use in this market, whose events have a {mine}; leave it out.")
    if event.timestamp is not None:
        at = moment_in_log(event.timestamp, True, C.TIMESTAMP)
        if at > now + AHEAD_S * 10**9:
            raise VibesError(
                f"{C.TIMESTAMP} is '{event.timestamp[:40]}', which is to come; give when it happened."
            )
        kept[C.TIMESTAMP] = as_text(at)
    if event.position is not None and not abs(event.position) <= 2**53:
        raise VibesError(f"{C.POSITION} is {event.position}; give a whole number up to 2^53.")
    return kept


def as_text(at: int) -> str:
    """Nanoseconds as a moment that every reader of tables understands."""
    return pd.Timestamp(at, tz="UTC").isoformat()
