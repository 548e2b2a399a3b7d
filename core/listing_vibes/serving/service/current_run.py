"""The newest state of a run folder, opened in the background and swapped in atomically."""

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
    """Holder of the current state of a run.

    Args:
        blend, shared: see `RunState`.

    Attributes:
        state: the state in use.
        problem: why a newer state could not be opened; empty: no newer state, or it is in use.
    """

    def __init__(self, path: Path, blend: str | None = None, shared: Shared | None = None) -> None:
        self.path, self._blend, self._shared, self.problem = path, blend, shared, ""
        self.state = self._open()
        # A weak reference to the previous state: it is part of a reference cycle, and Python collects these so rarely that a
        # service would keep every state of a day in memory.
        self._replaced: Callable[[], Run | None] = lambda: None

    async def follow(self, interval_s: float, observe: Callable[[bool], None]) -> None:
        """Poll for newer states and open them; `observe` is called with whether an opening succeeded.

        A poll reads two small files. If a state cannot be opened, the current one stays in use and the next poll retries.
        A replaced state is freed, in memory and on disk, as soon as no request uses it.
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
