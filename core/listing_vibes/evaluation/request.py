"""The request of an evaluation, as it is saved with its result."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from listing_vibes.market.splits import Protocol

Baselines = Literal["all", "fast", "none"]


class EvaluationRequest(BaseModel):
    """The request of an evaluation.

    Attributes:
        t1, t2: the split, in the time of the log; None in leave-one-out.
        test_until: the moment of the last test query; later events are not part of the test.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    protocol: Protocol
    history_hidden: bool = False
    new_by: str | None = None
    baselines: Baselines = "all"
    users: int | None = Field(None, ge=1)
    t1: int | None = None
    t2: int | None = None
    test_until: int | None = None

    @property
    def fullness(self) -> tuple[bool, int]:
        """Return a sort key of the extent: all users above a sample, more baselines above fewer."""
        return self.users is None, ("none", "fast", "all").index(self.baselines)
