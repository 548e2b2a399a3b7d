"""Photo encoders of installed packages; ours are the models of timm, the trained ones and the market's autoencoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from listing_vibes.errors import VibesError
from listing_vibes.registry import Registry

#: Between the name that chooses a photo encoder and the version that it gives itself.
VERSION = "@"


class CustomPhotoEncoder(ABC):
    """A frozen encoder of photos. An entry point `clip` makes it `--encoder clip`, and a class here or there holds one of it."""

    #: Stored with every vector: the name of the entry point, and behind an @ what tells versions apart, such as "clip@b16".
    name: str
    width: int
    #: (height, width) of a prepared photo.
    size: tuple[int, int] = (224, 224)

    @classmethod
    def open(cls, weights: Path | None) -> Self:
        """Return an encoder that is ready to encode.

        Args:
            weights: the file that `--weights` names.

        Raises:
            VibesError: it cannot be made ready on this machine, or takes no weights.
        """
        if weights is not None:
            raise VibesError(f"The photo encoder of {cls.__name__} takes no --weights; leave it out.")
        return cls()

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Return (height, width, 3) uint8, by default of the whole photo; called from several threads."""
        height, width = self.size
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))

    @abstractmethod
    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return (N, width) float32 for (N, height, width, 3) uint8."""


PHOTO_ENCODERS: Registry[CustomPhotoEncoder] = Registry(
    __name__, CustomPhotoEncoder, "photo encoder", group="listing_vibes.encoders"
)


def open_custom(name: str, weights: Path | None = None) -> CustomPhotoEncoder | None:
    """Return the encoder that `name` chooses or that called itself so; None where no package has one.

    Raises:
        VibesError: the package's class cannot be used, or it is another version now.
    """
    key, _, version = name.partition(VERSION)
    if key not in PHOTO_ENCODERS:
        return None
    result = PHOTO_ENCODERS[key].open(weights)
    if result.name.partition(VERSION)[0] != key or (version and result.name != name):
        raise VibesError(
            f"The photo encoder '{name}' calls itself '{result.name}' now, so its vectors cannot be compared with those of before; "
            "install the version that made them, or train anew."
        )
    return result
