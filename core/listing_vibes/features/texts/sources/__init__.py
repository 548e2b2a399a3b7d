"""Encoders of texts, by their names in `features.text_encoder`: one class in one file, or one of an installed package."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from listing_vibes.features.texts.text_encoder import embed_texts
from listing_vibes.progress import Report, silent
from listing_vibes.registry import Registry


class TextSource(ABC):
    """An encoder of texts: `tfidf.py` in this folder defines `features.text_encoder = "tfidf"`."""

    @classmethod
    def fit(cls, texts: Sequence[str], width: int, cache: Path, report: Report = silent) -> Self:
        """Fit on distinct `texts` of the training period; by default, nothing is fitted.

        Args:
            width: the width of the model.
            cache: the market's folder of text vectors.
        """
        return cls()

    @abstractmethod
    def vectors(self, texts: Sequence[str], cache: Path, report: Report = silent) -> np.ndarray:
        """Return (N, w) float32."""

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return its state as a JSON object and as arrays for a run; by default both are empty."""
        return {}, {}

    @classmethod
    def restore(cls, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Restore an encoder from `state`."""
        return cls()


class SentenceEncoder(TextSource):
    """A frozen encoder of another package, such as a text API; each distinct text is encoded once and cached in the market."""

    #: Version of the vectors; each version has its own cache.
    name: str
    width: int

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (N, width) float32 for (N,) non-blank texts."""

    def vectors(self, texts: Sequence[str], cache: Path, report: Report = silent) -> np.ndarray:
        """Return (N, width) float32; zero for a blank text."""
        return embed_texts(texts, cache, report, self)


#: All encoders of texts by name.
TEXT_SOURCES: Registry[TextSource] = Registry(
    __name__, TextSource, "text encoder", group="listing_vibes.encoders",
    elsewhere={"own-bert": "listing_vibes.variants.own_bert:OwnBert"},
)  # fmt: skip
