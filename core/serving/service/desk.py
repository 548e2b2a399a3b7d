"""Where requests are answered: by the newest state, and what is shown is kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from core.errors import VibesError, sentence_of
from core.run.run import Run
from core.serving.impressions.answer import Maker, Shown, new_id
from core.serving.impressions.keeper import Impressions
from core.serving.service.newest import NewestState
from core.serving.service.requests import Found, Recommend, Similar
from core.serving.service.served import Served

Requests = Sequence[Similar | Recommend]
Answers = list[Found | Exception]


class Desk:
    """Answers requests together, and keeps what it shows where there is a place for it.

    Args:
        current: the state of the run in use.
        impressions: where answers are kept; None: nowhere.
        failed: is told how many answers could not be kept; they are given without a request id.
    """

    def __init__(
        self,
        current: NewestState,
        impressions: Impressions | None = None,
        failed: Callable[[int], object] = lambda count: None,
    ) -> None:
        self.current, self.impressions, self.failed = current, impressions, failed

    def answer(self, requests: Requests) -> Answers:
        """For each request what was found, or why nothing can be."""
        served = self.current.served
        return self._kept(served, requests, served.answer(requests))

    def explain(self, requests: Sequence[Recommend]) -> Answers:
        """As `answer`, with reasons."""
        served = self.current.served
        return self._kept(served, requests, served.explain(requests))

    def _kept(self, served: Served, requests: Requests, answers: Answers) -> Answers:
        if self.impressions is None:
            return answers
        at = time.time_ns() // 1000
        given = [one if isinstance(one, Exception) else one._replace(request_id=new_id()) for one in answers]
        shown = [
            self._shown(served, request, found, at)
            for request, found in zip(requests, given, strict=True)
            if not isinstance(found, Exception)
        ]
        try:
            self.impressions.keep(shown)
        except VibesError as error:
            logging.getLogger("uvicorn.error").error(sentence_of(error))
            self.failed(len(shown))
            return answers
        return given

    def _shown(self, served: Served, request: Similar | Recommend, found: Found, at: int) -> Shown:
        run, similar = served.run, isinstance(request, Similar)
        return Shown(
            found.request_id,
            at,
            "similar" if similar else "recommend",
            None if isinstance(request, Similar) else _named(run, request.user or request.about),
            request.listing if isinstance(request, Similar) else None,
            request.rules,
            [Maker(str(run.path), run.generation, _scorer(served, request))],
            found.listings,
            found.scores,
        )


def _named(run: Run, user: str | None) -> str | None:
    """What the market calls a user, so that an id and its hash are one."""
    if user is None:
        return None
    number = run.user_number.get(user)
    return run.market.names.of(user) if number is None else run.log.users[number]


def _scorer(served: Served, request: Similar | Recommend) -> str:
    if isinstance(request, Similar):
        return request.space or served.run.spaces[0]
    beside = served.beside if request.beside is None else request.beside
    return " + ".join(["model", *(beside.split("+") if beside else [])])
