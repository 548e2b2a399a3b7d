"""Dynamic micro-batching: requests that arrive close together are answered by one call."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from listing_vibes.serving.service.problems import Busy

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Batcher(Generic[Asked, Answer]):
    """Gathers requests and answers them together, one batch at a time, on a thread of its own.

    The first request of an idle service waits `pause` seconds for company; while a batch is worked on the next one
    gathers by itself. The scheme of Crankshaw et al., "Clipper" (2017), section 4.3, with a fixed bound instead of an
    adaptive one.

    Args:
        answer: gives for each request, in their order, an answer or the exception that its request shall see.
        most: requests in a batch, at most; 1 = one request at a time.
        pause: seconds.
        waiting: requests that may wait; beyond them `ask` raises `Busy`.
        observe: called with the requests of each batch and the seconds that it took.
        deadline: seconds after which `ask` raises `Busy`, whatever holds the thread up; None: it waits.
    """

    def __init__(
        self,
        answer: Callable[[list[Asked]], Sequence[Answer | Exception]],
        most: int,
        pause: float = 0.0,
        waiting: int = 1024,
        observe: Callable[[Sequence[Asked], float], None] | None = None,
        deadline: float | None = None,
    ) -> None:
        self._answer, self._most, self._pause, self._room = answer, most, pause, waiting
        self._observe, self._deadline = observe, deadline
        self._begun: float | None = None  # when the batch that is being worked on was begun
        self._waiting: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()
        self._under_way: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._woken = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, "batcher")
        self._task = asyncio.get_running_loop().create_task(self._work())

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def busy_s(self) -> float:
        """Seconds that the batch which is being worked on has taken so far; 0 where there is none."""
        return 0.0 if self._begun is None else time.monotonic() - self._begun

    async def ask(self, request: Asked) -> Answer:
        """The answer to one request.

        Raises:
            Busy: too many are waiting, the deadline has passed, or the service is being stopped; else what `answer` gave as an
                exception.
        """
        if self._closing or len(self._waiting) >= self._room:
            raise self._refusal()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        self._woken.set()
        try:
            async with asyncio.timeout(self._deadline):
                return await future
        except TimeoutError as error:
            raise Busy(
                f"There was no answer within {self._deadline:g} s; send the request again in a moment."
            ) from error

    def give_up(self) -> None:
        """Refuse whatever has no answer yet, and take nothing more; what is being worked on is for nobody then."""
        self._closing = True
        self._woken.set()
        for _, future in (*self._waiting, *self._under_way):
            if not future.done():
                future.set_exception(self._refusal())

    async def close(self) -> None:
        """Answer what is waiting, take nothing more, end the thread."""
        self._closing = True
        self._woken.set()
        await self._task
        self._thread.shutdown()

    def _refusal(self) -> Busy:
        why = (
            "the service is being stopped" if self._closing else f"{len(self._waiting)} requests are waiting"
        )
        return Busy(f"There is no room for this request, since {why}; send it again in a moment.")

    async def _work(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._woken.clear()
                await self._woken.wait()
                if self._pause and self._most > 1 and len(self._waiting) < self._most:
                    await asyncio.sleep(self._pause)
            batch = self._under_way = self._next()
            if not batch:
                continue
            begin, self._begun = time.perf_counter(), time.monotonic()
            answers = await self._answers(batch)
            self._begun = None
            if self._observe is not None:
                self._observe([request for request, _ in batch], time.perf_counter() - begin)
            for (_, future), answer in zip(batch, answers, strict=True):
                if future.done():  # whoever asked has gone
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    async def _answers(
        self, batch: list[tuple[Asked, asyncio.Future[Answer]]]
    ) -> Sequence[Answer | Exception]:
        loop = asyncio.get_running_loop()
        try:
            asked = [request for request, _ in batch]
            return await loop.run_in_executor(self._thread, self._answer, asked)
        except Exception as error:
            if len(batch) == 1:
                return [error]
        # One request must not fail those that came with it: each is tried alone.
        return [(await self._answers([one]))[0] for one in batch]

    def _next(self) -> list[tuple[Asked, asyncio.Future[Answer]]]:
        """The next batch, without those who went away meanwhile."""
        batch: list[tuple[Asked, asyncio.Future[Answer]]] = []
        while self._waiting and len(batch) < self._most:
            request, future = self._waiting.popleft()
            if not future.done():
                batch.append((request, future))
        return batch
