"""Tileable noise and the `Texture` that every surface is made as."""

from dataclasses import dataclass

import numpy as np

from studio.chance import Rng
from studio.colour import Colour

SIZE = 512


@dataclass(frozen=True)
class Texture:
    """A square picture of a surface that repeats every `metres`."""

    rgb: np.ndarray  # (S, S, 3) float32, sRGB 0..1
    height: np.ndarray  # (S, S) float32, 0..1, for the bump
    metres: float


def noise(rng: Rng, beta: float = 1.5, stretch: tuple[float, float] = (1, 1), size: int = SIZE) -> np.ndarray:
    """Tileable noise with a spectrum falling as frequency ** -beta, mean 0 and deviation 1; (size, size).

    `stretch` (rows, columns) makes features longer along an axis, as wood grain is.
    """
    rows = np.fft.fftfreq(size)[:, None] * size * stretch[0]
    columns = np.fft.rfftfreq(size)[None, :] * size * stretch[1]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * frequency**-beta
    field = np.fft.irfft2(spectrum, s=(size, size))
    return (field / (field.std() + 1e-9)).astype(np.float32)


def grid(size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Row and column coordinates in 0..1, each (size, size)."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.meshgrid(line, line, indexing="ij")


def paint(colour: Colour, size: int = SIZE) -> np.ndarray:
    """A plain picture of one colour, (size, size, 3)."""
    return np.broadcast_to(np.array(colour, np.float32), (size, size, 3)).copy()


def shade(rgb: np.ndarray, field: np.ndarray, amount: float) -> np.ndarray:
    """Lighter where the field is above 0 and darker where it is below."""
    return np.clip(rgb * (1 + amount * field[..., None]), 0, 1)


def blend(rgb: np.ndarray, colour: Colour, mask: np.ndarray) -> np.ndarray:
    """The colour laid over the picture where the mask (0..1) says so."""
    return rgb + (np.array(colour, np.float32) - rgb) * np.clip(mask, 0, 1)[..., None]


def unit(field: np.ndarray) -> np.ndarray:
    """The field brought to 0..1."""
    return ((field - field.min()) / (np.ptp(field) + 1e-9)).astype(np.float32)
