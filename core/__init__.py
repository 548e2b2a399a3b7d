"""Listing Vibes: an ID-free multimodal recommender for listings.

`Market` and `Run` are loaded on first use, so that a light command pays for neither pandas nor torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.market.market import Market
    from core.run.run import Run

__all__ = ["Market", "Run", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Market":
        from core.market.market import Market

        return Market
    if name == "Run":
        from core.run.run import Run

        return Run
    raise AttributeError(f"module 'core' has no attribute {name!r}")
