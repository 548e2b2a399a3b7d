"""Gathering requests: who is answered together, who is turned away, and that a fault stays where it belongs."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from listing_vibes.errors import VibesError
from listing_vibes.serving.database import Busy
from listing_vibes.serving.service.batcher import Batcher


def run(scene: Coroutine) -> Any:
    """Run a scene in a thread of its own, since this one may have the event loop of a browser."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, scene).result()


class Doubling:
    """Doubles numbers, remembers its batches, and waits for `go` before each."""

    def __init__(self, goes: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()
        if goes:
            self.go.set()

    def __call__(self, numbers: list[int]) -> list[int | Exception]:
        self.batches.append(numbers)
        assert self.go.wait(10)
        if 13 in numbers:
            raise RuntimeError("a fault of ours")
        if 14 in numbers:
            raise VibesError("the disk is full")
        return [VibesError("negative") if number < 0 else 2 * number for number in numbers]


def ask(batcher: Batcher, *numbers: int) -> list[asyncio.Task]:
    return [asyncio.ensure_future(batcher.ask(number)) for number in numbers]


async def busy(batcher: Batcher, answer: Doubling) -> asyncio.Task:
    """A first request, which is being worked on when this returns."""
    (first,) = ask(batcher, 0)
    while not answer.batches:
        await asyncio.sleep(0.001)
    return first


def test_what_gathers_while_a_batch_is_worked_on_is_answered_together():
    async def scene():
        answer = Doubling()
        batcher = Batcher(answer, 4)
        first = await busy(batcher, answer)
        others = ask(batcher, *range(1, 7))
        await asyncio.sleep(0)
        assert len(batcher) == 6
        answer.go.set()
        assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10, 12]
        assert answer.batches == [[0], [1, 2, 3, 4], [5, 6]]
        await batcher.close()

    run(scene())


@pytest.mark.parametrize(("size", "batches"), [(8, [[1, 2]]), (1, [[1], [2]])])
def test_the_first_request_of_an_idle_service_waits_for_company(size, batches):
    async def scene():
        answer = Doubling(goes=True)
        batcher = Batcher(answer, size, pause=0.2)
        (first,) = ask(batcher, 1)
        await asyncio.sleep(0.02)
        assert await asyncio.gather(first, batcher.ask(2)) == [2, 4]
        await batcher.close()
        assert answer.batches == batches

    run(scene())


def test_bad_input_and_a_fault_fail_alone_and_a_problem_is_the_answer_to_all():
    async def scene():
        batcher = Batcher(Doubling(goes=True), 2, pause=0.01)
        asked = ask(batcher, 1, -1, 13, 3, 14, 4)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [answers[0], answers[3]] == [2, 6]  # 3 came in the same batch as the fault
        assert [type(one) for one in answers[1:3]] == [VibesError, RuntimeError]
        assert [type(one) for one in answers[4:]] == [VibesError, VibesError]
        await batcher.close()

    run(scene())


def test_beyond_its_room_a_request_is_turned_away_and_a_client_that_has_gone_is_not_worked_for():
    async def scene():
        answer = Doubling()
        batcher = Batcher(answer, 1, waiting=2)
        first = await busy(batcher, answer)
        gone, stays = ask(batcher, 1, 2)
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await batcher.ask(3)
        gone.cancel()
        first.cancel()  # its batch is being worked on
        await asyncio.sleep(0)
        answer.go.set()
        assert await stays == 4 and answer.batches == [[0], [2]]
        await batcher.close()

    run(scene())


def test_a_thread_that_hangs_costs_one_deadline_and_then_nothing():
    async def scene():
        answer = Doubling()
        batcher = Batcher(answer, 1, deadline=0.1)
        assert batcher.busy_s == 0
        asked = ask(batcher, 0, 1, 2)
        answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)
        assert all(isinstance(one, Busy) for one in answers) and batcher.busy_s >= 0.1
        begin = asyncio.get_running_loop().time()
        for _ in range(100):
            with pytest.raises(Busy):
                await batcher.ask(3)
        assert asyncio.get_running_loop().time() - begin < 0.1
        await batcher.close()  # without waiting for the thread
        answer.go.set()

    run(scene())


def test_stopping_refuses_what_waits_and_closing_answers_it():
    async def scene():
        answer, other = Doubling(), Doubling()
        refusing, closing = Batcher(answer), Batcher(other, 2)
        refused = [await busy(refusing, answer), *ask(refusing, 1, 2)]
        answered = [await busy(closing, other), *ask(closing, 1, 2, 3)]
        await asyncio.sleep(0)
        refusing.refuse_all()
        problems = await asyncio.wait_for(asyncio.gather(*refused, return_exceptions=True), 5)
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

    run(scene())
