"""Dynamic micro-batching: requests that arrive close together are answered by one call."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from listing_vibes.errors import VibesError
from listing_vibes.serving.event_database import Busy

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Batcher(Generic[Request, Answer]):
    """Collects requests and answers them in batches, one batch at a time, on a separate thread.

    The first request of an idle service waits `pause` seconds for others; during a batch the next one is collected.
    The scheme is that of Crankshaw et al., "Clipper" (2017), section 4.3, with a fixed bound instead of an adaptive one.

    Args:
        answer: returns for each request, in order, an answer or the exception to raise for it. A `VibesError` that it raises
            applies to all requests; after any other exception each request is retried alone.
        size: maximum number of requests in a batch.
        waiting: maximum number of waiting requests; beyond it `ask` raises `Busy`.
        pause: seconds.
        deadline: seconds after which `ask` raises `Busy`; it raises at once while a batch takes longer; None: no deadline.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Request]], Sequence[Answer | Exception]],
        size: int = 1,
        waiting: int = 1024,
        pause: float = 0.0,
        deadline: float | None = None,
    ) -> None:
        self._answer, self._size, self._max_waiting = answer, size, waiting
        self._pause, self._deadline = pause, deadline
        self._started: float | None = None  # start time of the current batch
        self._waiting: deque[tuple[Request, asyncio.Future[Answer]]] = deque()
        self._batch: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._wake, self._is_closing = asyncio.Event(), False
        self._thread = ThreadPoolExecutor(1, "batcher")
        self._task = asyncio.get_running_loop().create_task(self._work())

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def busy_s(self) -> float:
        """Return the seconds that the current batch has taken so far; 0 if there is none."""
        return 0.0 if self._started is None else time.monotonic() - self._started

    async def ask(self, request: Request) -> Answer:
        """Return the answer to one request, or raise the exception that `answer` returned for it.

        Raises:
            Busy: too many requests are waiting, the deadline has passed, or the service is being stopped.
        """
        if self._is_closing or len(self._waiting) >= self._max_waiting:
            raise self._refusal()
        late = Busy(f"There was no answer within {self._deadline} s; send the request again in a moment.")
        if self._deadline is not None and self.busy_s > self._deadline:
            raise late
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        self._wake.set()
        try:
            return await asyncio.wait_for(future, self._deadline)
        except TimeoutError:
            raise late from None

    def refuse_all(self) -> None:
        """Refuse all pending requests and accept no more."""
        self._is_closing = True
        self._wake.set()
        for _, future in (*self._waiting, *self._batch):
            if not future.done():
                future.set_exception(self._refusal())

    async def close(self) -> None:
        """Answer the waiting requests, accept no more, and end the thread unless it hangs."""
        self._is_closing = True
        self._wake.set()
        if self._deadline is None or self.busy_s <= self._deadline:
            await self._task
        self._thread.shutdown(wait=False)

    def _refusal(self) -> Busy:
        reason = f"{len(self._waiting)} requests are waiting"
        if self._is_closing:
            reason = "the service is being stopped"
        return Busy(f"There is no room for this request, since {reason}; send it again in a moment.")

    async def _work(self) -> None:
        while self._waiting or not self._is_closing:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                if self._pause and len(self._waiting) < self._size:
                    await asyncio.sleep(self._pause)
            taken = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
            self._batch = [item for item in taken if not item[1].done()]  # others have disconnected
            if not self._batch:
                continue
            self._started = time.monotonic()
            answers = await self._run([request for request, _ in self._batch])
            self._started = None
            for (_, future), answer in zip(self._batch, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    async def _run(self, requests: list[Request]) -> Sequence[Answer | Exception]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, requests)
        except VibesError as error:
            return [error] * len(requests)
        except Exception as error:
            if len(requests) == 1:
                return [error]
        return [(await self._run([request]))[0] for request in requests]
