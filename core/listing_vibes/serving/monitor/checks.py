"""What a look at a run found: checks with their thresholds, kept as `monitor.json` beside the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from listing_vibes.errors import VibesError, escaped
from listing_vibes.market.documents import first_problem, read_json, read_toml, write_text
from listing_vibes.run.versions import stamp_of
from listing_vibes.words import count

FILE = "monitor.json"


class Thresholds(BaseModel):
    """From when a check is crossed; None: it is told and never crossed.

    Attributes:
        recall_drop: share of the recall@30 that was measured which is lost on the newest events, where chance does not explain it
            and 20 users or more asked.
        coverage_drop: share of the coverage of lists when the test began that is lost now.
        concentration_rise: how much the Gini coefficient of places in lists rose.
        attribute_shift: share of an attribute's values that would have to move, beyond what chance moves.
        gone_share: a value that so many listings had in training and no new one has.
        photo_shift: Fréchet distance as a share of the known photos' variance, beyond what chance makes.
        history_shift: the same of the vectors of what people looked at last, and of their actions' shares.
        cold_share: share of live listings of which no event trained.
        top_tenth: share of places that the tenth of sellers with the most places has.
        vectors_days, event_days: age of the vectors, and of the newest event.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    recall_drop: float | None = Field(0.1, ge=0, le=1)
    coverage_drop: float | None = Field(0.25, ge=0, le=1)
    concentration_rise: float | None = Field(0.1, ge=0, le=1)
    attribute_shift: float | None = Field(0.1, ge=0, le=1)
    gone_share: float | None = Field(0.05, gt=0, le=1)
    photo_shift: float | None = Field(0.1, ge=0)
    history_shift: float | None = Field(0.15, ge=0)
    cold_share: float | None = Field(None, ge=0, le=1)
    top_tenth: float | None = Field(None, ge=0, le=1)
    vectors_days: float | None = Field(None, ge=0)
    event_days: float | None = Field(None, ge=0)

    @classmethod
    def of(cls, given: Thresholds | Mapping[str, Any] | Path | str | None) -> Thresholds:
        """Thresholds as they are given: whole, by their keys, or as a TOML file with some of them.

        Raises:
            VibesError: no such file, an unknown key, or a value out of range.
        """
        if isinstance(given, Thresholds):
            return given
        name = "The thresholds"
        if isinstance(given, Path | str):
            name, given = str(given), read_toml(Path(given), "give a TOML file with thresholds")
        try:
            return cls.model_validate(
                {name: None if value == "none" else value for name, value in (given or {}).items()}
            )
        except ValidationError as error:
            raise VibesError(f"{name}: {first_problem(error, cls)}") from error


class Check(BaseModel):
    """One thing that was looked at.

    Attributes:
        name: such as "recall" or "attribute"; of: the attribute, where it is of one; group: of which listings.
        value, low, high: what it is now, and its 95 % interval where it has one.
        before: what it was when the model was trained or measured.
        floor: what chance alone makes of `value`.
        crossed: whether a threshold is.
        sentence: what was found; look: what to look at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    of: str = ""
    group: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    before: float | None = None
    floor: float | None = None
    crossed: bool = False
    sentence: str
    look: str = ""


class Reached(BaseModel):
    """How far a look saw, from where the next one goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: int = 0  # row of the first listing that was new to it
    listings: int = 0  # how many there were
    last: str = ""  # id of the last of them


class Monitored(BaseModel):
    """What `vibes monitor` found; `text()` says it in lines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    of: str = ""  # which model it looked at, see `model_of`
    market: str
    market_changed: bool = False  # since the run was made
    generation: int
    looked: str  # when, UTC
    since: str | None = None  # the newest events begin here; None: there is none
    queries: int = 0  # of the newest events
    thresholds: Thresholds
    checks: list[Check]
    reached: Reached = Reached()

    @property
    def crossed(self) -> list[Check]:
        """The checks with a crossed threshold."""
        return [check for check in self.checks if check.crossed]

    @property
    def verdict(self) -> str:
        """One sentence over all."""
        number = len(self.crossed)
        if not number:
            return f"Nothing stands out: none of {len(self.checks)} checks crossed its threshold."
        return f"{number} of {len(self.checks)} checks crossed {'their' if number > 1 else 'its'} threshold."

    def text(self) -> str:
        """As `vibes monitor` prints it: first what crossed, then the rest."""
        after = f", after {count(self.generation, 'refresh', 'refreshes')}" if self.generation else ""
        lines = [f"Is {self.run} still good? {self.market}, looked at {self.looked}{after}", self.verdict]
        for check in self.crossed:
            lines += ["", f"! {check.sentence}", f"  Look at: {check.look}"]
        return "\n".join(map(escaped, [*lines, "", *self.quiet]))

    @property
    def quiet(self) -> list[str]:
        """What the other checks found, a sentence each; of the attributes, which are many, one for all."""
        return [sentence for sentence, _ in self.quiet_checks]

    @property
    def quiet_checks(self) -> list[tuple[str, Check]]:
        """The sentences of `quiet`, each with its check; that of the attributes with the farthest one."""
        rest = [check for check in self.checks if not check.crossed]
        found = [(check.sentence, check) for check in rest if check.name != "attribute"]
        attributes = [check for check in rest if check.name == "attribute"]
        if attributes:
            most = max(attributes, key=lambda one: (one.value or 0) - (one.floor or 0))
            told = (
                f"{count(len(attributes), 'attribute')} crossed no threshold; the farthest: {most.sentence}"
            )
            found.append((told, most))
        return found

    def __repr__(self) -> str:
        return self.text()

    def save(self, run: Path) -> None:
        """Keep it beside the run.

        Raises:
            VibesError: the disk is full or the folder cannot be written.
        """
        write_text(run / FILE, self.model_dump_json(indent=1))

    @classmethod
    def load(cls, run: Path) -> Monitored | None:
        """What was kept last; None where nobody looked since the run got its model.

        Raises:
            VibesError: the file is damaged.
        """
        found = read_json(run / FILE, f"look again with `vibes monitor {run}`", cls.model_validate)
        return None if found is not None and found.of not in ("", model_of(run)) else found


def model_of(run: Path) -> str:
    """What tells the model of a run folder from the one before it."""
    stamp = stamp_of(run)
    return f"{stamp.base[:16]}-{stamp.model}"
