"""Rankings of the same queries by several scorers: means over users, and paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from listing_vibes.evaluation.intervals import Estimate, Results, estimates, paired_estimates
from listing_vibes.scoring.metrics import DEFAULT, Cutoffs, per_query, user_means


@dataclass(frozen=True, eq=False)
class RankedQueries:
    """The ranks by several scorers of the targets of the same Q queries, with means and differences.

    Attributes:
        user: (Q,) user of each query.
        ranks: by scorer (Q,) int64, 1-based; (S, Q) for a scorer with several seeds.
    """

    user: np.ndarray
    ranks: Mapping[str, np.ndarray]
    cutoffs: Cutoffs = DEFAULT
    seed: int = 0

    def user_values(self, name: str, mask: np.ndarray | None = None) -> np.ndarray:
        """Return the metrics `cutoffs.names` of each user (U, M), over the queries where `mask` (Q,) is True."""
        rows = slice(None) if mask is None else mask
        seeds = [
            user_means(per_query(ranks[rows], self.cutoffs), self.user[rows])
            for ranks in np.atleast_2d(self.ranks[name])
        ]
        result: np.ndarray = seeds[0] if len(seeds) == 1 else np.mean(seeds, axis=0)
        return result

    def means(self, mask: np.ndarray | None = None) -> Results:
        """Return value, low and high of every metric of every scorer."""
        return self._by_metric(
            list(self.ranks),
            estimates(np.hstack([self.user_values(name, mask) for name in self.ranks]), self.seed),
        )

    def differences(self, pairs: Sequence[tuple[str, str]], mask: np.ndarray | None = None) -> Results:
        """Return the paired difference of each pair, the first minus the second, by `first - second` and metric."""
        if not pairs:
            return {}
        deltas = [self.user_values(item, mask) - self.user_values(two, mask) for item, two in pairs]
        names = [f"{item} - {two}" for item, two in pairs]
        return self._by_metric(names, paired_estimates(np.hstack(deltas), self.seed))

    def _by_metric(self, names: Sequence[str], flat: Sequence[Estimate]) -> Results:
        width = len(self.cutoffs.names)
        return {
            name: dict(zip(self.cutoffs.names, flat[row * width : (row + 1) * width], strict=True))
            for row, name in enumerate(names)
        }
