"""The packaged sentence encoder, whitened: rare differences count as much as common ones."""

from typing import ClassVar

from listing_vibes.features.texts.sources.minilm import MiniLM


class MiniLMWhitened(MiniLM):
    """The default, which measured better than `minilm`."""

    whiten: ClassVar[bool] = True
