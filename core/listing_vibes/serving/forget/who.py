"""The users that are to be forgotten, by whatever they are called in a table."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.user_names import UserNames
from listing_vibes.market.values import as_ids, id_text


class Who:
    """Some users, given by their ids or (where those are hashed) by their names.

    Attributes:
        found: those that some table had.
    """

    def __init__(self, users: list[str], names: UserNames) -> None:
        self.names, self.found = names, set[str]()
        ids = [id_text(user) or "" for user in users]
        self._given = {called: user for user in ids for called in (names.of(user), user)}

    def also_called(self, names: UserNames) -> None:
        """Users are also those whom these names call so, as they are named already or by their ids."""
        self._given |= {names.of(called): user for called, user in list(self._given.items())}

    def rows(self, table: pd.DataFrame) -> np.ndarray:
        """(n,) bool: which rows of a table with `user_id`, or of one of rejected rows, are theirs."""
        users = as_ids(table[C.USER]) if C.USER in table else as_ids(table["cells"].map(_user_in))
        mine = users.map(self._given)
        if self.names.hashed:
            mine = mine.fillna(self.names.shown(users).map(self._given))
        self.found |= set(mine.dropna())
        return mine.notna().to_numpy(bool)


def _user_in(cells: str) -> str | None:
    """The user of a row that `listing_vibes.market.rejects` wrote as JSON."""
    try:
        told = json.loads(cells)
        return id_text(told.get(C.USER))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
