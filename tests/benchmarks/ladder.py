"""The ladder over several ablations of the same users: `python -m tests.benchmarks.ladder OUT.png ABLATION...`.

Each ABLATION is the folder of a `vibes ablate` with the same grid, such as of one order of the events. Their queries are joined, and
intervals and p-values are over users, who have a query in each.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.ablation.ablate import folder_of, save_figure
from listing_vibes.ablation.jobs import RANKS
from listing_vibes.ablation.table import Measured, ablation_table, read_ablation, render_ablation


def join_ablations(folders: list[Path]) -> tuple[pd.DataFrame, list[Measured]]:
    """Return the table and the variants of all queries of `folders`, with the seeds that all of them have."""
    tables = [read_ablation(folder / "ablation.parquet") for folder in folders]
    assert all(table is not None for table in tables), "a folder has no ablation.parquet"
    first = tables[0]
    measured, users = [], np.zeros(0)
    for name, rows in first.groupby("variant", sort=False):
        seeds = set.intersection(
            *(set(table.loc[table["variant"] == name, "seed"].dropna().astype(int)) for table in tables)
        )
        frames = {
            seed: pd.concat(
                [pd.read_parquet(folder_of(folder, str(name), seed) / RANKS) for folder in folders]
            )
            for seed in sorted(seeds)
        }
        references = rows["reference"].dropna()
        reference = None if references.empty else str(references.iloc[0])
        ranks = {seed: frame["rank"].to_numpy(np.int64) for seed, frame in frames.items()}
        measured.append(Measured(str(name), reference, ranks, "ladder"))
        users = pd.factorize(next(iter(frames.values()))["user_id"])[0]
    return ablation_table(measured, users, {}), measured


if __name__ == "__main__":
    out, *names = sys.argv[1:]
    joined, variants = join_ablations([Path(name) for name in names])
    save_figure(joined, variants, Path(out), f"{Path(names[0]).name} and {len(names) - 1} more")
    print(render_ablation(joined, variants))
