"""Rank and score what the peers gave, by our own metrics: `python tests/benchmarks/peers/score.py MARKET OUT [--alone] [--json]`.

Runs in the project's environment, after `export.py` and, in the peers' environment, `rectools_peers.py`. Every file
`OUT/<peer>.parquet` (query, item_id, score) is one row of the table; EASE stands beside them as a point of reference.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from export import open_split

from listing_vibes.evaluation.result import Evaluation
from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Queries, Split
from listing_vibes.scoring.baselines.ease import Ease

INPUTS = ("train", "histories", "moments", "validation", "validation_histories", "validation_moments")


@dataclass(frozen=True, eq=False)
class FileScorer:
    """A peer's scores; a listing that it did not name is `-inf`, so a target beyond its list ranks last."""

    name: str
    queries: Queries
    listing: np.ndarray  # (E,) int64 rows of listings, sorted by query
    score_of: np.ndarray  # (E,) float32
    start: np.ndarray  # (Q + 1,) int64
    listings: int

    @classmethod
    def read(cls, path: Path, market: Market, queries: Queries) -> "FileScorer":
        """One file of a peer."""
        found = pd.read_parquet(path).sort_values("query", kind="stable")
        listing = found["item_id"].astype(str).map(market.listing_row).to_numpy(np.int64)
        start = np.searchsorted(found["query"].to_numpy(), np.arange(len(queries) + 1))
        return cls(
            path.stem, queries, listing, found["score"].to_numpy(np.float32), start, len(market.listings)
        )

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32."""
        number = np.searchsorted(self.queries.event, batch.event)  # events of test queries ascend
        scores = np.full((len(batch), self.listings), -np.inf, np.float32)
        for row, query in enumerate(number):
            mine = slice(self.start[query], self.start[query + 1])
            scores[row, self.listing[mine]] = self.score_of[mine]
        return scores


def score(market: Market, log, catalogue, split: Split, out: Path, alone: bool = False) -> Evaluation:
    """Every peer of the folder on the test queries; beside them EASE, which a large market takes minutes for."""
    files = [path for path in sorted(out.glob("*.parquet")) if path.stem not in INPUTS]
    peers = [FileScorer.read(path, market, split.test) for path in files]
    beside = [] if alone else [Ease.tune(log, split, catalogue)]
    return rank_queries([*peers, *beside], log, split, catalogue)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("market", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--protocol", choices=("temporal", "leave-one-out"))
    parser.add_argument(
        "--hide-history",
        action=argparse.BooleanOptionalAction,
        help="as in `vibes evaluate`, --no for --keep-history",
    )
    parser.add_argument("--alone", action="store_true", help="without EASE beside them")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    market, log, catalogue, split = open_split(given.market, given.protocol)
    found = score(market, log, catalogue, split.with_history(given.hide_history), given.out, given.alone)
    print(json.dumps(found.to_dict()) if given.json else found.table())
