"""The packaged sentence encoder, unchanged; see `listing_vibes.features.texts.encoder`."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from listing_vibes.features.texts.encoder import embed_texts
from listing_vibes.features.texts.sources import TextSource
from listing_vibes.progress import Report


class MiniLM(TextSource):
    """The packaged MiniLM; a run does not store its weights."""

    whiten: ClassVar[bool] = False

    def vectors(self, texts: Sequence[str], cache: Path, report: Report | None = None) -> np.ndarray:
        """Return (N, 384) float32, L2-normalized."""
        return embed_texts(texts, cache, report)
