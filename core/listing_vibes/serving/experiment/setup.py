"""What is tried against what: kept beside the impressions, the same for every service and after every restart."""

from __future__ import annotations

import hashlib
import random
import secrets
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import only_writer
from listing_vibes.serving.impressions.tables import of_experiment, read_impressions

FILE = "experiment.json"
A, B = "A", "B"
_READ = ("request_id", "time", "position", "arm", "tried")


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
        events: the folder of the log of live events that the services had; empty: none.
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


def begin(folder: Path, wanted: Setup) -> Setup:
    """The experiment of a folder of impressions: `wanted`, begun now or gone on with.

    Answers from before that were no experiment's may be there; they count for nobody.

    Raises:
        VibesError: the folder has another experiment, or answers of one whose `experiment.json` is gone.
    """
    with only_writer(folder, "vibes serve", f".{FILE}", wait=True):
        there = setup_of(folder)
        if there is None:
            if of_experiment(read_impressions(folder, columns=_READ)).any():
                raise VibesError(
                    f"{folder} has answers of an experiment whose {FILE} is gone; put that back, or choose another folder for "
                    "--impressions."
                )
            write_json(folder / FILE, wanted.model_dump(), indent=1)
            return wanted
    same = {"salt": there.salt, "events": wanted.events}
    if there.model_copy(update=same) != wanted.model_copy(update=same):
        raise VibesError(
            f"{folder} has the experiment '{told(there)}'; go on with that, or choose another folder for '{told(wanted)}'."
        )
    if there.events != wanted.events:
        raise VibesError(
            f"The experiment of {folder} has its events in '{there.events}'; give that with --events, or choose another folder "
            "for --impressions."
        )
    return there


def setup_of(folder: Path) -> Setup | None:
    """The experiment of a folder, None where it has none.

    Raises:
        VibesError: its file is damaged.
    """
    return read_json(folder / FILE, "restore it from a copy", TypeAdapter(Setup).validate_python)


def told(setup: Setup) -> str:
    """An experiment in words."""
    how = "interleaved" if setup.design == "interleave" else f"{setup.share:.3g} of the users get B"
    return f"A: {setup.a}, B: {setup.b}, {how}"
