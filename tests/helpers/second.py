"""Fixture `second`: everything of this process that trains or encodes runs on `helpers.second_device`."""

from collections.abc import Iterator
from typing import Any

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """The device has to be there before any test of this process trains; who asks for none does not wait for torch."""
    if any("second" in getattr(item, "fixturenames", ()) for item in session.items):
        from helpers.second_device import second_device

        second_device()


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The device, which multiplies in float32 alone unless `Module.bf16` is set."""
    from helpers.second_device import NAME, Module, second_device
    from listing_vibes.device import VARIABLE
    from listing_vibes.features.texts import text_encoder

    monkeypatch.setenv(VARIABLE, NAME)
    monkeypatch.setattr(Module, "bf16", False)
    text_encoder._minilm.cache_clear()  # opened once a process, where the process computed then
    yield second_device()
    text_encoder._minilm.cache_clear()
