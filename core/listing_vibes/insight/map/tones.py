"""The colors of a listing's cover in words: bright or dark, colorful or muted, and tones."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.attribute_types import Coded
from listing_vibes.market.caches import run_cache, run_cache_file
from listing_vibes.market.io import read_stored_table, write_table
from listing_vibes.market.market import Market
from listing_vibes.market.photo_decoding import open_photo
from listing_vibes.market.photo_files import PhotoProblem, locate, read
from listing_vibes.run.run import Run

SIDE = 24  # pixels per side of the reduced cover
#: Columns of the map: brightness (0 to 1), colorfulness (0 to 1), and the tones as bits; missing without a readable cover.
COLUMNS = ("light", "chroma", "tones")
#: Tones with the minimum share of a cover's pixels.
TONES = {
    "white": 0.35, "gray": 0.45, "dark": 0.3, "wood": 0.25, "red": 0.08, "yellow": 0.1, "green": 0.08, "blue": 0.1, "purple": 0.06,
}  # fmt: skip
THIRDS = {"light": ("dark photos", "bright photos"), "chroma": ("muted colors", "strong colors")}
LABEL = "Photos"


FILE, KEY = "tones.parquet", "covers_of"  # the cache, and the metadata key of what it was computed from


def run_tones(run: Run, report: Callable[[int], None] = lambda done: None) -> pd.DataFrame:
    """Return the tones of all listings of a run in their order, cached with the run."""
    hint = "remove the file, and the covers are read again"
    stored = read_stored_table(run_cache_file(run.path, FILE), COLUMNS, hint)
    if (
        stored is not None
        and stored.attrs.get(KEY) == run.market.fingerprint
        and len(stored) == len(run.listing_ids)
    ):
        return stored
    frame = tones_of(run.market, run.listing_ids, report)
    frame.attrs[KEY] = run.market.fingerprint
    with suppress(VibesError, OSError):  # without a cache that can be written they are computed again
        write_table(run_cache(run.path) / FILE, frame)
    return frame


def tones_of(
    market: Market, listings: Sequence[str], report: Callable[[int], None] = lambda done: None
) -> pd.DataFrame:
    """Return `light, chroma, tones` of the covers of `listings`, one row each, NaN without a readable cover.

    `report` is called with the number of listings done so far.
    """
    result = np.full((len(listings), len(COLUMNS)), np.nan, np.float32)
    for row, listing in enumerate(listings):
        if not row % 100:
            report(row)
        cover = market.cover.get(listing)
        if cover is None:
            continue
        try:
            with open_photo(read(locate(market.path, cover)), (SIDE, SIDE)) as image:
                small = image.resize((SIDE, SIDE)).convert("HSV")
        except PhotoProblem:
            continue
        result[row] = _tones(np.asarray(small, np.float32).reshape(-1, 3) / 255)
    return pd.DataFrame(result, columns=list(COLUMNS))


def _tones(pixels: np.ndarray) -> tuple[float, float, float]:
    """Return brightness, colorfulness and tones as bits of pixels (n, 3), hue, saturation and value from 0 to 1."""
    hue, saturation, value = 360 * pixels[:, 0], pixels[:, 1], pixels[:, 2]
    vivid, orange = (saturation > 0.35) & (value > 0.2), (hue >= 12) & (hue < 45)
    has = {
        "white": (saturation < 0.15) & (value > 0.75),
        "gray": (saturation < 0.15) & (value > 0.3) & (value <= 0.75),
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


def tone_purity(tones: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return by words for a color, such as `green tones`, the purity (n,) of n covers: 1 / the number of a cover's tones if it has
    this one, else 0.
    """
    bits = tones["tones"].fillna(0).to_numpy(np.int64)
    has = (bits[:, None] >> np.arange(len(TONES))) & 1  # (n, tones)
    purity = has / np.maximum(has.sum(axis=1, keepdims=True), 1)
    return {f"{name} tones": purity[:, at] for at, name in enumerate(TONES)}


def coded_tones(tones: pd.DataFrame) -> list[Coded]:
    """Return the tones of n listings as numbers; empty if no cover was read."""
    available = np.flatnonzero(tones["tones"].notna().to_numpy())
    if not len(available):
        return []
    holds: dict[str, np.ndarray] = {}  # by text: mask over the readable covers
    for column, (low_words, high_words) in THIRDS.items():
        values = tones[column].to_numpy(float)[available]
        low, high = np.quantile(values, [1 / 3, 2 / 3])
        holds[low_words], holds[high_words] = (values <= low) & (low < high), (values >= high) & (low < high)
    bits = tones["tones"].to_numpy(float)[available].astype(np.int64)
    holds |= {f"{name} tones": (bits >> at) & 1 == 1 for at, name in enumerate(TONES)}
    listing, code = np.nonzero(np.stack([*holds.values()], axis=1))
    return [(LABEL, [(words, words) for words in holds], available[listing], code)]
