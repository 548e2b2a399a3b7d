"""Gathering requests: who is answered together, who is turned away, and that a fault stays where it belongs."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from listing_vibes.errors import VibesError
from listing_vibes.serving.service.batcher import Batcher
from listing_vibes.serving.service.problems import Busy


def in_its_thread(scene: Coroutine) -> Any:
    """Run a scene: in a thread of its own, since this one may have the event loop of a browser."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, scene).result()


class Doubling:
    """Doubles numbers, remembers its batches, and waits for `go` before each."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()

    def __call__(self, numbers: list[int]) -> list[int | Exception]:
        self.batches.append(numbers)
        assert self.go.wait(10)
        if 13 in numbers:
            raise RuntimeError("a fault of ours")
        return [VibesError("negative") if number < 0 else 2 * number for number in numbers]


async def busy(batcher: Batcher, answer: Doubling) -> asyncio.Task:
    """A first request, which is being worked on when this returns."""
    first = asyncio.ensure_future(batcher.ask(0))
    while not answer.batches:
        await asyncio.sleep(0.001)
    return first


def test_what_gathers_while_a_batch_is_worked_on_is_answered_together():
    async def scene():
        answer, seen = Doubling(), []
        batcher = Batcher(answer, 4, observe=lambda requests, seconds: seen.append(len(requests)))
        first = await busy(batcher, answer)
        others = [asyncio.ensure_future(batcher.ask(number)) for number in range(1, 7)]
        await asyncio.sleep(0)
        assert len(batcher) == 6
        answer.go.set()
        assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10, 12]
        assert answer.batches == [[0], [1, 2, 3, 4], [5, 6]] and seen == [1, 4, 2]
        await batcher.close()

    in_its_thread(scene())


def test_the_first_request_of_an_idle_service_waits_for_company():
    async def scene(most: int) -> list[list[int]]:
        answer = Doubling()
        answer.go.set()
        batcher = Batcher(answer, most, pause=0.2)
        one = asyncio.ensure_future(batcher.ask(1))
        await asyncio.sleep(0.02)
        assert await asyncio.gather(one, batcher.ask(2)) == [2, 4]
        await batcher.close()
        return answer.batches

    assert in_its_thread(scene(8)) == [[1, 2]]
    assert in_its_thread(scene(1)) == [[1], [2]]


def test_bad_input_and_a_fault_fail_alone():
    async def scene():
        answer = Doubling()
        answer.go.set()
        batcher = Batcher(answer, 2, pause=0.01)
        asked = [batcher.ask(number) for number in (1, -1, 13, 3, 4)]
        one, negative, fault, beside, later = await asyncio.gather(*asked, return_exceptions=True)
        assert (one, later) == (2, 8) and isinstance(negative, VibesError)
        assert isinstance(fault, RuntimeError) and beside == 6  # which came in the same batch
        await batcher.close()

    in_its_thread(scene())


def test_beyond_its_room_a_request_is_turned_away():
    async def scene():
        answer = Doubling()
        batcher = Batcher(answer, 1, waiting=2)
        first = await busy(batcher, answer)
        others = [asyncio.ensure_future(batcher.ask(number)) for number in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="2 requests are waiting"):
            await batcher.ask(3)
        answer.go.set()
        assert await asyncio.gather(first, *others) == [0, 2, 4]
        await batcher.close()

    in_its_thread(scene())


def test_whatever_holds_the_thread_up_a_request_waits_for_its_deadline_alone():
    async def scene():
        answer = Doubling()
        batcher = Batcher(answer, 1, deadline=0.1)
        assert batcher.busy_s == 0
        asked = [asyncio.ensure_future(batcher.ask(number)) for number in range(3)]
        for problem in await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5):
            assert isinstance(problem, Busy)
        assert batcher.busy_s >= 0.1
        answer.go.set()
        assert await batcher.ask(4) == 8 and answer.batches[-1] == [4]
        await batcher.close()
        assert batcher.busy_s == 0

    in_its_thread(scene())


def test_who_has_gone_is_not_worked_for():
    async def scene():
        answer = Doubling()
        batcher = Batcher(answer, 8)
        first = await busy(batcher, answer)
        gone, stays = (asyncio.ensure_future(batcher.ask(number)) for number in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        first.cancel()  # its batch is under way
        await asyncio.sleep(0)
        answer.go.set()
        assert await stays == 4 and answer.batches == [[0], [2]]
        await batcher.close()

    in_its_thread(scene())


def test_giving_up_refuses_what_waits_and_what_is_under_way():
    async def scene():
        answer = Doubling()
        batcher = Batcher(answer, 1)
        asked = [await busy(batcher, answer), *(asyncio.ensure_future(batcher.ask(n)) for n in (1, 2))]
        await asyncio.sleep(0)
        batcher.give_up()
        for problem in await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5):
            assert isinstance(problem, Busy) and "being stopped" in str(problem)
        answer.go.set()
        await batcher.close()
        assert answer.batches == [[0]]

    in_its_thread(scene())


def test_closing_answers_what_waits_and_takes_nothing_more():
    async def scene():
        answer = Doubling()
        batcher = Batcher(answer, 2)
        first = await busy(batcher, answer)
        others = [asyncio.ensure_future(batcher.ask(number)) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="being stopped"):
            await batcher.ask(4)
        answer.go.set()
        assert await asyncio.gather(first, *others) == [0, 2, 4, 6]
        await closing

    in_its_thread(scene())
