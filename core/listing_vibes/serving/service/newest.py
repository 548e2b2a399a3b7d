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
from listing_vibes.serving.live.log import LiveLog
from listing_vibes.serving.service.served import Served


class NewestState:
    """Holds the state that requests are answered with.

    Attributes:
        served: the state in use.
        beside: what is added to the model where a request does not say.
        live: what users did since, and the log that takes it; None: the service takes no events.
        shared: where the vectors lie that other processes use as well; None: they are this one's own.
        problem: why a newer state could not be opened; "" = there was none, or it is in use.
    """

    def __init__(
        self,
        path: Path,
        beside: str | None = None,
        events: str | Path | None = None,
        shared: Shared | None = None,
    ) -> None:
        self.path, self.beside, self.shared, self.problem = path, beside, shared, ""
        self.served = Served(path, beside, shared)
        # The run of the state before, as long as it is there: it and its makers of lists refer to each other, and Python by
        # itself looks for such garbage so seldom that a service held every state of a day.
        self._replaced: Callable[[], Run | None] = lambda: None
        self.live: LiveLog | None = None
        if events is not None:
            self.knows_of(LiveLog(events, lambda: self.served.run))

    def knows_of(self, live: LiveLog | None) -> None:
        """Also go by a log that another state has."""
        self.live = self.served.live = live

    def _opened(self) -> Served:
        served = Served(self.path, self.beside, self.shared)
        served.live = self.live
        return served

    async def follow(self, every: float, observe: Callable[[bool], None]) -> None:
        """Look every `every` seconds for a newer state, for ever; `observe` hears whether an opening succeeded.

        A look reads two small files. A state that cannot be opened, whatever stands against it, is tried again at the
        next look; meanwhile the one in use goes on. What a replaced state holds, its memory and its folder, is let go of as
        soon as no request is at it.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(every)
            try:
                if self._replaced() is not None:
                    await loop.run_in_executor(None, gc.collect)
                if await loop.run_in_executor(None, self._outdated):
                    newer = await loop.run_in_executor(None, self._opened)
                    self._replaced, self.served = weakref.ref(self.served.run), newer
                    del newer
                    observe(True)
                self.problem = ""
            except Exception as error:
                known = isinstance(error, VibesError | OSError)
                self.problem = str(error) if known else f"{type(error).__name__}: {error}"
                observe(False)

    def _outdated(self) -> bool:
        return self.served.run.outdated
