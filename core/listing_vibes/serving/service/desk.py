"""Where requests are answered: by the newest state, or by two in an experiment; and what is shown is kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import cache

from listing_vibes.errors import VibesError, sentence_of
from listing_vibes.run.fits import NOTHING
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_names import blend_name
from listing_vibes.serving.experiment.trial import Ask, Trial, Tried
from listing_vibes.serving.impressions.answer import Maker, Shown, new_id
from listing_vibes.serving.impressions.recorder import Impressions
from listing_vibes.serving.service.newest import NewestState
from listing_vibes.serving.service.requests import Found, Probe, Recommend, Similar
from listing_vibes.serving.service.served import Served

Requests = Sequence[Similar | Recommend]
_PROBE = Found([], [], [])
Answers = list[Found | Exception]


class Desk:
    """Answers requests together, and keeps what it shows where there is a place for it.

    Args:
        current: the state of the run in use.
        impressions: where answers are kept; None: nowhere.
        trial: a second run that recommends as well; what is similar, and new listings, are of the first alone.
        failed: is told how many answers could not be kept; they are given without a request id.
    """

    def __init__(
        self,
        current: NewestState,
        impressions: Impressions | None = None,
        trial: Trial | None = None,
        failed: Callable[[int], object] = lambda count: None,
    ) -> None:
        self.current, self.impressions, self.trial, self.failed = current, impressions, trial, failed

    def answer(self, requests: Sequence[Similar | Recommend | Probe]) -> Answers:
        """For each request what was found, or why nothing can be."""
        lists = [one for one in requests if not isinstance(one, Probe)]
        answers = iter(self._answered(lists, Served.answer))
        return [self._probed() if isinstance(one, Probe) else next(answers) for one in requests]

    def check(self) -> None:
        """Take the locks that posts and records need.

        Raises:
            VibesError: one is held by another process, or a store cannot be written.
        """
        for one in (self.current.live, self.impressions):
            if one is not None:
                one.store.check()

    def _probed(self) -> Found | Exception:
        run = self.current.served.run
        found = self.current.served.answer([Similar(run.listing_ids[0], Rules(k=1))])[0]
        # A listing may have nothing in a space; that it was looked for is enough.
        return found if isinstance(found, Found) or not isinstance(found, VibesError) else _PROBE

    def explain(self, requests: Requests) -> Answers:
        """As `answer`, with reasons."""
        return self._answered(requests, Served.explain)

    def _answered(self, requests: Requests, how: Ask) -> Answers:
        tries = [self.trial is not None and _takes_part(one) for one in requests]
        plain = [one for one, part in zip(requests, tries, strict=True) if not part]
        lists = [
            one for one, part in zip(requests, tries, strict=True) if part and isinstance(one, Recommend)
        ]
        served = self.current.served
        found = {
            False: iter(self._kept(plain, [Tried(one) for one in how(served, plain)], served, served)),
            True: iter(self._tried(lists, how)),
        }
        return [next(found[part]) for part in tries]

    def _tried(self, requests: Sequence[Recommend], how: Ask) -> Answers:
        if self.trial is None or not requests:
            return []
        ids, run = [new_id() for _ in requests], self.current.served.run
        users = [_named(run, one.user or one.about) for one in requests]
        a, b, tried = self.trial.ask(requests, ids, users, how)
        return self._kept(requests, tried, a, b, ids)

    def _kept(
        self, requests: Requests, tried: Sequence[Tried], a: Served, b: Served, ids: Sequence[str] = ()
    ) -> Answers:
        answers = [one.found for one in tried]
        if self.impressions is None or not requests:
            return answers
        at, ids = time.time_ns() // 1000, ids or [new_id() for _ in requests]
        given = [
            found if isinstance(found, Exception) else found._replace(request_id=one)
            for found, one in zip(answers, ids, strict=True)
        ]
        scorer = cache(_scorer)  # what was fitted is looked up once for all of them
        shown = [
            _shown(request, found, one, a, b, at, scorer)
            for request, found, one in zip(requests, given, tried, strict=True)
            if not isinstance(found, Exception)
        ]
        try:
            self.impressions.keep(shown)
        except VibesError as error:
            logging.getLogger("uvicorn.error").error(sentence_of(error))
            self.failed(len(shown))
            return answers
        return given


def _takes_part(request: Similar | Recommend) -> bool:
    """Whether an experiment decides what makes a list: not of similar ones, nor where a request says what is added."""
    return isinstance(request, Recommend) and request.beside is None


def _shown(
    request: Similar | Recommend, found: Found, tried: Tried, a: Served, b: Served, at: int, scorer: Callable[..., str]
) -> Shown:  # fmt: skip
    similar = isinstance(request, Similar)
    named = request.space if isinstance(request, Similar) else request.beside
    makers = [a] if a is b else [a, b] if tried.alone is None else [(a, b)[tried.alone]]
    return Shown(
        found.request_id,
        at,
        "similar" if similar else "recommend",
        None if isinstance(request, Similar) else _named(a.run, request.user or request.about),
        request.listing if isinstance(request, Similar) else None,
        request.rules,
        [
            Maker(str(one.run.path), one.run.generation, found.scorer or scorer(one, similar, named))
            for one in makers
        ],
        found.listings,
        found.scores,
        tried.arm,
        tried.teams,
    )


def _named(run: Run, user: str | None) -> str | None:
    """What the market calls a user, so that an id and its hash are one."""
    if user is None:
        return None
    number = run.user_number.get(user)
    return run.market.names.of(user) if number is None else run.log.users[number]


def _scorer(served: Served, similar: bool, named: str | None) -> str:
    """What makes lists: the space that a request of similar listings has `named`, or the model and what is named beside it."""
    if similar:
        return named or served.run.spaces[0]
    additions = served.run.additions(served.beside if named is None else named or NOTHING)
    added = "" if additions is None else additions.fit.holds
    return blend_name(*filter(None, added.split("+")))
