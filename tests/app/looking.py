"""Reading what a page of the explorer shows."""

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def components(driver: AppTest, name: str = "gallery") -> list[dict[str, Any]]:
    """Return what the page handed to its own components of that name."""
    found = driver.get("bidi_component")
    return [
        json.loads(node.proto.json) for node in found if node.proto.component_name == f"listing_vibes_{name}"
    ]


def labelled(driver: AppTest, label: str, name: str = "gallery") -> dict[str, Any]:
    """Return the first gallery with these words in its label."""
    return next(one for one in components(driver, name) if label in one["label"])


def links(gallery: dict[str, Any]) -> list[str]:
    """Return the listings that the cards of a gallery link to."""
    return [card["href"].split("listing=")[1].split("&")[0] for card in gallery["cards"]]


def click(driver: AppTest, label: str) -> AppTest:
    """Click the button with this label."""
    return next(button for button in driver.button if button.label == label).click().run()


def texts(driver: AppTest) -> str:
    """Return all words of a page outside its own components, without the marks that keep them from being markdown."""
    parts = [*driver.title, *driver.header, *driver.markdown, *driver.caption, *driver.error, *driver.info]
    return "\n".join(part.value for part in [*parts, *driver.warning]).replace("\\", "")


def html(driver: AppTest) -> list[str]:
    """Return the texts of the HTML elements of a page."""
    return [node.proto.body for node in driver.get("html")]
