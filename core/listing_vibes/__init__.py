"""Listing Vibes: an ID-free multimodal recommender for listings.

>>> from listing_vibes import Market, Run, compare, evaluate, train

Each name is imported on first use, so that a light command loads neither pandas nor torch.
"""

import os
from typing import TYPE_CHECKING, Any

from listing_vibes.errors import VibesError
from listing_vibes.lazy_imports import import_lazily
from listing_vibes.version import __version__

if TYPE_CHECKING:
    from listing_vibes.evaluation.run_evaluation import evaluate
    from listing_vibes.insight.comparison import compare
    from listing_vibes.insight.demand import demand
    from listing_vibes.insight.explain import explain
    from listing_vibes.insight.launch import launch
    from listing_vibes.insight.map.space_map import name_group, select_on_map
    from listing_vibes.insight.market_shift import measure_shift
    from listing_vibes.insight.photo_search import search_photos
    from listing_vibes.insight.selection.page_lists import selection
    from listing_vibes.market.download.job import download
    from listing_vibes.market.market import Market
    from listing_vibes.run.run import Run
    from listing_vibes.serving.experiment import experiment
    from listing_vibes.serving.monitor import monitor
    from listing_vibes.training.api import train
    from listing_vibes.training.tune import tune

# By default torch's threads spin while they wait, which halves the speed on a machine with other load; torch reads it when loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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
    "explain",
    "launch",
    "measure_shift",
    "monitor",
    "name_group",
    "search_photos",
    "select_on_map",
    "selection",
    "train",
    "tune",
]

_MODULES = {
    "Market": "listing_vibes.market.market",
    "Run": "listing_vibes.run.run",
    "train": "listing_vibes.training.api",
    "evaluate": "listing_vibes.evaluation.run_evaluation",
    "compare": "listing_vibes.insight.comparison",
    "experiment": "listing_vibes.serving.experiment",
    "demand": "listing_vibes.insight.demand",
    "launch": "listing_vibes.insight.launch",
    "download": "listing_vibes.market.download.job",
    "search_photos": "listing_vibes.insight.photo_search",
    "select_on_map": "listing_vibes.insight.map.space_map",
    "name_group": "listing_vibes.insight.map.space_map",
    "measure_shift": "listing_vibes.insight.market_shift",
    "monitor": "listing_vibes.serving.monitor",
    "selection": "listing_vibes.insight.selection.page_lists",
    "explain": "listing_vibes.insight.explain",
    "tune": "listing_vibes.training.tune",
}


def __getattr__(name: str) -> Any:
    return import_lazily(__name__, _MODULES, "train", name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
