"""Streamlit's test driver, made quick."""

from functools import cache

from streamlit.components.v2 import manifest_scanner


def scan_once() -> None:
    """Let the driver keep which components are installed: it reads the metadata of all packages anew with each run of a page, which
    takes two thirds of it."""
    manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
