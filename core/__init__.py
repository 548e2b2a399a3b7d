"""Listing Vibes: an ID-free multimodal recommender for listings.

>>> from core import Market, Run, compare, evaluate, train

Each is loaded on first use, so that a light command pays for neither pandas nor torch.
"""

from typing import TYPE_CHECKING, Any

from core.errors import VibesError
from core.faces import face

if TYPE_CHECKING:
    from core.evaluation.start import evaluate
    from core.insight.comparison import compare
    from core.insight.demand.demand import demand
    from core.insight.launch.launch import launch
    from core.insight.looks.look import look
    from core.insight.passport import passport
    from core.insight.selection.address import selection
    from core.insight.sheet import photo_sheet
    from core.insight.why.reasons import why
    from core.market.download.job import download
    from core.market.market import Market
    from core.run.run import Run
    from core.serving.experiment.verdict import experiment
    from core.serving.monitor.monitor import monitor
    from core.training.start import train

__all__ = [
    "Market",
    "Run",
    "VibesError",
    "__version__",
    "compare",
    "demand",
    "download",
    "evaluate",
    "experiment",
    "launch",
    "look",
    "monitor",
    "passport",
    "photo_sheet",
    "selection",
    "train",
    "why",
]
__version__ = "0.1.0"

_FACES = {
    "Market": "core.market.market",
    "Run": "core.run.run",
    "train": "core.training.start",
    "evaluate": "core.evaluation.start",
    "compare": "core.insight.comparison",
    "experiment": "core.serving.experiment.verdict",
    "demand": "core.insight.demand.demand",
    "launch": "core.insight.launch.launch",
    "download": "core.market.download.job",
    "look": "core.insight.looks.look",
    "passport": "core.insight.passport",
    "photo_sheet": "core.insight.sheet",
    "monitor": "core.serving.monitor.monitor",
    "selection": "core.insight.selection.address",
    "why": "core.insight.why.reasons",
}


def __getattr__(name: str) -> Any:
    return face(__name__, _FACES, "train", name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_FACES])
