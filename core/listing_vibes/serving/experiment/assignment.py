"""Setup of an experiment and its assignment, stored with the impressions: the same for every service and after a restart."""

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
    """A run with a blend."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    blend: str | None = None

    def __str__(self) -> str:
        return self.run if self.blend is None else f"{self.run} with {self.blend}"


class Setup(BaseModel):
    """An experiment.

    Attributes:
        design: "interleave" (every list from both) or a split of the users.
        share: share of the users that get B in a split.
        events: database of events of the services; empty: none.
        salt: makes the assignment independent of other experiments.
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
        return f"A: {self.a}, B: {self.b}, {design}, events in {self.events or 'no database'}"

    def arm_of(self, unit: str) -> str:
        """Return the arm of a user, or of a request without one; it is deterministic."""
        return B if self._hash(unit) / 2**64 < self.share else A

    def coins(self, request_id: str) -> random.Random:
        """Return the random generator of one interleaved list, which is reproducible with the salt."""
        return random.Random(self._hash(request_id))  # nosec B311

    def _hash(self, unit: str) -> int:
        digest = hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), key=self.salt.encode(), digest_size=8)
        return int.from_bytes(digest.digest(), "big")


def begin_experiment(place: Path | str, setup: Setup) -> Setup:
    """Start the experiment of a database of impressions, or resume it.

    Raises:
        VibesError: the database has another experiment.
    """
    database = Database(place, "--impressions", create=True)
    try:
        current = _parse(database, database.begin_state(_STATE, setup.model_dump_json()))
    finally:
        database.close()
    if current.model_copy(update={"salt": setup.salt}) != setup:
        raise VibesError(
            f"{place} has the experiment '{current}'; resume that, or choose another place for '{setup}'."
        )
    return current


def read_setup(place: Path | str) -> Setup | None:
    """Return the experiment of a database; None if it has none.

    Raises:
        VibesError: the database does not exist, or its experiment is damaged.
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
