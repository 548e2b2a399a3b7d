"""Recording what is shown, before it is answered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.market.user_names import VARIABLE, UserNames
from listing_vibes.serving.deadline import Deadline
from listing_vibes.serving.impressions.answer import Shown
from listing_vibes.serving.store import Store

#: Seconds that a list waits for its record. After that it is given without an id.
WRITE_S = 0.5


class Impressions:
    """Records answers in a store that several services may share; an answer is committed before anybody gets it.

    Args:
        place: see `Store`; made where it is not there.
        hashed: whether users are kept as keyed hashes, see `listing_vibes.market.user_names.UserNames`; the key is that of the
            environment, else a random one beside the database file.

    Raises:
        VibesError: the store cannot be made or written, or the key is missing or too short.
    """

    def __init__(self, place: str | Path, hashed: bool = False) -> None:
        if any(Path(place).glob("impressions-*")):
            raise VibesError(
                f"{place} holds impressions that an earlier version wrote as files; choose another folder for --impressions."
            )
        self.store = Store(place, "--impressions", create=True, deadline_s=WRITE_S, durable=False)
        if hashed and self.store.path is None and VARIABLE not in os.environ:
            raise VibesError(
                f"Option --hash-users needs a key where --impressions is a database of a server; set {VARIABLE}."
            )
        self.names = UserNames((self.store.path or Path()).parent, hashed)
        self.names.of("nobody")  # raises now if the key is of no use
        self._writing = Deadline(2 * WRITE_S, "store of impressions")

    def keep(self, answers: Sequence[Shown]) -> None:
        """Record some answers.

        Raises:
            Late: the store did not answer in time.
            VibesError: the disk is full, or the store cannot be written; then none is kept.
        """
        self._writing.call(self.store.append_impressions, [one.row(self.names.of) for one in answers])

    def close(self) -> None:
        """Close the store."""
        self._writing.close()
        self.store.close()
