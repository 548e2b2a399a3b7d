"""The text vectors of the model, reduced to its width; `listing_vibes.features.texts.sources` has their encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.reduce import Reducer
from listing_vibes.features.texts.sources import TEXT_SOURCES, TextSource
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.progress import Report
from listing_vibes.words import is_latin


@dataclass(frozen=True, eq=False)
class TextVectors:
    """An encoder of texts, and the reducer of its vectors to the model's width."""

    name: str
    source: TextSource
    reducer: Reducer

    @classmethod
    def fit(
        cls, name: str, parts: Sequence[tuple[Sequence[str], Path]], width: int, report: Report | None = None
    ) -> TextVectors:
        """Fit on the distinct texts of the training period of each market, whose vectors are cached in a folder.

        They are whitened, so that rare differences count as much as common ones.
        """
        distinct, first = np.unique(
            np.array([text for texts, _ in parts for text in texts], object), return_index=True
        )
        source = TEXT_SOURCES[name].fit(distinct.tolist(), width, parts[0][1], report)
        vectors = [source.vectors(texts, cache, report) for texts, cache in parts]
        wide = vectors[0] if len(vectors) == 1 else np.concatenate(vectors)[first]
        return cls(name, source, Reducer.fit(wide, width, whiten=True))

    def transform(self, texts: Sequence[str], cache: Path, report: Report | None = None) -> np.ndarray:
        """Reduce (N,) texts to (N, width) float32."""
        return self.reducer.transform(self.source.vectors(texts, cache, report))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the arguments of `restore`: arrays of the reducer without a prefix, those of the source with `source.`."""
        head, arrays = self.source.state()
        source_arrays = {f"source.{key}": value for key, value in arrays.items()}
        return {"name": self.name, **head}, {**self.reducer.to_arrays(), **source_arrays}

    @classmethod
    def restore(cls, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> TextVectors:
        """Restore what `state` returned."""
        source_arrays = {
            key.removeprefix("source."): v for key, v in arrays.items() if key.startswith("source.")
        }
        source = TEXT_SOURCES[head["name"]].restore(head, source_arrays)
        return cls(head["name"], source, Reducer.from_arrays(arrays))


def fit_texts(
    parts: Sequence[pd.DataFrame],
    caches: Sequence[Path],
    vocabulary: Vocabulary,
    config: FeatureConfig,
    width: int,
    report: Report | None,
) -> TextVectors | None:
    """Return the text vectors that `config` names, fitted on the training listings of each market, whose vectors are in `caches`.

    The packaged encoder was trained on English and knows at best the letters of other scripts, so that TF-IDF of words and
    letters replaces it for these.
    """
    if not config.text:
        return None
    texts = [distinct_texts(part, [name for name in vocabulary.sentences if name in part]) for part in parts]
    distinct = sorted(set().union(*texts))
    if len(distinct) < 2:
        return None
    name = config.text_encoder
    if name.startswith("minilm") and not is_latin(distinct):
        name = "tfidf"
    return TextVectors.fit(name, list(zip(texts, caches, strict=True)), width, report)


def distinct_texts(listings: pd.DataFrame, names: list[str]) -> list[str]:
    """Return the distinct texts of the columns `names`, in order."""
    return sorted({text for name in names for text in listings[name].dropna()})
