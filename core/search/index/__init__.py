"""Nearest neighbours by cosine."""

from core.search.index.exact import EXACT_TO, ExactIndex, nearest, normalise

__all__ = ["EXACT_TO", "ExactIndex", "nearest", "normalise"]
