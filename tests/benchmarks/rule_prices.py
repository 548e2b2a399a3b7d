"""What diversity, boosts and limits cost in recall: `python -m tests.benchmarks.rule_prices RUN [--queries 600] [--json]`.

The run's test queries (a sample of them, drawn by chance), each at its own moment, are answered with lists of 30 without a
rule and under each rule at rising strength, by the one recommender. Told are recall@30 (a mean over users) with the paired
difference to no rule and its 95 % interval, and what is bought with it: how alike the listings of a list are (mean cosine
of all pairs), how many different values of the limited attribute it has, the share that is at most two weeks old, and the
median way to the newest listing of the history, from where "near" asks. `--figure OUT.svg NAME=FILE.json ...` draws what `--json`
found on several markets as curves, without measuring anything.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import estimates
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import DAY
from listing_vibes.market.splits import Queries
from listing_vibes.run.groups import Groups, resolve_rules
from listing_vibes.run.places import distance
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.scoring.metrics import user_means

DEMO = Path(__file__).parents[2] / "assets" / "demo" / "run"
STRENGTHS = {
    "diversity": (0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
    "fresh": (0.1, 0.25, 0.5, 1.0, 2.0),
    "near": (0.1, 0.25, 0.5, 1.0, 2.0),
    "at most": (10, 5, 3, 2, 1),
}


def rule_of(name: str, strength: float, place: str, seller: str | None) -> Rules | None:
    """The rule of a name at a strength; None where a market cannot have it."""
    if name == "diversity":
        return Rules(diversity=strength)
    if name == "fresh":
        return Rules(boost=(f"fresh {strength} 14d",))
    if name == "near":
        return Rules(boost=(f"near {place} {strength} 2km",)) if place else None
    return Rules(at_most=int(strength), seller=seller) if seller else None


class Prices:
    """The queries of a run, and what lists under a rule make of them."""

    def __init__(self, run: Run, queries: int, seller: str | None, beside: str | None = None) -> None:
        self.run, self.seller, self.beside = run, seller, beside
        asked = run.split().test
        if len(asked) > queries:
            rows = np.sort(np.random.default_rng(0).choice(len(asked), queries, replace=False))
            asked = asked.take(rows)
        self.asked: Queries = asked
        self.newest = run.log.listing[asked.end - 1]
        listings = run.market.listings
        self.places = (
            listings[[C.LATITUDE, C.LONGITUDE]].to_numpy(float)
            if C.LATITUDE in listings
            else np.full((len(listings), 2), np.nan)
        )
        self.groups = (
            None
            if seller is None
            else Groups.of(
                resolve_rules(Rules(at_most=1, seller=seller), run.market, True), run.market
            ).seller
        )

    def measure(self, name: str, strength: float) -> dict[str, np.ndarray] | None:
        """By query: whether the target is in the list, and what the list is like."""
        found: dict[str, list[float]] = {}
        for query in range(len(self.asked)):
            at, here = int(self.asked.at[query]), self.places[self.newest[query]]
            place = f"{here[0]:.5f},{here[1]:.5f}" if np.isfinite(here).all() else ""
            rule = Rules() if name == "none" else rule_of(name, strength, place, self.seller)
            if rule is None:
                return None
            try:
                maker = self.run.recommender(rules=rule, beside=self.beside)
            except VibesError:  # this market knows no moments, or no places
                return None
            one = slice(query, query + 1)
            rows = maker.recommend(self.run.log, self.asked.start[one], self.asked.end[one], at, 30).rows[0]
            for key, value in self._told(rows[rows >= 0], query, at, here).items():
                found.setdefault(key, []).append(value)
        return {key: np.array(values) for key, values in found.items()}

    def _told(self, rows: np.ndarray, query: int, at: int, here: np.ndarray) -> dict[str, float]:
        vectors = self.run.vectors("model")[rows]
        alike = vectors @ vectors.T
        pairs = alike[np.triu_indices(len(rows), 1)]
        since = self.run.catalogue.since[rows]
        dated = since > np.iinfo(np.int64).min
        ways = (
            distance(self.run.market, (float(here[0]), float(here[1])))[rows]
            if np.isfinite(here).all()
            else []
        )
        return {
            "hit": float(self.asked.target[query] in rows),
            "alike": float(pairs.mean()) if len(pairs) else 1.0,
            "values": float(len(np.unique(self.groups[rows]))) if self.groups is not None else np.nan,
            "young": float((at - since[dated] <= 14 * DAY).mean()) if dated.any() else np.nan,
            "km": float(np.nanmedian(ways)) if len(ways) else np.nan,
        }  # fmt: skip


def table(path: Path, queries: int, seller: str | None, beside: str | None = None) -> pd.DataFrame:
    """One row a rule and strength."""
    prices = Prices(Run.open(path), queries, seller, beside)
    user = prices.asked.user
    none = prices.measure("none", 0.0)
    assert none is not None
    rows = []
    tried = [("none", 0.0), *((name, s) for name, all_ in STRENGTHS.items() for s in all_)]
    for name, strength in tried:
        found = none if name == "none" else prices.measure(name, strength)
        if found is None:
            continue
        hits = user_means(found["hit"][:, None], user)
        (now,), (delta,) = estimates(hits), estimates(hits - user_means(none["hit"][:, None], user))
        told = {key: float(np.nanmean(found[key])) if np.isfinite(found[key]).any() else None for key in ("alike", "values", "young", "km")}  # fmt: skip
        rows.append({"rule": name, "strength": strength, "recall@30": now["value"], "difference": delta["value"], "low": delta["low"], "high": delta["high"], **told})  # fmt: skip
    return pd.DataFrame(rows)


#: Colours that everybody tells apart (Okabe and Ito), and marks for print.
LOOKS = (("#0072b2", "o"), ("#d55e00", "s"), ("#009e73", "^"), ("#cc79a7", "D"))
AXES = {
    "diversity": "diversity (MMR)",
    "at most": "at most so many of a host or district",
    "near": "near: weight, half of it 2 km away",
    "fresh": "fresh: weight, half of it after 14 days",
}


def draw(markets: dict[str, pd.DataFrame], path: Path) -> None:
    """The paired difference in recall@30 against the strength of each rule, a curve with its interval a market."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 6.4), layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(2, 2, sharey=True).ravel()
    for axes, (rule, label) in zip(panels, AXES.items(), strict=True):
        for (market, found), (colour, mark) in zip(markets.items(), LOOKS, strict=False):
            rows = found[found["rule"] == rule].sort_values("strength")
            if rows.empty:
                continue
            place = -rows["strength"] if rule == "at most" else rows["strength"]
            axes.plot(place, rows["difference"], mark + "-", color=colour, markersize=5, label=market)
            axes.fill_between(place, rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
        if rule == "at most":  # stricter to the right, as in the other panels
            axes.set_xticks([-one for one in STRENGTHS[rule]], [str(one) for one in STRENGTHS[rule]])
        axes.axhline(0, color="#444", linewidth=0.8)
        axes.set_xlabel(label)
        axes.grid(color="#e3e6e8", linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for axes in panels[::2]:
        axes.set_ylabel("recall@30, difference to no rule")
    panels[0].legend(loc="lower left", frameon=False)
    # Without these the file would hold the date and random ids; and it stands on a white ground on any page.
    with matplotlib.rc_context({"svg.hashsalt": "vibes", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None}, facecolor="white")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="*", default=[str(DEMO)])
    parser.add_argument("--queries", type=int, default=600)
    parser.add_argument("--seller", help="the attribute of `at most`")
    parser.add_argument(
        "--blend", dest="beside", help="what lists add to the model, or nothing; default: as they are served"
    )
    parser.add_argument("--figure", type=Path, metavar="OUT.svg")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    if told.figure is not None:
        given = dict(one.split("=", 1) for one in told.run)
        draw({name: pd.read_json(file) for name, file in given.items()}, told.figure)
        return
    found = table(Path(told.run[0]), told.queries, told.seller, told.beside)
    if told.json:
        print(json.dumps(found.to_dict("records")))
    else:
        print(found.to_string(index=False, float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
