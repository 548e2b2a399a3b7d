"""The checks of a run, their thresholds and their results, stored as `monitor.json` in the run folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from listing_vibes.errors import escaped
from listing_vibes.market.documents import Forbidding, read_json, read_toml, validate, write_text
from listing_vibes.run.versions import stamp_of
from listing_vibes.tables import render_table

FILE = "monitor.json"
#: Family-wise error rate of the tests of one check, and the minimum number of users or listings to test.
ALPHA, FEWEST = 0.01, 20


class Thresholds(Forbidding, allow_inf_nan=False):
    """Thresholds of the checks; None disables one. A difference must be significant as well.

    Attributes:
        recall_drop: relative drop of recall@30 from the evaluation to the newest events, of 20 users or more.
        coverage_drop: relative drop of the coverage of lists since the start of the test period.
        attribute_shift: total variation distance of an attribute's values.
        photo_shift: Fréchet distance as a share of the variance of the training photos.
    """

    recall_drop: float | None = Field(0.1, ge=0, le=1)
    coverage_drop: float | None = Field(0.25, ge=0, le=1)
    attribute_shift: float | None = Field(0.1, ge=0, le=1)
    photo_shift: float | None = Field(0.1, ge=0)

    @classmethod
    def of(cls, given: "Thresholds | Mapping[str, Any] | Path | str | None") -> "Thresholds":
        """Return thresholds from an instance, a mapping, or a TOML file; missing keys have their defaults.

        Raises:
            VibesError: the file does not exist, a key is unknown, or a value is out of range.
        """
        if isinstance(given, Thresholds):
            return given
        name = "The thresholds"
        if isinstance(given, Path | str):
            name, given = str(given), read_toml(Path(given), "give a TOML file with thresholds")
        values = {key: None if value == "none" else value for key, value in (given or {}).items()}
        return validate(cls, values, name)


class Check(Forbidding, allow_inf_nan=False):
    """The result of one check.

    Attributes:
        name: such as "recall" or "attribute"; of: the attribute, if any; group: which listings.
        value, low, high: the current value, and its 95 % interval if it has one.
        before: the value when the model was trained or evaluated; p: the p-value of the difference.
        sentence: the result in words; hint: what to inspect.
    """

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
    hint: str = ""


class Monitored(Forbidding):
    """The result of `vibes monitor`; `text()` renders it, `frame()` has one row per check."""

    run: str
    of: str  # id of the checked model, see `model_of`
    market: str
    market_changed: bool = False  # since the run was made
    version: int  # of the run
    checked_at: str  # time of the check, UTC
    since: str | None = None  # start of the newest events; None: there are none
    queries: int = 0  # of the newest events
    thresholds: Thresholds
    checks: list[Check]

    @property
    def crossed(self) -> list[Check]:
        """Return the checks that crossed their threshold."""
        return [check for check in self.checks if check.crossed]

    @property
    def quiet(self) -> list[Check]:
        """Return the other checks; of the attributes, which are many, the one with the smallest p-value."""
        rest = [check for check in self.checks if not check.crossed]
        attributes = [check for check in rest if check.name == "attribute"]
        nearest = min(attributes, key=lambda check: check.p or 0, default=None)
        return [check for check in rest if check.name != "attribute" or check is nearest]

    @property
    def verdict(self) -> str:
        """Return one sentence with the number of checks that crossed their threshold."""
        number = len(self.crossed)
        if not number:
            return f"Nothing stands out: none of {len(self.checks)} checks crossed its threshold."
        return f"{number} of {len(self.checks)} checks crossed {'their' if number > 1 else 'its'} threshold."

    def frame(self) -> pd.DataFrame:
        """Return one row per check: `check, of, listings, value, before, p, crossed`."""
        columns = {"check": "name", "of": "of", "listings": "group"}
        columns |= {name: name for name in ("value", "before", "p", "crossed")}
        rows = [[getattr(check, name) for name in columns.values()] for check in self.checks]
        return pd.DataFrame(rows, columns=list(columns))

    def text(self) -> str:
        """Return the output of `vibes monitor`: first the crossed thresholds, then all checks as a table."""
        lines = [
            f"Is {self.run} still good? {self.market}, version {self.version}, checked at {self.checked_at}"
        ]
        lines.append(self.verdict)
        for check in self.crossed:
            lines += ["", f"! {check.sentence}", f"  Look at: {check.hint}"]
        table = self.frame().astype(object)
        for name, form in {"value": "{:.3g}", "before": "{:.3g}", "p": "{:.3f}"}.items():
            table[name] = table[name].map(form.format, na_action="ignore")
        table["crossed"] = table["crossed"].map({True: "yes", False: ""})
        return "\n".join(map(escaped, [*lines, "", *render_table(table).splitlines()]))

    def __repr__(self) -> str:
        return self.text()

    def save(self, run: Path) -> None:
        """Save the result in the run folder."""
        write_text(run / FILE, self.model_dump_json(indent=1))

    @classmethod
    def load(cls, run: Path) -> "Monitored | None":
        """Return the last saved result; None if there is none, or if it is of another model.

        Raises:
            VibesError: the file is damaged or of an earlier version.
        """
        result = read_json(run / FILE, f"check again with `vibes monitor {run}`", cls.model_validate)
        return result if result is not None and result.of == model_of(run) else None


def model_of(run: Path) -> str:
    """Return an id of the model in a run folder."""
    stamp = stamp_of(run)
    return f"{stamp.base[:16]}-{stamp.model}"
