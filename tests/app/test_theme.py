"""The colours of both themes can be read: WCAG AA contrast of every text on every ground it stands on."""

import tomllib
from pathlib import Path

import pytest

import app

THEME = tomllib.loads((Path(app.__file__).parent / ".streamlit" / "config.toml").read_text())["theme"]


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


@pytest.mark.parametrize("name", ["light", "dark"])
def test_texts_stand_out(name):
    theme = THEME[name]
    grounds = [theme["backgroundColor"], theme["secondaryBackgroundColor"]]
    for text in (
        "textColor",
        "linkColor",
        "grayTextColor",
        "blueTextColor",
        "greenTextColor",
        "primaryColor",
    ):
        for ground in grounds:
            assert contrast(theme[text], ground) >= 4.5, (text, ground)
    for ground in grounds:  # captions are the text at six tenths
        assert contrast(mixed(theme["textColor"], ground, 0.6), ground) >= 4.5, ground
    assert contrast(theme["greenTextColor"], theme["greenBackgroundColor"]) >= 4.5
    from app.widgets.figures import INK

    assert contrast(INK[name], theme["backgroundColor"]) >= 4.5
    for colour in theme["chartCategoricalColors"]:
        assert contrast(colour, theme["backgroundColor"]) >= 3


def test_no_button_is_filled_with_the_primary_colour():
    """Streamlit writes on it in white, and no colour stands out both from white and, as text, from the dark ground."""
    assert contrast("#ffffff", THEME["dark"]["primaryColor"]) < 4.5
    for source in Path(app.__file__).parent.rglob("*.py"):
        assert 'type="primary"' not in source.read_text(encoding="utf-8"), source
