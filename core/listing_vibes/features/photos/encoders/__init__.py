"""Photo encoders of installed packages; the built-in ones are the timm models, the trained ones and the market's autoencoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.registry import Registry

#: Separates an encoder's entry point name from its version.
VERSION = "@"


class CustomPhotoEncoder(ABC):
    """A frozen photo encoder. The entry point `clip` defines `--encoder clip`, and holds a class with this interface."""

    #: Stored with every vector: the entry point's name, and after an @ the version, such as "clip@b16".
    name: str
    width: int
    #: (height, width) of a prepared photo.
    size: tuple[int, int] = (224, 224)

    @classmethod
    def open(cls, weights: Path | None) -> Self:
        """Return an encoder that is ready to use.

        Args:
            weights: the file of `--weights`.

        Raises:
            VibesError: it cannot be loaded on this machine, or does not support weights.
        """
        if weights is not None:
            raise VibesError(f"The photo encoder of {cls.__name__} does not support --weights; leave it out.")
        return cls()

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Return (height, width, 3) uint8, by default the whole photo resized; called from several threads."""
        height, width = self.size
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))

    @abstractmethod
    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return (N, width) float32 for (N, height, width, 3) uint8."""


PHOTO_ENCODERS: Registry[CustomPhotoEncoder] = Registry(
    __name__, CustomPhotoEncoder, "photo encoder", group="listing_vibes.encoders"
)
