"""One list out of two: team-draft interleaving."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

#: Of a listing that both would have put in its place.
BOTH = -1


class Pick(NamedTuple):
    """A place of the list: whose it is, 0 or 1 or `BOTH`, and from which list and place there it was taken."""

    team: int
    source: int
    place: int


def draft(
    lists: tuple[Sequence[str], Sequence[str]],
    k: int,
    coins: random.Random,
    allows: Callable[[str], bool] = lambda listing: True,
) -> list[Pick]:
    """Interleave two lists of listings, best first, to one of `k` at most.

    Team-draft interleaving of Radlinski, Kurup & Joachims (CIKM 2008, "How does clickthrough data reflect retrieval
    quality?"): as captains pick players, a coin says each round who goes first, and both put in the best that is not there
    yet. A click on a listing counts for whoever put it there. Where both would put in the same listing it is nobody's: its
    click tells nothing of the two, and a coin would only add noise. What one of them still has when the other has nothing
    left is nobody's as well. The two are treated alike, so where neither is better each has half of the clicks.

    Args:
        coins: tossed once a round.
        allows: whether a listing may join the list as it is; asked once, just before it does.
    """
    picks: list[Pick] = []
    there: set[str] = set()
    at = [0, 0]

    def following(team: int) -> str | None:
        while at[team] < len(lists[team]):
            listing = lists[team][at[team]]
            if listing not in there:
                return listing
            at[team] += 1
        return None

    def put(team: int, source: int, listing: str) -> None:
        there.add(listing)  # also where it is not allowed: it is passed over for good
        if allows(listing):
            picks.append(Pick(team, source, at[source]))

    while len(picks) < k:
        one, two = following(0), following(1)
        if one is not None and (one == two or two is None):
            put(BOTH, 0, one)
        elif one is None and two is not None:
            put(BOTH, 1, two)
        elif one is None or two is None:
            break
        else:
            first = coins.getrandbits(1)
            for team in (first, 1 - first):
                if len(picks) < k:
                    put(team, team, (one, two)[team])
    return picks
