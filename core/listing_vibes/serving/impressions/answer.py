"""What is kept of an answer."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from listing_vibes.market.columns import Columns as C
from listing_vibes.run.rules import Rules


class Maker(NamedTuple):
    """What made a list: a run, how many refreshes it had behind it, and by what it scored."""

    run: str
    generation: int
    scorer: str


class Shown(NamedTuple):
    """An answer.

    Attributes:
        at: microseconds since 1970 UTC.
        kind: "recommend" or "similar".
        user: whom it was for, as far as that was told; query: the listing that others are like.
        makers: what made it; of an experiment both, A first.
        arm: of an experiment with split users the half; None: of none, or of one that interleaves.
        teams: for each listing which of `makers` put it there, -1: both would have; None: the first, all of them.
    """

    request_id: str
    at: int
    kind: str
    user: str | None
    query: str | None
    rules: Rules
    makers: Sequence[Maker]
    listings: Sequence[str]
    scores: Sequence[float]
    arm: str | None = None
    teams: Sequence[int] | None = None

    def row(self, called: Callable[[str], str]) -> dict[str, Any]:
        """As the store keeps it.

        Args:
            called: the name of a user.
        """
        answer = {
            "rules": self.rules.model_dump_json(exclude_defaults=True),
            "run": [one.run for one in self.makers],
            "generation": [one.generation for one in self.makers],
            "scorer": [one.scorer for one in self.makers],
            "listings": self.listings,
            "scores": self.scores,
            "teams": self.teams,
        }
        return {
            "request_id": self.request_id,
            "time": self.at,
            "kind": self.kind,
            C.USER: None if self.user is None else called(self.user),
            "query": self.query,
            "arm": self.arm,
            "answer": to_json(answer).decode(),
        }


def new_id() -> str:
    """Of a request: 96 random bits."""
    return secrets.token_hex(12)
