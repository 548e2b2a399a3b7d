"""Contrast of two colours, and the explorer's theme (WCAG 2.1, success criteria 1.4.3 and 1.4.11)."""

import tomllib
from pathlib import Path

import listing_vibes_app

THEME = tomllib.loads((Path(listing_vibes_app.__file__).parent / ".streamlit" / "config.toml").read_text())[
    "theme"
]


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, two):
    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def mixed(colour, ground, share):
    pairs = [(int(colour[at : at + 2], 16), int(ground[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(one * share + other * (1 - share)):02x}" for one, other in pairs)
