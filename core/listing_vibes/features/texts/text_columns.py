"""The text vectors of the model, reduced to its width; `listing_vibes.features.texts.sources` has their encoders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.features.feature_config import FeatureConfig
from listing_vibes.features.reduce import Reducer
from listing_vibes.features.texts.sources import TEXT_SOURCES, TextSource
from listing_vibes.progress import Report, silent
from listing_vibes.words import is_latin


@dataclass(frozen=True, eq=False)
class TextVectors:
    """An encoder of texts, and the reducer of its vectors to the model's width."""

    name: str
    source: TextSource
    reducer: Reducer

    @classmethod
    def fit(
        cls,
        parts: Sequence[pd.DataFrame],
        caches: Sequence[Path],
        names: list[str],
        config: FeatureConfig,
        width: int,
        report: Report,
    ) -> "TextVectors | None":
        """Fit the encoder that `config` names on the columns `names` of the training listings of each market, whose vectors are in
        `caches`; None where the model reads no texts.

        The packaged encoder was trained on English and knows at best the letters of other scripts, so that TF-IDF of words and
        letters replaces it for these. The vectors are whitened, so that rare differences count as much as common ones.
        """
        if not config.text:
            return None
        texts = [distinct_texts(part, [name for name in names if name in part]) for part in parts]
        every = np.array([text for mine in texts for text in mine], object)
        distinct, first = np.unique(every, return_index=True)
        if len(distinct) < 2:
            return None
        name = config.text_encoder
        if name.startswith("minilm") and not is_latin(distinct.tolist()):
            name = "tfidf"
        source = TEXT_SOURCES[name].fit(distinct.tolist(), width, caches[0], report)
        vectors = [source.vectors(mine, cache, report) for mine, cache in zip(texts, caches, strict=True)]
        wide = vectors[0] if len(vectors) == 1 else np.concatenate(vectors)[first]
        return cls(name, source, Reducer.fit(wide, width, whiten=True))

    def transform(self, texts: Sequence[str], cache: Path, report: Report = silent) -> np.ndarray:
        """Reduce (N,) texts to (N, width) float32."""
        return self.reducer.transform(self.source.vectors(texts, cache, report))

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the arguments of `restore`: arrays of the reducer without a prefix, those of the source with `source.`."""
        head, arrays = self.source.state()
        source_arrays = {f"source.{key}": value for key, value in arrays.items()}
        return {"name": self.name, **head}, {**self.reducer.to_arrays(), **source_arrays}

    @classmethod
    def restore(cls, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> "TextVectors":
        """Restore what `state` returned."""
        source_arrays = {
            key.removeprefix("source."): v for key, v in arrays.items() if key.startswith("source.")
        }
        source = TEXT_SOURCES[head["name"]].restore(head, source_arrays)
        return cls(head["name"], source, Reducer.from_arrays(arrays))


def distinct_texts(listings: pd.DataFrame, names: list[str]) -> list[str]:
    """Return the distinct texts of the columns `names`, in order."""
    return sorted({text for name in names for text in listings[name].dropna()})
