"""Calls that are waited for no longer than a deadline, whatever holds them up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from listing_vibes.errors import VibesError

Result = TypeVar("Result")


class Late(VibesError):
    """A lock was held for too long, or something did not answer in time."""


class Deadline:
    """Makes calls on a thread of its own, one after the other.

    A thread that hangs cannot be ended: as long as a call that was given up goes on, further ones are refused at once.
    """

    def __init__(self, seconds: float, name: str) -> None:
        self.seconds, self.name = seconds, name
        self._thread = ThreadPoolExecutor(1, name)
        self._stuck: Future[Any] | None = None

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return what a function returns.

        Raises:
            Late: it has not ended in time; else what the function raises.
        """
        if self._stuck is not None and not self._stuck.done():
            raise self._late()
        future = self._thread.submit(function, *arguments)
        if not wait([future], self.seconds).done:
            if not future.cancel():  # it has begun
                self._stuck = future
            raise self._late()
        return future.result()

    def close(self) -> None:
        """End the thread, unless it hangs."""
        self._thread.shutdown(wait=self._stuck is None or self._stuck.done(), cancel_futures=True)

    def _late(self) -> Late:
        return Late(f"The {self.name} did not answer within {self.seconds:g} s.")
