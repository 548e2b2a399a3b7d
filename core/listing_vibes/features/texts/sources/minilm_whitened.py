"""The packaged sentence encoder; see `listing_vibes.features.texts.text_encoder`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from listing_vibes.features.texts.sources import TextSource
from listing_vibes.features.texts.text_encoder import embed_texts
from listing_vibes.progress import Report, silent


class MiniLMWhitened(TextSource):
    """The packaged MiniLM, the default; a run does not store its weights."""

    def vectors(self, texts: Sequence[str], cache: Path, report: Report = silent) -> np.ndarray:
        """Return (N, 384) float32, L2-normalized."""
        return embed_texts(texts, cache, report)
