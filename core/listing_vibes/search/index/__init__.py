"""Nearest neighbours by cosine."""

from listing_vibes.search.index.exact import EXACT_TO, ExactIndex, nearest, normalise

__all__ = ["EXACT_TO", "ExactIndex", "nearest", "normalise"]
