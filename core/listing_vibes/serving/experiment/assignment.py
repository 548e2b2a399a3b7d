"""What an experiment compares, and who gets what: stored beside the impressions, the same for every service and after a restart."""

from __future__ import annotations

import hashlib
import random
import secrets
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.serving.database import Database

A, B = "A", "B"
_STATE = "experiment"


class Arm(BaseModel):
    """A run, and what is added to its model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    blend: str | None = None

    def __str__(self) -> str:
        return self.run if self.blend is None else f"{self.run} with {self.blend}"


class Setup(BaseModel):
    """An experiment.

    Attributes:
        design: every list interleaved from both, or the users split.
        share: of the users that get B, where they are split.
        events: the place of the events that the services had; empty: none.
        salt: makes the chance of this experiment independent of that of any other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    design: Literal["interleave", "split"]
    a: Arm
    b: Arm
    share: float = Field(0.5, gt=0, lt=1)
    events: str = ""
    salt: str = Field(default_factory=lambda: secrets.token_hex(16))

    def __str__(self) -> str:
        design = "interleaved" if self.design == "interleave" else f"{self.share:.3g} of the users get B"
        return f"A: {self.a}, B: {self.b}, {design}"

    def arm_of(self, unit: str) -> str:
        """Return the arm of a user (or of a request without one): always the same."""
        return B if self._hash(unit) / 2**64 < self.share else A

    def coins(self, request_id: str) -> random.Random:
        """Return the coins of one interleaved list, which whoever has the salt can toss again."""
        return random.Random(self._hash(request_id))  # nosec B311

    def _hash(self, unit: str) -> int:
        digest = hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), key=self.salt.encode(), digest_size=8)
        return int.from_bytes(digest.digest(), "big")


def begin_experiment(place: Path | str, setup: Setup) -> Setup:
    """Begin the experiment of a database of impressions, or resume it.

    Raises:
        VibesError: the database has another experiment.
    """
    database = Database(place, "--impressions", create=True)
    try:
        current = _parse(database, database.begin_state(_STATE, setup.model_dump_json()))
    finally:
        database.close()
    if current.model_copy(update={"salt": setup.salt}) == setup:
        return current
    if current.model_copy(update={"salt": setup.salt, "events": setup.events}) == setup:
        raise VibesError(
            f"The experiment of {place} has its events in '{current.events}'; give that with --events, or choose another place "
            "for --impressions."
        )
    raise VibesError(
        f"{place} has the experiment '{current}'; resume that, or choose another place for '{setup}'."
    )


def read_setup(place: Path | str) -> Setup | None:
    """Return the experiment of a database, None where it has none.

    Raises:
        VibesError: there is no such database, or its experiment is damaged.
    """
    database = Database(place, "--impressions")
    try:
        setup = database.read_state(_STATE)
        return None if setup is None else _parse(database, setup)
    finally:
        database.close()


def _parse(database: Database, setup: str) -> Setup:
    try:
        return Setup.model_validate_json(setup)
    except ValidationError as error:
        raise VibesError(f"The experiment of {database.name} is damaged; restore it from a copy.") from error
