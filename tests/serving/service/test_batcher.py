"""Micro-batching: who is answered together, who is refused, and that a fault stays with its request."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.waiting import PATIENCE_S
from listing_vibes.errors import VibesError
from listing_vibes.serving.event_database import Busy
from listing_vibes.serving.service.batcher import Batcher


class Doubling:
    """Doubles numbers, remembers its batches, and waits for `go` before each."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()

    def __call__(self, numbers: list[int]) -> list[int | Exception]:
        self.batches.append(numbers)
        assert self.go.wait(PATIENCE_S)
        if 13 in numbers:
            raise RuntimeError("a fault")
        if 14 in numbers:
            raise VibesError("the disk is full")
        return [VibesError("negative") if number < 0 else 2 * number for number in numbers]


def ask(batcher: Batcher, *numbers: int) -> list[asyncio.Task]:
    return [asyncio.ensure_future(batcher.ask(number)) for number in numbers]


async def occupy(batcher: Batcher, answer: Doubling) -> asyncio.Task:
    """Ask a first request, whose batch is at work when this returns."""
    (first,) = ask(batcher, 0)
    while not answer.batches:
        await asyncio.sleep(0.001)
    return first


@pytest.fixture
def scene():
    """Run a coroutine on a thread with an event loop of its own: this thread may have that of a browser."""

    def run(coroutine):
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(asyncio.run, coroutine).result()

    return run


def test_requests_that_arrive_during_a_batch_or_a_pause_are_answered_together(scene):
    async def during_a_batch():
        answer = Doubling()
        batcher = Batcher(answer, 4)
        first = await occupy(batcher, answer)
        others = ask(batcher, *range(1, 7))
        await asyncio.sleep(0)
        assert len(batcher) == 6
        answer.go.set()
        assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10, 12]
        assert answer.batches == [[0], [1, 2, 3, 4], [5, 6]]
        await batcher.close()

    async def during_a_pause():
        answer = Doubling()
        answer.go.set()
        batcher = Batcher(answer, 8, pause=1.0)
        (first,) = ask(batcher, 1)
        await asyncio.sleep(0.02)
        assert await asyncio.gather(first, batcher.ask(2)) == [2, 4]
        assert answer.batches == [[1, 2]]
        await batcher.close()

    scene(during_a_batch())
    scene(during_a_pause())


def test_bad_input_and_a_fault_fail_alone_and_a_problem_fails_the_batch(scene):
    async def act():
        answer = Doubling()
        answer.go.set()
        batcher = Batcher(answer, 2, pause=0.01)
        answers = await asyncio.gather(*ask(batcher, 1, -1, 13, 3, 14, 4), return_exceptions=True)
        assert [answers[0], answers[3]] == [2, 6]  # 3 was in the batch of the fault
        kinds = [type(answers[number]) for number in (1, 2, 4, 5)]
        assert kinds == [VibesError, RuntimeError, VibesError, VibesError]
        await batcher.close()

    scene(act())


def test_the_queue_is_bounded_and_a_client_that_has_gone_costs_no_work(scene):
    async def act():
        answer = Doubling()
        batcher = Batcher(answer, 1, waiting=2)
        first = await occupy(batcher, answer)
        gone, stays = ask(batcher, 1, 2)
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await batcher.ask(3)
        gone.cancel()
        first.cancel()  # its batch is at work
        await asyncio.sleep(0)
        answer.go.set()
        assert await stays == 4 and answer.batches == [[0], [2]]
        await batcher.close()

    scene(act())


def test_a_thread_that_hangs_costs_one_deadline_and_then_nothing(scene):
    async def act():
        answer = Doubling()
        batcher = Batcher(answer, 1, deadline=0.1)
        answers = await asyncio.wait_for(
            asyncio.gather(*ask(batcher, 0, 1, 2), return_exceptions=True), PATIENCE_S
        )
        assert all(isinstance(one, Busy) for one in answers) and batcher.busy_s >= 0.1
        begin = asyncio.get_running_loop().time()
        for _ in range(100):
            with pytest.raises(Busy):
                await batcher.ask(3)
        assert asyncio.get_running_loop().time() - begin < 5  # not a deadline each
        await batcher.close()  # without waiting for the thread
        answer.go.set()

    scene(act())


def test_stopping_refuses_what_waits_and_closing_answers_it(scene):
    async def act():
        answer, other = Doubling(), Doubling()
        refusing, closing = Batcher(answer), Batcher(other, 2)
        refused = [await occupy(refusing, answer), *ask(refusing, 1, 2)]
        answered = [await occupy(closing, other), *ask(closing, 1, 2, 3)]
        await asyncio.sleep(0)
        refusing.refuse_all()
        problems = await asyncio.wait_for(asyncio.gather(*refused, return_exceptions=True), PATIENCE_S)
        assert all(isinstance(one, Busy) for one in problems)
        closed = asyncio.ensure_future(closing.close())
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await closing.ask(4)
        answer.go.set()
        other.go.set()
        assert await asyncio.gather(*answered) == [0, 2, 4, 6]
        await asyncio.gather(closed, refusing.close())
        assert answer.batches == [[0]]

    scene(act())
