"""Colours as sRGB triples in 0..1 (what palettes and textures hold) and as the linear light that Cycles wants."""

import colorsys

import numpy as np

from studio.chance import Rng

Colour = tuple[float, float, float]


def parse(text: str) -> Colour:
    """`#rrggbb` as an sRGB triple."""
    red, green, blue = (int(text[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def linear(colour: Colour) -> Colour:
    """sRGB to linear light."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return red, green, blue


def vary(rng: Rng, colour: Colour, amount: float = 1.0) -> Colour:
    """A neighbour of a colour: the paint of the same name from another shop."""
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    hue = (hue + rng.normal(0, 0.012 * amount)) % 1
    saturation = float(np.clip(saturation * np.exp(rng.normal(0, 0.16 * amount)), 0, 1))
    value = float(np.clip(value * np.exp(rng.normal(0, 0.06 * amount)), 0.02, 0.97))
    return colorsys.hsv_to_rgb(hue, saturation, value)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other colour in the first."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue
