"""The newest state of a run folder, opened beside the one in use and put in its place whole."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from pathlib import Path

from listing_vibes.errors import VibesError
from listing_vibes.run.run import Run
from listing_vibes.run.shared import Shared
from listing_vibes.serving.service.lists import RunState


class CurrentRun:
    """Holds the state that requests are answered with.

    Args:
        blend, shared: see `RunState`.

    Attributes:
        state: the state in use.
        problem: why a newer state could not be opened; empty: there was none, or it is in use.
    """

    def __init__(self, path: Path, blend: str | None = None, shared: Shared | None = None) -> None:
        self.path, self._blend, self._shared, self.problem = path, blend, shared, ""
        self.state = self._open()
        # Of the state before, as long as it is there: it and its recommenders refer to each other, and Python by itself collects
        # such garbage so seldom that a service held every state of a day.
        self._replaced: Callable[[], Run | None] = lambda: None

    async def follow(self, interval_s: float, observe: Callable[[bool], None]) -> None:
        """Open newer states for ever; `observe` is called with whether an opening succeeded.

        A look reads two small files. A state that cannot be opened, whatever the reason, is tried again at the next look;
        meanwhile the one in use goes on. A replaced state is freed, in memory and on disk, as soon as no request uses it.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(interval_s)
            try:
                if self._replaced() is not None:
                    await loop.run_in_executor(None, gc.collect)
                if await loop.run_in_executor(None, lambda: self.state.run.outdated):
                    newer = await loop.run_in_executor(None, self._open)
                    self._replaced, self.state = weakref.ref(self.state.run), newer
                    del newer
                    observe(True)
                self.problem = ""
            except Exception as error:
                is_known = isinstance(error, VibesError | OSError)
                self.problem = str(error) if is_known else f"{type(error).__name__}: {error}"
                observe(False)

    def _open(self) -> RunState:
        return RunState(self.path, self._blend, self._shared)
