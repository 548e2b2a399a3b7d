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
    assert contrast(theme["greenTextColor"], theme["greenBackgroundColor"]) >= 4.5
    from app.widgets.figures import INK

    assert contrast(INK[name], theme["backgroundColor"]) >= 4.5
    for colour in theme["chartCategoricalColors"]:
        assert contrast(colour, theme["backgroundColor"]) >= 3
