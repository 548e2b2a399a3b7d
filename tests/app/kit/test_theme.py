"""The colours of both themes can be read: WCAG AA contrast of every text on every ground it stands on."""

from pathlib import Path

import pytest
from contrast import THEME, contrast, mixed

import listing_vibes_app


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
    for colour in theme["chartCategoricalColors"]:
        assert contrast(colour, theme["backgroundColor"]) >= 3


def test_no_button_is_filled_with_the_primary_colour():
    """Streamlit writes on it in white, and no colour stands out both from white and, as text, from the dark ground."""
    assert contrast("#ffffff", THEME["dark"]["primaryColor"]) < 4.5
    for source in Path(listing_vibes_app.__file__).parent.rglob("*.py"):
        assert 'type="primary"' not in source.read_text(encoding="utf-8"), source
