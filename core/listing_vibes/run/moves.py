"""What rules add to scores and take from them: boosts, dials, and the likeness to unwanted listings."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from listing_vibes.cache import Cache
from listing_vibes.run.additions import MOMENTS
from listing_vibes.run.boosts import read_boost
from listing_vibes.run.dials import position, read_dial
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.rules import Rules
from listing_vibes.scoring.unwanted import NOT, likeness


class ScoreMoves:
    """The gains of one set of rules in one space of a run.

    Args:
        unlike: (n,) int64 rows of the listings of `rules.unlike`.
    """

    def __init__(self, run: RunFolder, space: str, rules: Rules, unlike: np.ndarray) -> None:
        self.run, self.space, self._unlike = run, space, unlike
        self._boosts = [read_boost(run.market, text) for text in rules.boost]
        self._dials = [dial for text in rules.dial if (dial := read_dial(text)).weight]
        self._gains: Cache[int | None, np.ndarray] = Cache(MOMENTS)

    @property
    def any(self) -> bool:
        """Whether the rules move scores at all."""
        return bool(self._boosts) or bool(len(self._unlike)) or bool(self._dials)

    def add_to(self, scores: np.ndarray, at: int | None) -> np.ndarray:
        """Return (b, L) scores with the gains at a moment, in standard deviations of each query's scores."""
        if not self.any:
            return scores
        finite = np.isfinite(scores) & self.run.index(self.space).known
        spread = np.std(scores, axis=1, where=finite, keepdims=True, dtype=np.float64)  # (b, 1)
        return scores + (spread * self.gain(at)).astype(np.float32)

    def gain(self, at: int | None) -> np.ndarray:
        """Return (L,) float32 what all boosts and dials give at a moment, less what unlike listings take."""
        when = None
        if self._boosts:
            assert at is not None
            when = self.run.counted_at(at)

        def make() -> np.ndarray:
            gains = [one.gain(self.run.market, when) for one in self._boosts if when is not None]
            return np.asarray(np.sum([*gains, *self._lasting], axis=0, dtype=np.float32))

        return self._gains.get(when, make)

    @cached_property
    def _lasting(self) -> list[np.ndarray]:
        """(L,) each: what unlike listings and dials give, the same at every moment."""
        gains = [dial.weight * position(self.run, dial) for dial in self._dials]
        if len(self._unlike):
            gains.insert(0, -NOT * likeness(self.run.vectors(self.space), self._unlike))
        return gains
