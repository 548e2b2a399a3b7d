"""Each rule gives on the explorer's pages the list that Python gives, which is not the one without a rule.

`serving/test_one_recommender.py` asks command, batch and service for the same.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from looking import components

from listing_vibes import Run
from listing_vibes.demo.shipped import ROOT as DEMO
from listing_vibes.market.columns import Columns as C

GUIDE = Path(__file__).parents[2] / "assets" / "docs" / "reference" / "rules.md"
RUN, USER, LISTING, K = DEMO / "run", "user-00016", "home-0100", 12
KINDS = ("recommend", "similar")
TOLD_BY = " · "  # what a card says behind a score that a rule overrules


@dataclass(frozen=True)
class Case:
    """A rule: what Python is told and the page's address."""

    rules: dict[str, Any] = field(default_factory=dict)
    page: dict[str, str] = field(default_factory=dict)
    at: str | None = None
    blend: str | None = None
    kinds: tuple[str, ...] = KINDS  # a listing has no history, and its page no moment
    as_usual: tuple[str, ...] = ()  # for which the list is that without a rule


def rule(name: str, *values: str, page: str | None = None, **more: Any) -> Case:
    """A rule that may be given several times, each time with one value."""
    return Case({name: list(values)}, {name: page or ";".join(values)}, **more)


def cases(run: Run) -> dict[str, Case]:
    """The rules by the names of the guide's table, with values that change both lists of the demo."""
    ids, (_, best, *_), (_, near, *_) = (
        run.listing_ids,
        listed(run.recommend(USER, K)),
        listed(run.similar(LISTING, K)),
    )
    place = ",".join(f"{run.market.listings[name].median():.5f}" for name in (C.LATITUDE, C.LONGITUDE))
    day = "2025-03-20"
    return {
        "none": Case(as_usual=KINDS),
        "`--blend recency`": Case({}, {"with": "recency"}, blend="recency", kinds=("recommend",)),
        "`--blend nothing`": Case({}, {"with": "nothing"}, blend="nothing", kinds=("recommend",)),
        "`--at`, live then": Case({"live_only": True}, {"live": "1", "day": day}, at=day, kinds=("recommend",)),
        "`live_only: true`": Case({"live_only": True}, {"live": "1"}, as_usual=("recommend",)),
        "`live_only: false`": Case({"live_only": False}, {"live": "0"}, as_usual=("similar",)),
        "`drop_seen: false`": Case({"drop_seen": False}, {"seen": "1"}, kinds=("recommend",)),
        "`where`": rule("where", "price<=1200", "rooms=2|3"),
        "`same`": rule("same", "building"),
        "`at_most`": Case({"at_most": 1, "seller": "district"}, {"most": "1", "per": "district"}),
        "`diversity`": Case({"diversity": 0.5}, {"variety": "5"}),
        "`pin`": rule("pin", ids[700], ids[30]),
        "`block`": rule("block", best[0], near[0]),
        "`not`": rule("not", best[0], near[0]),
        "`boost: fresh ...`": rule("boost", "fresh 1 14d"),
        "`boost: near ...`": rule("boost", f"near {place} 1 500m"),
        "`dial`": rule("dial", f"mine 1.5 model +{ids[5]} +{ids[9]} -{ids[14]}"),
        "`fill`": Case({"where": ["price<=400"], "fill": True}, {"where": "price<=400", "fill": "1"}),
    }  # fmt: skip


def listed(found: pd.DataFrame) -> list[tuple[str, str]]:
    """Ids of a list with what put them there."""
    return [(one["listing_id"], one.get("rule", "")) for one in found.to_dict("records")]


def by_python(run: Run, kind: str, case: Case) -> list[tuple[str, str]]:
    if kind == "recommend":
        return listed(run.recommend(USER, K, at=case.at, rules=case.rules, blend=case.blend))
    return listed(run.similar(LISTING, K, at=case.at, rules=case.rules))


def on_page(drawn: Any, kind: str, case: Case) -> list[tuple[str, str]]:
    """The listings of the page's cards, each with its score as the card says it."""
    of = {"user": USER} if kind == "recommend" else {"listing": LISTING, "space": "model"}
    if kind == "recommend" and case.at is None:  # as of all that is known of the user
        of["at"] = "999"
    drawn.query_params.clear()
    drawn.query_params.update({"k": str(K)} | of | case.page)
    drawn.run()
    assert not drawn.exception, drawn.exception
    label = "Recommendations, the best first" if kind == "recommend" else "neighbors by"
    (found,) = [one for one in components(drawn, "gallery") if label in one["label"]]
    return [(card["href"].split("listing=")[1].split("&")[0], card["score"]) for card in found["cards"]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_gives_on_its_page_the_list_that_python_gives(show, kind):
    run, usual = Run.open(RUN), None
    page = ("users", {"user": USER}) if kind == "recommend" else ("similar", {"listing": LISTING})
    drawn = show(page[0], RUN, k=str(K), **page[1])
    for name, case in cases(run).items():
        assert f"| {name} |" in GUIDE.read_text()
        if kind not in case.kinds:
            continue
        expected = by_python(run, kind, case)
        usual = usual or expected
        assert expected and (expected == usual) == (kind in case.as_usual), name
        found = on_page(drawn, kind, case)
        assert [one for one, _ in found] == [one for one, _ in expected], name
        # A card has a sentence in the place of a rule's name.
        assert [TOLD_BY in score for _, score in found] == [bool(told) for _, told in expected], name
