"""The demo that ships: a market folder with photos and, inside it, a trained run and the latent truth.

In a clone of the project it lies in `assets/demo`; a wheel carries it in the folder `bundled` beside this file.
"""

from __future__ import annotations

from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.market.caches import DEMO

ROOT = DEMO
RUN, TRUTH = "run", "truth.parquet"
#: Smaller runs of the same market, made by `listing_vibes.demo.bundle`, so that there is something to compare.
BESIDE = ("without-photos", "homes")


def bundled_run() -> Path:
    """The run that ships with the project.

    Raises:
        VibesError: it is not there.
    """
    if not (ROOT / RUN / "run.toml").is_file():
        raise VibesError(
            f"The demo is not at {ROOT}; it comes with the project: install that again with "
            "`pip install -e '.[app,train]'` in a clone."
        )
    return ROOT / RUN


def bundled_runs() -> list[Path]:
    """The run that ships with the project, and those that ship beside it.

    Raises:
        VibesError: the first is not there.
    """
    return [bundled_run(), *(ROOT / name for name in BESIDE if (ROOT / name / "run.toml").is_file())]
