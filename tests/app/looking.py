"""Reading what a page of the explorer shows."""

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def components(driver: AppTest, name: str) -> list[dict[str, Any]]:
    """What the page handed to its own components of that name."""
    found = driver.get("bidi_component")
    return [
        json.loads(node.proto.json) for node in found if node.proto.component_name == f"listing_vibes_{name}"
    ]


def texts(driver: AppTest) -> str:
    """All words of a page outside its own components."""
    parts = [*driver.title, *driver.header, *driver.markdown, *driver.caption, *driver.error, *driver.info]
    return "\n".join(part.value for part in [*parts, *driver.warning])
