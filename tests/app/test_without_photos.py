"""A market without photos offers nothing about looks, on any page."""

import shutil

import pytest
from looking import components, texts

VIEWS = [
    ("overview", {}),
    ("similar", {}),
    ("similar", {"listing": "l05"}),
    ("users", {"user": "u1"}),
    ("simulate", {"h": "l05"}),
    ("map", {}),
    ("cold", {"view": "new", "like": "l05"}),
    ("compare", {}),
]


@pytest.mark.slow
def test_no_page_offers_photos_or_looks(show, bare, tmp_path):
    shutil.copytree(bare.parent, tmp_path / "bare")  # the page of the map draws one
    for name, params in VIEWS:
        page = show(name, tmp_path / "bare" / "run", **params)
        choices = [option for box in (*page.segmented_control, *page.selectbox) for option in box.options]
        labels = [
            widget.label
            for widget in (*page.button, *page.text_input, *page.toggle, *page.get("file_uploader"))
        ]
        said = "\n".join([texts(page), *map(str, choices), *map(str, labels)]).lower()
        assert "photo" not in said and "look" not in said, (name, params)
        assert not any(card["photo"] for gallery in components(page) for card in gallery["cards"])
