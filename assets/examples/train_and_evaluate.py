"""Train a small model on the bicycles and compare it with the baselines. Usage: python train_and_evaluate.py RUN [STEPS]"""

import shutil
import sys
from pathlib import Path

from listing_vibes import Market, evaluate, train

BICYCLES = Path(__file__).parent / "bicycles"


def main(out: str, steps: str = "300") -> None:
    """Write the market and the run into the folder `out`."""
    market = Path(shutil.copytree(BICYCLES, Path(out) / "market"))
    run = train(
        Market.open(market),
        Path(out) / "run",
        preset="tiny",
        training={"max_steps": int(steps)},
        progress=True,
    )
    print(evaluate(run, baselines="fast").frame().query("metric == 'recall@30'").to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
