"""Setup of an experiment, stored with the impressions: the same for every service and after a restart."""

import hashlib
import random
import secrets
from contextlib import closing
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import Forbidding
from listing_vibes.serving.database import Database

A, B = "A", "B"
_STATE = "experiment"


class Arm(Forbidding):
    """A run with a blend."""

    run: str
    blend: str | None = None

    def __str__(self) -> str:
        return self.run if self.blend is None else f"{self.run} with {self.blend}"


class Setup(BaseModel):
    """An experiment: every list is interleaved from two runs.

    Attributes:
        events: database of events of the services; empty: none.
        salt: makes the coins independent of other experiments.
        design: refuses the experiments of 0.1.0 that split the users.
    """

    model_config = ConfigDict(frozen=True)

    a: Arm
    b: Arm
    events: str = ""
    salt: str = Field(default_factory=lambda: secrets.token_hex(16))
    design: Literal["interleave"] = "interleave"

    def __str__(self) -> str:
        return f"A: {self.a}, B: {self.b}, events in {self.events or 'no database'}"

    def coins(self, request_id: str) -> random.Random:
        """Return the random generator of one list, which is reproducible with the salt."""
        digest = hashlib.blake2b(request_id.encode(), key=self.salt.encode(), digest_size=8).digest()
        return random.Random(int.from_bytes(digest, "big"))  # nosec B311


def begin_experiment(place: Path | str, setup: Setup) -> Setup:
    """Start the experiment of a database of impressions, or resume it.

    Raises:
        VibesError: the database has another experiment.
    """
    with closing(Database(place, "--impressions", create=True)) as database:
        current = _parse(database, database.begin_state(_STATE, setup.model_dump_json()))
    if current.model_copy(update={"salt": setup.salt}) != setup:
        raise VibesError(
            f"{place} has the experiment '{current}'; resume that, or choose another place for '{setup}'."
        )
    return current


def read_setup(place: Path | str) -> Setup | None:
    """Return the experiment of a database; None if it has none.

    Raises:
        VibesError: the database does not exist, or its experiment cannot be read.
    """
    with closing(Database(place, "--impressions")) as database:
        setup = database.read_state(_STATE)
        return None if setup is None else _parse(database, setup)


def _parse(database: Database, setup: str) -> Setup:
    try:
        return Setup.model_validate_json(setup)
    except ValidationError as error:
        raise VibesError(
            f"The experiment of {database.name} is damaged, or splits the users, as no longer possible; choose another place."
        ) from error
