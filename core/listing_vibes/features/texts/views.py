"""The text vectors of the model: one or several views of each text, reduced to the model's width.

`listing_vibes.features.texts.sources` has their encoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.features.reduce import Reducer
from listing_vibes.features.texts.sources import TEXT_SOURCES, FitOptions, TextSource
from listing_vibes.market.words import is_latin
from listing_vibes.progress import Report


def readable(views: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Return the views that suit such texts: the packaged sentence encoder was trained on English and knows at best the
    letters of other scripts, so that TF-IDF of words and letters works better for these.
    """
    if is_latin(texts):
        return list(views)
    return list(dict.fromkeys("tfidf" if view.startswith("minilm") else view for view in views))


@dataclass(frozen=True, eq=False)
class TextVectorsView:
    """A fitted view: an encoder of texts and the reducer of its vectors to the model's width."""

    name: str
    source: TextSource
    reducer: Reducer

    @classmethod
    def fit(
        cls,
        name: str,
        texts: Sequence[str],
        width: int,
        cache: Path,
        seed: int = 0,
        report: Report | None = None,
    ) -> TextVectorsView:
        """Fit on distinct `texts` of the training period."""
        source = TEXT_SOURCES[name].fit_source(texts, FitOptions(width, cache, seed, report))
        wide = source.vectors(texts, cache, report)
        return cls(name, source, Reducer.fit(wide, width, whiten=source.whiten))

    def transform(self, texts: Sequence[str], cache: Path, report: Report | None = None) -> np.ndarray:
        """Reduce (N,) texts to (N, width) float32."""
        return self.reducer.transform(self.source.vectors(texts, cache, report))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the arguments of `restore`: arrays of the reducer without a prefix, those of the source with `source.`."""
        head, arrays = self.source.state()
        source_arrays = {f"source.{key}": value for key, value in arrays.items()}
        return {"name": self.name, **head}, {**self.reducer.to_arrays(), **source_arrays}

    @classmethod
    def restore(cls, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> TextVectorsView:
        """Restore a view from `state`."""
        source_arrays = {
            key.removeprefix("source."): v for key, v in arrays.items() if key.startswith("source.")
        }
        source = TEXT_SOURCES[head["name"]].restore(head, source_arrays)
        return cls(head["name"], source, Reducer.from_arrays(arrays))
