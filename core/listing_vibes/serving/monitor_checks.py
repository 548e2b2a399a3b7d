"""The checks of a run, stored as `monitor.json` in its folder: thresholds, results, and the tests for drift since training."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from listing_vibes.errors import escaped, printable
from listing_vibes.features.market_summary import AttributeSpread, MarketSummary, PhotoSpread
from listing_vibes.market.documents import Forbidding, read_json, read_toml, validate, write_text
from listing_vibes.market.market import Market
from listing_vibes.run.versions import stamp_of
from listing_vibes.words import render_table

FILE = "monitor.json"
#: Family-wise error rate of the tests of one check, and the minimum number of users or listings to test.
ALPHA, FEWEST = 0.01, 20
#: Permutations of a test, and maximum number of a group's photos that are read.
PERMUTATIONS, MOST = 200, 5000
#: Advice on a shift if the run was trained on its market.
TRAIN = "train the run again"


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


@dataclass(frozen=True)
class ListingGroup:
    """Listings to compare with those in training; `words` names them in a sentence."""

    name: str
    words: str
    rows: np.ndarray  # (n,)


def permutation_p(statistic: Callable[[np.ndarray], float], chosen: np.ndarray, rest: np.ndarray) -> float:
    """Return the p-value of the `statistic` of the values `chosen`, against as many values drawn from all."""
    from scipy import stats  # a slow import that the first page does not need

    if len(rest) < 2:
        return 1.0
    return float(
        stats.permutation_test(
            (chosen, rest), lambda drawn, _: statistic(drawn), vectorized=False, n_resamples=PERMUTATIONS,
            alternative="greater", rng=0,
        ).pvalue
    )  # fmt: skip


def attribute_checks(
    seen: MarketSummary,
    market: Market,
    groups: Sequence[ListingGroup],
    labels: Mapping[str, str],
    limits: Thresholds,
    advice: str = TRAIN,
) -> list[Check]:
    """Return one check per shared attribute, for the group that differs most by a chi-square test.

    Args:
        market: the market as seen by the model, see `listing_vibes.features.market_summary.view_market`.
        advice: what to do about a lasting shift; "" if nothing helps.
    """
    kinds = {attribute.name: attribute.kind for attribute in market.attributes}
    available = {name: s for name, s in seen.attributes.items() if kinds.get(name) == s.entry.kind}
    groups = [group for group in groups if len(group.rows) >= FEWEST]
    level, limit = ALPHA / max(1, len(available) * len(groups)), limits.attribute_shift

    def check(spread: AttributeSpread, group: ListingGroup) -> Check:
        rows, label = market.listings.iloc[group.rows], labels.get(spread.entry.name, spread.entry.name)
        now = AttributeSpread.by(spread.entry, rows.reset_index(drop=True))
        before, after = spread.distribution, now.distribution
        value, p = (
            float(0.5 * np.abs(before - after).sum()),
            _chi_square_p(seen.listings * before, len(rows) * after),
        )
        change = f"{_describe_change(spread, now, rows)}; " if p < level else ""
        hint = f"{group.words} by {label}, where they come from, and whether one unit or spelling changed"
        return Check(
            name="attribute", of=spread.entry.name, group=group.name, value=value, p=p,
            crossed=limit is not None and value > limit and p < level,
            sentence=f"{label} of {group.words}: {change}{value:.0%} of the values would have to move (p {p:.3f}).",
            hint=f"{hint}; if it stays so, {advice}." if advice else f"{hint}.",
        )  # fmt: skip

    checks = [[check(spread, group) for group in groups] for spread in available.values()]
    return [min(each, key=lambda item: (not item.crossed, item.p)) for each in checks if each]


def _chi_square_p(before: np.ndarray, after: np.ndarray) -> float:
    """Return the p-value of two rows of counts; rare values are merged."""
    from scipy import stats

    table = np.round(np.stack([before, after]))
    is_rare = table.sum(axis=0) < 10
    table = np.column_stack([table[:, ~is_rare], table[:, is_rare].sum(axis=1)])
    table = table[:, table.sum(axis=0) > 0]
    return float(stats.chi2_contingency(table).pvalue) if table.shape[1] > 1 else 1.0


def _describe_change(spread: AttributeSpread, now: AttributeSpread, rows: pd.DataFrame) -> str:
    """Describe the largest change in words."""
    entry, change = spread.entry, now.distribution - spread.distribution
    if abs(change[-1]) >= np.abs(change[:-1]).max(initial=0):
        return f"missing were {spread.missing:.0%} and are {now.missing:.0%}"
    if entry.edges:
        shares = np.cumsum([0, *spread.shares]) / max(sum(spread.shares), 1e-9)
        middle, here = np.interp(0.5, shares, entry.edges), rows[entry.name].astype(float).median()
        return f"the median was {middle:,.4g} and is {here:,.4g}"
    place = int(np.abs(change[:-1]).argmax())
    name = f"'{printable(entry.values[place])}'" if place < len(entry.values) else "share of other values"
    return f"{name} was {spread.distribution[place]:.0%} and is {now.distribution[place]:.0%}"


def photo_check(
    seen: MarketSummary,
    vectors: np.ndarray,
    listing: np.ndarray,
    groups: Sequence[ListingGroup],
    limits: Thresholds,
) -> Check | None:
    """Return the distance of a group's photos from those in training, tested by permutation; of the groups, the smallest p-value.

    Args:
        vectors: (P, d) of the model's photo encoder, reduced as for `seen`.
        listing: (P,) row of each photo's listing.
    """
    trained, limit = seen.photos, limits.photo_shift
    if trained is None:
        return None
    order, has_photos = np.argsort(listing, kind="stable"), np.unique(listing)

    def distance(rows: np.ndarray) -> float:
        left, right = (np.searchsorted(listing[order], rows, side) for side in ("left", "right"))
        photos = np.concatenate([order[a:b] for a, b in zip(left, right, strict=True)])
        return trained.distance(PhotoSpread.by(vectors[photos[:MOST]]))

    checks = []
    for group in groups:
        mine, rest = np.intersect1d(group.rows, has_photos), np.setdiff1d(has_photos, group.rows)
        if len(mine) >= FEWEST:
            value = distance(mine)
            p = permutation_p(distance, mine, rest)
            checks.append(Check(
                name="photos", group=group.name, value=value, p=p,
                crossed=limit is not None and value > limit and p < ALPHA,
                sentence=f"Photos of {group.words} lie {value:.0%} of the known spread away from those that trained (p {p:.3f}).",
                hint=f"the photos of {group.words}: are they sharp, complete, and of the listings?",
            ))  # fmt: skip
    return min(checks, key=lambda item: (item.p, -(item.value or 0)), default=None)
