"""The text vectors that the model reads: one or several views of each text, reduced to the model's width.

Views: `minilm` and `minilm-whitened` (frozen sentence vectors; whitened, rare differences count as much as common
ones), `tfidf` (words and letters, see `listing_vibes.features.texts.tfidf`) and `own-bert` (see `listing_vibes.features.texts.own_bert`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from listing_vibes.features.config import TextView
from listing_vibes.features.reduce import Reducer
from listing_vibes.features.texts.encoder import embed_texts
from listing_vibes.features.texts.own_bert import OwnBert
from listing_vibes.features.texts.tfidf import Tfidf
from listing_vibes.market.words import latin
from listing_vibes.progress import Report


class Source(Protocol):
    """What makes wide vectors of texts, and is stored with the run."""

    def vectors(self, texts: Sequence[str], cache: Path, report: Report | None = None) -> np.ndarray:
        """(N, w) float32."""

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What JSON and what safetensors keep of it."""


class MiniLM:
    """The packaged sentence encoder as it is; see `listing_vibes.features.texts.encoder`."""

    def vectors(self, texts: Sequence[str], cache: Path, report: Report | None = None) -> np.ndarray:
        """(N, 384) float32, L2-normalised."""
        return embed_texts(texts, cache, report).vectors

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Nothing: the weights are those of the package."""
        return {}, {}


def readable(views: Sequence[TextView], texts: Sequence[str]) -> list[TextView]:
    """The views that tell something of such texts: the packaged sentence encoder was trained on English, and of other scripts knows
    letters at best, so that words and letters tell more."""
    if latin(texts):
        return list(views)
    return list(dict.fromkeys("tfidf" if view.startswith("minilm") else view for view in views))


@dataclass(frozen=True, eq=False)
class TextVectorsView:
    """A fitted view: what makes its vectors and what brings them to the model's width."""

    name: TextView
    source: Source
    reducer: Reducer

    @classmethod
    def fit(
        cls,
        name: TextView,
        texts: Sequence[str],
        width: int,
        cache: Path,
        steps: int,
        seed: int = 0,
        report: Report | None = None,
    ) -> TextVectorsView:
        """Fit on distinct `texts` of the training period; `steps` of further pre-training for `own-bert`."""
        source: Source
        if name == "tfidf":
            source = Tfidf.fit(texts, width, seed)
        elif name == "own-bert":
            source = OwnBert.fit(texts, cache, steps, seed, report)
        else:
            source = MiniLM()
        return cls(
            name, source, Reducer.fit(source.vectors(texts, cache, report), width, whiten=name != "minilm")
        )

    def transform(self, texts: Sequence[str], cache: Path, report: Report | None = None) -> np.ndarray:
        """(N,) texts to (N, width) float32."""
        return self.reducer.transform(self.source.vectors(texts, cache, report))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What `restore` needs: the reducer's arrays bare, those of the source behind `source.`."""
        head, arrays = self.source.state()
        own = {f"source.{key}": value for key, value in arrays.items()}
        return {"name": self.name, **head}, {**self.reducer.to_arrays(), **own}

    @classmethod
    def restore(cls, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> TextVectorsView:
        """The view that `state` came from."""
        own = {key.removeprefix("source."): v for key, v in arrays.items() if key.startswith("source.")}
        source: Source = MiniLM()
        if head["name"] == "tfidf":
            source = Tfidf.restore(head, own)
        elif head["name"] == "own-bert":
            source = OwnBert.restore(head, own)
        return cls(head["name"], source, Reducer.from_arrays(arrays))
