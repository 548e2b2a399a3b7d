"""The packaged sentence encoder, whitened: rare differences count as much as common ones."""

from typing import ClassVar

from listing_vibes.features.texts.sources.minilm import MiniLM


class MiniLMWhitened(MiniLM):
    """Measured better than `minilm`, and the default."""

    whiten: ClassVar[bool] = True
