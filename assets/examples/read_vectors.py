"""Read exported vectors with pandas and find neighbors by the inner product. Usage: python read_vectors.py FOLDER"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd


def main(folder: str) -> None:
    """Print the five nearest listings of the first user of what `vibes export RUN FOLDER --format vectors` wrote."""
    listings = pd.read_parquet(Path(folder) / "listings.parquet").query("space == 'model'")
    users = pd.read_parquet(Path(folder) / "users.parquet")
    scores = np.stack(listings["vector"]) @ users["vector"].iloc[0]  # (n,)
    print(listings.assign(score=scores).nlargest(5, "score")[["listing_id", "score"]].to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
