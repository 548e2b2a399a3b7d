"""The demo that ships: a market folder with photos that contains a trained run and the latent truth.

In a clone of the project it is in `assets/demo`; in a wheel, in the folder `bundled` next to this file.
"""

from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.market.caches import DEMO

ROOT = DEMO
RUN, TRUTH = "run", "truth.parquet"
#: Smaller runs of the same market, built by `assets/demo/studio/bundle.py`, for comparison.
BESIDE = ("without-photos", "homes")


def bundled_run() -> Path:
    """Return the run that ships with the project."""
    if not (ROOT / RUN / "run.toml").is_file():
        raise VibesError(
            f"The demo is not at {ROOT}; it is part of the project; install that again with "
            "`pip install -e '.[app,train]'` in a clone."
        )
    return ROOT / RUN


def bundled_runs() -> list[Path]:
    """Return the run that ships with the project, and the smaller ones."""
    return [bundled_run(), *(ROOT / name for name in BESIDE if (ROOT / name / "run.toml").is_file())]
