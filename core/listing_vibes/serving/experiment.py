"""An experiment: its setup, which is stored with the impressions, and its result by a sequential test that is valid at any time.

The evidence against a share p after w successes among n is the likelihood ratio of a Beta mixture to p,

    M_n(p) = B(w + a, n - w + b) / B(a, b) / (p^w (1 - p)^(n - w)),

a martingale of mean 1 if p is the true share. By Ville's inequality (1939) it ever reaches 1/alpha with probability at most
alpha, at any number of checks: the mixture sequential probability ratio test (Robbins 1970, "Statistical methods related to
the law of the iterated logarithm"; Johari, Koomen, Pekelis & Walsh, KDD 2017, "Peeking at A/B tests"). The shares that were
never rejected are a confidence sequence (Howard, Ramdas, McAuliffe & Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic
confidence sequences"). Nothing here is asymptotic.
"""

import hashlib
import random
import secrets
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.special import betaln

from listing_vibes.errors import VibesError, needs
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.documents import Forbidding
from listing_vibes.words import count, percent

with needs("An experiment", "serve"):
    from listing_vibes.serving.event_database import Database
    from listing_vibes.serving.impressions import read_feedback, read_impressions
    from listing_vibes.serving.places import resolve_place

A, B = "A", "B"
_STATE = "experiment"
LEVEL = 0.95
#: a + b of the mixture, whose mean is the share of the null: a prior sample size. It determines the differences for which the
#: test is fastest (about 1 / sqrt), not its validity.
MIXED = 100.0
#: The numbers of outcomes after which a sequence is checked grow by this factor, from each of the first 2,000 on: they do not depend
#: on its length, so a rejected share stays rejected. Fewer checks keep the test valid.
GROWTH = 1.0005


class Arm(Forbidding):
    """A run with a blend."""

    run: str
    blend: str | None = None

    def __str__(self) -> str:
        return self.run if self.blend is None else f"{self.run} with {self.blend}"


class Setup(BaseModel):
    """An experiment: every list is interleaved from two runs.

    Attributes:
        events: database of events of the services; empty: none.
        salt: makes the coins independent of other experiments.
        design: refuses the experiments of 0.1.0 that split the users.
    """

    model_config = ConfigDict(frozen=True)

    a: Arm
    b: Arm
    events: str = ""
    salt: str = Field(default_factory=lambda: secrets.token_hex(16))
    design: Literal["interleave"] = "interleave"

    def __str__(self) -> str:
        return f"A: {self.a}, B: {self.b}, events in {self.events or 'no database'}"

    def coins(self, request_id: str) -> random.Random:
        """Return the random generator of one list, which is reproducible with the salt."""
        digest = hashlib.blake2b(request_id.encode(), key=self.salt.encode(), digest_size=8).digest()
        return random.Random(int.from_bytes(digest, "big"))  # nosec B311


def begin_experiment(place: Path | str, setup: Setup) -> Setup:
    """Start the experiment of a database of impressions, or resume it.

    Raises:
        VibesError: the database has another experiment.
    """
    with closing(Database(place, "--impressions", create=True)) as database:
        current = _parse(database, database.begin_state(_STATE, setup.model_dump_json()))
    if current.model_copy(update={"salt": setup.salt}) != setup:
        raise VibesError(
            f"{place} has the experiment '{current}'; resume that, or choose another place for '{setup}'."
        )
    return current


def read_setup(place: Path | str) -> Setup | None:
    """Return the experiment of a database; None if it has none.

    Raises:
        VibesError: the database does not exist, or its experiment cannot be read.
    """
    with closing(Database(place, "--impressions")) as database:
        setup = database.read_state(_STATE)
        return None if setup is None else _parse(database, setup)


def _parse(database: Database, setup: str) -> Setup:
    try:
        return Setup.model_validate_json(setup)
    except ValidationError as error:
        raise VibesError(
            f"The experiment of {database.name} is damaged, or splits the users, as no longer possible; choose another place."
        ) from error


@dataclass(frozen=True)
class AlwaysValid:
    """A share with its interval and p-value, which are valid at all times simultaneously.

    Attributes:
        value: the share so far; None without outcomes.
        p_value: of the null hypothesis.
    """

    value: float | None
    low: float
    high: float
    p_value: float


def log_evidence(wins: np.ndarray, count: np.ndarray, share: np.ndarray | float, null: float) -> np.ndarray:
    """Return log M of `wins` among `count` against `share` (all of one shape), for the mixture around `null`."""
    a, b = null * MIXED, (1 - null) * MIXED
    losses = count - wins
    mixed = betaln(wins + a, losses + b) - betaln(a, b)
    return np.asarray(mixed - wins * np.log(share) - losses * np.log1p(-np.asarray(share)))


def always_valid(outcomes: np.ndarray) -> AlwaysValid:
    """Return the share of successes among `outcomes` (n,) bool in order of time, with its test against one half."""
    count = len(outcomes)
    if not count:
        return AlwaysValid(None, 0.0, 1.0, 1.0)
    checks = _checks(count)  # (K,)
    wins = np.cumsum(outcomes, dtype=np.int64)[checks - 1]
    p = float(np.exp(-log_evidence(wins, checks, 0.5, 0.5).max()))
    low, high = _bounds(wins, checks)
    return AlwaysValid(float(np.mean(outcomes)), float(low.max()), float(high.min()), min(1.0, p))


def _checks(most: int) -> np.ndarray:
    """Return (K,) ascending: the numbers of outcomes up to `most` after which the sequence is checked, see `GROWTH`."""
    steps = np.arange(np.ceil(np.log(most) / np.log(GROWTH)) + 1)
    checks = np.unique(np.ceil(GROWTH**steps - 1e-9).astype(np.int64))
    return checks[checks <= most]


def _bounds(wins: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (low (K,), high (K,)): the shares with evidence below 1 / (1 - LEVEL), which is convex with its minimum at wins / count."""
    least, limit = wins / count, -np.log1p(-LEVEL)
    results = []
    for end in (0.0, 1.0):
        out, within = np.full(len(count), end), least.copy()
        for _ in range(50):
            middle = (out + within) / 2
            with np.errstate(divide="ignore", invalid="ignore"):
                ruled_out = log_evidence(wins, count, middle, 0.5) >= limit
            out, within = np.where(ruled_out, middle, out), np.where(ruled_out, within, middle)
        results.append(out)
    return results[0], results[1]


@dataclass(frozen=True, eq=False, repr=False)
class Experiment:
    """Result of an experiment so far.

    Attributes:
        responses: number of interleaved responses.
        decisions: (n rows) `request_id, user_id, acted_at, arm, listing_id, position` of the responses that decided, in that order.
        events: number of events on a response of this database, and of all events that name a response.
    """

    setup: Setup
    responses: int
    decisions: pd.DataFrame
    events: tuple[int, int]

    @cached_property
    def tested(self) -> AlwaysValid:
        """Return the share of B among the decisions, with its test against one half."""
        return always_valid((self.decisions["arm"] == B).to_numpy(bool))

    @property
    def verdict(self) -> str | None:
        """Return "A" or "B", the better run; None while the difference is not significant."""
        if self.tested.p_value > 1 - LEVEL or self.tested.value is None:
            return None
        return B if self.tested.low >= 0.5 else A

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `vibes experiment --json`; the difference is B's share of the decisions minus A's."""
        tested, wins = self.tested, int((self.decisions["arm"] == B).sum())
        shares = {"value": tested.value, "low": tested.low, "high": tested.high}
        difference = {name: None if share is None else 2 * share - 1 for name, share in shares.items()}
        return {
            "arms": {A: self.setup.a.model_dump(), B: self.setup.b.model_dump()},
            "responses": self.responses,
            "decided": len(self.decisions),
            "wins": {A: len(self.decisions) - wins, B: wins},
            "events": {"joined": self.events[0], "all": self.events[1]},
            "difference": difference | {"p_value": tested.p_value},
            "verdict": self.verdict,
        }

    def __repr__(self) -> str:
        lines = [f"A: {self.setup.a}", f"B: {self.setup.b}", "", *self.sentences()]
        method = "Interval and p are valid at any time (a mixture sequential test, Johari et al. 2017)."
        return "\n".join([*lines, "", method])

    def sentences(self) -> list[str]:
        """Return the verdict, the figures, and warnings, as sentences."""
        document = self.to_dict()
        wins, difference = document["wins"], document["difference"]
        lines = ["No verdict yet: the difference is not significant."]
        if not len(self.decisions):
            lines = ["No verdict yet: no user has interacted with a shown listing."]
        elif self.verdict is not None:
            lines = [f"{self.verdict} is better than {A if self.verdict == B else B}."]
        line = f"{len(self.decisions):,} of {count(self.responses, 'response')} decided: {wins[A]:,} for A, {wins[B]:,} for B."
        if len(self.decisions):
            value, low, high = (
                percent(difference[name], unit=" %", signed=True) for name in ("value", "low", "high")
            )
            line += f" B's share minus A's: {value} (95 % interval {low} to {high}, p {difference['p_value']:.3g})."
        lines.append(line)
        joined, total = self.events
        if joined < total:
            lines.append(
                f"{count(total - joined, 'event')} of {total:,} name a response or a listing that was not shown here."
            )
        return lines


def experiment(folder: Path | str, actions: Sequence[str] | None = None) -> Experiment:
    """Evaluate the experiment of `vibes serve A B` so far; the function behind `vibes experiment`.

    >>> experiment(shown).verdict in ("A", "B", None)
    True

    A response decides for the arm of its first listing that has an event. A decision is final as long as events are not removed
    and arrive in the order of their times. If the arms are equal, each decision is as likely as the coin, so the test is exact at
    any number of checks.

    Args:
        folder: the place of `--impressions`.
        actions: actions that count; None: all but the unwanted ones ("not this").

    Raises:
        VibesError: the place has no experiment, or there are no events.
    """
    setup = read_setup(folder)
    if setup is None:
        raise VibesError(
            f"{folder} has no experiment; start one with `vibes serve A B --impressions {folder}`."
        )
    if not setup.events:
        raise VibesError(f"The experiment of {folder} takes no events; start one with `--events`, too.")
    # The recorded URL has no password, so the given one is used where both are the same database.
    feedback = read_feedback(folder if resolve_place(folder) == setup.events else setup.events)
    if actions is None:
        feedback = feedback[~feedback[C.ACTION].isin(_unwanted_actions(setup))]
    else:
        available = [str(action) for action in feedback[C.ACTION].dropna().unique()]
        if len(feedback) and (wrong := [action for action in actions if action not in available]):
            raise VibesError(
                f"No event has the action '{wrong[0]}'; give one of: {', '.join(available) or 'none'}."
            )
        feedback = feedback[feedback[C.ACTION].isin(actions)]
    shown = read_impressions(folder)
    columns = ["request_id", C.LISTING, C.USER, "position", "arm", "time"]
    joined = feedback.merge(shown[columns], on=["request_id", C.LISTING])
    # An event cannot precede its impression; some clocks have a resolution of one second.
    counted = joined[joined["arm"].notna() & ~(joined["acted_at"] < joined["time"].dt.floor("s"))]
    decisions = counted.drop_duplicates("request_id")
    decisions = decisions[["request_id", C.USER, "acted_at", "arm", C.LISTING, "position"]]
    responses = shown["request_id"][shown["tried"]].nunique()
    return Experiment(setup, responses, decisions.reset_index(drop=True), (len(joined), len(feedback)))


def _unwanted_actions(setup: Setup) -> Sequence[str]:
    """Return the unwanted actions ("not this") in the market of A."""
    from listing_vibes.run.run import Run

    try:
        return Run.open(Path(setup.a.run)).market.config.unwanted
    except VibesError:  # the run or its market is not available
        return MarketConfig().unwanted
