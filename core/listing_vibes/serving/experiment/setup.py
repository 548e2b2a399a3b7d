"""What is tried against what: kept beside the impressions, the same for every service and after every restart."""

from __future__ import annotations

import hashlib
import random
import secrets
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.serving.store import Store

A, B = "A", "B"


class Arm(BaseModel):
    """A run, and what is added to its model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    beside: str | None = None

    def __str__(self) -> str:
        return self.run if self.beside is None else f"{self.run} with {self.beside}"


class Setup(BaseModel):
    """An experiment.

    Attributes:
        design: every list interleaved of both, or the users split.
        share: of the users that get B, where they are split; of the coins that fall for B, one half, where lists are interleaved.
        events: the place of the events that the services had, see `Store`; empty: none.
        salt: makes the chance of this experiment another one than that of any other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    design: Literal["interleave", "split"]
    a: Arm
    b: Arm
    share: float = Field(0.5, gt=0, lt=1)
    events: str = ""
    salt: str = Field(default_factory=lambda: secrets.token_hex(16))

    def arm_of(self, unit: str) -> str:
        """Whom a user (or a request of nobody) gets: always the same."""
        return B if self._number(unit) / 2**64 < self.share else A

    def coins(self, request_id: str) -> random.Random:
        """The coins of one interleaved list, which anybody with the salt can toss again."""
        return random.Random(self._number(request_id))  # nosec B311

    def _number(self, unit: str) -> int:
        digest = hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), key=self.salt.encode(), digest_size=8)
        return int.from_bytes(digest.digest(), "big")


def begin(place: Path | str, wanted: Setup) -> Setup:
    """The experiment of a store of impressions: `wanted`, begun now or gone on with.

    Answers from before that were no experiment's may be there; they count for nobody.

    Raises:
        VibesError: the store has another experiment.
    """
    store = Store(place, "--impressions", create=True)
    try:
        there = _parse(store, store.begin_experiment(wanted.model_dump_json()))
    finally:
        store.close()
    same = {"salt": there.salt, "events": wanted.events}
    if there.model_copy(update=same) != wanted.model_copy(update=same):
        raise VibesError(
            f"{place} has the experiment '{told(there)}'; go on with that, or choose another place for '{told(wanted)}'."
        )
    if there.events != wanted.events:
        raise VibesError(
            f"The experiment of {place} has its events in '{there.events}'; give that with --events, or choose another place "
            "for --impressions."
        )
    return there


def setup_of(place: Path | str) -> Setup | None:
    """The experiment of a store, None where it has none.

    Raises:
        VibesError: there is no such store, or its experiment is damaged.
    """
    store = Store(place, "--impressions")
    try:
        setup = store.experiment()
        return None if setup is None else _parse(store, setup)
    finally:
        store.close()


def _parse(store: Store, setup: str) -> Setup:
    try:
        return Setup.model_validate_json(setup)
    except ValidationError as error:
        raise VibesError(f"The experiment of {store.name} is damaged; restore it from a copy.") from error


def told(setup: Setup) -> str:
    """An experiment in words."""
    how = "interleaved" if setup.design == "interleave" else f"{setup.share:.3g} of the users get B"
    return f"A: {setup.a}, B: {setup.b}, {how}"
