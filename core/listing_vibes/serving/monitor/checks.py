"""The checks of a run with their thresholds, and what they found, stored as `monitor.json` beside the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from listing_vibes.errors import VibesError, escaped
from listing_vibes.market.documents import first_problem, read_json, read_toml, write_text
from listing_vibes.run.versions import stamp_of
from listing_vibes.tables import render_table
from listing_vibes.words import count

FILE = "monitor.json"


class Thresholds(BaseModel):
    """From when a check crosses its threshold; None: it never does. A difference has to be significant as well.

    Attributes:
        recall_drop: share of the recall@30 that was measured which is lost on the newest events of 20 users or more.
        coverage_drop: share of the coverage of lists when the test began that is lost now.
        concentration_rise: how much the Gini coefficient of ranks in lists rose.
        attribute_shift: total variation: the share of an attribute's values that would have to move.
        gone_share: a value that so many listings had in training and no new one has.
        photo_shift: Fréchet distance as a share of the known photos' variance.
        history_shift: the same of the vectors of what users interacted with last, and the total variation of their actions.
        cold_share: share of active listings of which no event trained.
        top_tenth: share of the ranks in lists that the tenth of sellers shown most has.
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
    """One thing that was measured.

    Attributes:
        name: such as "recall" or "attribute"; of: the attribute, where it is of one; group: of which listings.
        value, low, high: what it is now, and its 95 % interval where it has one.
        before: what it was when the model was trained or measured.
        p: how probable a difference as great is by chance.
        crossed: whether it crosses its threshold.
        sentence: what was found; look: what to look at.
        listings: (L,) bool of the listings that it is about, for `listing_vibes.serving.monitor.monitor.write_evidence`; not stored.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    of: str = ""
    group: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    before: float | None = None
    p: float | None = None
    crossed: bool = False
    sentence: str
    look: str = ""
    listings: Any = Field(None, exclude=True, repr=False)


class Monitored(BaseModel):
    """What `vibes monitor` found; `text()` says it in lines, `frame()` has a row a check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    of: str = ""  # which model was checked, see `model_of`
    market: str
    market_changed: bool = False  # since the run was made
    generation: int
    looked: str  # when, UTC
    since: str | None = None  # the newest events begin here; None: there is none
    queries: int = 0  # of the newest events
    thresholds: Thresholds
    checks: list[Check]

    @property
    def crossed(self) -> list[Check]:
        """The checks that crossed their threshold."""
        return [check for check in self.checks if check.crossed]

    @property
    def quiet(self) -> list[Check]:
        """The other checks; of the attributes, which are many, the one with the least p."""
        rest = [check for check in self.checks if not check.crossed]
        attributes = sorted(
            (check for check in rest if check.name == "attribute"), key=lambda item: item.p or 0
        )
        return [check for check in rest if check.name != "attribute" or check is attributes[0]]

    @property
    def verdict(self) -> str:
        """One sentence over all."""
        number = len(self.crossed)
        if not number:
            return f"Nothing stands out: none of {len(self.checks)} checks crossed its threshold."
        return f"{number} of {len(self.checks)} checks crossed {'their' if number > 1 else 'its'} threshold."

    def frame(self) -> pd.DataFrame:
        """Return a row a check: `check, of, listings, value, before, p, crossed`."""
        columns = {"check": "name", "of": "of", "listings": "group"}
        columns |= {name: name for name in ("value", "before", "p", "crossed")}
        rows = [[getattr(check, name) for name in columns.values()] for check in self.checks]
        return pd.DataFrame(rows, columns=list(columns))

    def text(self) -> str:
        """Return what `vibes monitor` prints: first what crossed, then all as a table."""
        after = f", after {count(self.generation, 'refresh', 'refreshes')}" if self.generation else ""
        lines = [f"Is {self.run} still good? {self.market}, checked at {self.looked}{after}", self.verdict]
        for check in self.crossed:
            lines += ["", f"! {check.sentence}", f"  Look at: {check.look}"]
        numbers = {"value": "{:.3g}", "before": "{:.3g}", "p": "{:.3f}"}
        table = self.frame().astype(object)
        for name, form in numbers.items():
            table[name] = [
                None if cell is None or cell != cell else form.format(cell) for cell in table[name]
            ]
        table["crossed"] = ["yes" if cell else "" for cell in table["crossed"]]
        return "\n".join(map(escaped, [*lines, "", *render_table(table).splitlines()]))

    def __repr__(self) -> str:
        return self.text()

    def save(self, run: Path) -> None:
        """Store it beside the run.

        Raises:
            VibesError: the disk is full or the folder cannot be written.
        """
        write_text(run / FILE, self.model_dump_json(indent=1))

    @classmethod
    def load(cls, run: Path) -> Monitored | None:
        """Return what was stored last; None where nothing was checked since the run got its model, or by an earlier version.

        Raises:
            VibesError: the file is damaged.
        """
        result = read_json(run / FILE, f"check again with `vibes monitor {run}`", _parse)
        return None if result is not None and result.of not in ("", model_of(run)) else result


def _parse(content: Any) -> Monitored | None:
    return None if "reached" in content else Monitored.model_validate(content)


def model_of(run: Path) -> str:
    """Return what tells the model of a run folder from the one before it."""
    stamp = stamp_of(run)
    return f"{stamp.base[:16]}-{stamp.model}"
