"""What colours a listing's cover has, in a few words that a person would use: bright or dark, colourful or muted, tones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from listing_vibes.features.photos.files import PhotoProblem, locate, open_photo, read
from listing_vibes.insight.map.cluster_names import Coded
from listing_vibes.market.market import Market

SIDE = 24  # pixels a side that are looked at
THIRDS = ("light", "chroma")
#: Columns of the map: how bright (0 to 1), how colourful (0 to 1), and the tones as bits; missing without a readable cover.
COLUMNS = (*THIRDS, "tones")
#: A tone, and the share of the pixels from which a cover has it.
TONES = {
    "white": 0.35, "grey": 0.45, "dark": 0.3, "wood": 0.25, "red": 0.08, "yellow": 0.1, "green": 0.08, "blue": 0.1, "purple": 0.06,
}  # fmt: skip
LABEL = "Photos"


def tones_of(
    market: Market, listings: Sequence[str], tell: Callable[[float], None] = lambda share: None
) -> pd.DataFrame:
    """`light, chroma, tones` of the covers of `listings`, one row each, NaN where a listing has none that can be read.

    Args:
        tell: called with the share that is done.
    """
    found = np.full((len(listings), len(COLUMNS)), np.nan, np.float32)
    for row, listing in enumerate(listings):
        if not row % 100:
            tell(row / len(listings))
        cover = market.cover.get(listing)
        if cover is None:
            continue
        try:
            with open_photo(read(locate(market.path, cover)), (SIDE, SIDE)) as image:
                small = image.resize((SIDE, SIDE)).convert("HSV")
        except PhotoProblem:
            continue
        pixels = np.asarray(small, np.float32).reshape(-1, 3) / 255
        found[row] = _tones(pixels)
    return pd.DataFrame(found, columns=list(COLUMNS))


def _tones(pixels: np.ndarray) -> tuple[float, float, float]:
    """Brightness, colourfulness and tones as bits of pixels (n, 3), hue, saturation and value from 0 to 1."""
    hue, saturation, value = 360 * pixels[:, 0], pixels[:, 1], pixels[:, 2]
    vivid = (saturation > 0.35) & (value > 0.2)
    orange = (hue >= 12) & (hue < 45)
    has = {
        "white": (saturation < 0.15) & (value > 0.75),
        "grey": (saturation < 0.15) & (value > 0.3) & (value <= 0.75),
        "dark": value <= 0.25,
        "wood": orange & (saturation > 0.25) & (value > 0.25) & (value < 0.85),
        "red": vivid & ((hue < 12) | (hue >= 345)),
        "yellow": vivid & (hue >= 45) & (hue < 70),
        "green": vivid & (hue >= 70) & (hue < 170),
        "blue": vivid & (hue >= 170) & (hue < 260),
        "purple": vivid & (hue >= 260) & (hue < 345),
    }
    bits = sum(1 << at for at, (name, share) in enumerate(TONES.items()) if has[name].mean() >= share)
    return float(value.mean()), float((saturation * value).mean()), float(bits)


def coded_tones(tones: pd.DataFrame) -> list[Coded]:
    """The tones of n listings, in the form that portraits of groups count; nothing where no cover was looked at."""
    known = np.flatnonzero(tones["tones"].notna().to_numpy())
    if not len(known):
        return []
    words = {"light": ("darker photos", "brighter photos"), "chroma": ("muted colours", "stronger colours")}
    told: list[tuple[str, str]] = []
    place, code = [], []
    for column, pair in words.items():
        values = tones[column].to_numpy(float)[known]
        low, high = np.quantile(values, [1 / 3, 2 / 3])
        for word, chosen in zip(pair, (values <= low, values >= high), strict=True):
            if low < high:
                place.append(known[chosen])
                code.append(np.full(int(chosen.sum()), len(told)))
            told.append((word, word))
    bits = tones["tones"].to_numpy(float)[known].astype(np.int64)
    for at, name in enumerate(TONES):
        chosen = (bits >> at) & 1 == 1
        place.append(known[chosen])
        code.append(np.full(int(chosen.sum()), len(told)))
        told.append((f"{name} tones", f"{name} tones"))
    return [(LABEL, told, np.concatenate(place), np.concatenate(code))]
