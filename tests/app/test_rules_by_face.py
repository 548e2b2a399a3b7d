"""The reference's table of rules by face: each rule is asked of command, batch, service, page and Python on the demo.

A cell says for what it was asked there and gave the list that Python gives, which is not the one without a rule. The guide's table
is compared with what was found; where they differ the one that was found is printed.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from looking import components

from helpers.commands import rules_file, vibes
from helpers.serving import app_of, serving
from listing_vibes import Run
from listing_vibes.demo.shipped import ROOT as DEMO
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.rules import Rules
from listing_vibes.serving.batch.job import part_path, prepare

GUIDE = Path(__file__).parents[2] / "assets" / "docs" / "reference" / "rules.md"
RUN, USER, LISTING, K, CHUNK = DEMO / "run", "user-00016", "home-0100", 12, 256
FACES = ("command", "batch", "service", "page", "Python")
KINDS = {"recommend": "users", "similar": "listings"}
TOLD_BY = " · "  # what a card says behind a score that a rule overrules
NO_ADDITION = "what is added to the model goes by a user's history, and a listing has none"
NO_HISTORY = "a listing has no history of which anything was seen"
NO_MOMENT = "the page of similar listings has no moment; its filter of a day asks what was live then"


@dataclass(frozen=True)
class Case:
    """A rule: what Python is told, the command's options and the page's address."""

    rules: dict[str, Any] = field(default_factory=dict)
    page: dict[str, str] = field(default_factory=dict)
    at: str | None = None
    blend: str | None = None
    not_for: str = ""  # why there is no such rule for listings
    no_page: str = ""  # why the page of similar listings has none
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
        "none": Case(as_usual=tuple(KINDS)),
        "`--blend recency`": Case({}, {"with": "recency"}, blend="recency", not_for=NO_ADDITION),
        "`--blend nothing`": Case({}, {"with": "nothing"}, blend="nothing", not_for=NO_ADDITION),
        "`--at`, live then": Case({"live_only": True}, {"live": "1", "day": day}, at=day, no_page=NO_MOMENT),
        "`live_only: true`": Case({"live_only": True}, {"live": "1"}, as_usual=("recommend",)),
        "`live_only: false`": Case({"live_only": False}, {"live": "0"}, as_usual=("similar",)),
        "`drop_seen: false`": Case({"drop_seen": False}, {"seen": "1"}, not_for=NO_HISTORY),
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
    return named(found.to_dict("records"))


def named(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["listing_id"], one.get("rule", "")) for one in found]


class Faces:
    """Each face, asked for one list under a case: of the demo's user, or of its listing."""

    def __init__(self, run: Run, client: Any, show: Callable[..., Any], folder: Path) -> None:
        self.run, self.client, self.show, self.folder = run, client, show, folder
        self.drawn: dict[str, Any] = {}
        self.jobs = 0

    def python(self, kind: str, case: Case) -> list[tuple[str, str]]:
        if kind == "recommend":
            return listed(self.run.recommend(USER, K, at=case.at, rules=case.rules, blend=case.blend))
        return listed(self.run.similar(LISTING, K, at=case.at, rules=case.rules))

    def command(self, kind: str, case: Case) -> list[tuple[str, str]]:
        of = USER if kind == "recommend" else LISTING
        options = rules_file(self.folder.parent, **case.rules)
        options += ["--at", case.at] if case.at else []
        options += ["--blend", case.blend] if case.blend else []
        return named(json.loads(vibes(kind, RUN, of, "-k", K, *options, "--json").stdout))

    def service(self, kind: str, case: Case) -> list[tuple[str, str]]:
        more = {"at": case.at, "blend": case.blend}
        asked = case.rules | {"k": K} | {name: value for name, value in more.items() if value is not None}
        answer = self.client.get(f"/{kind}/{USER if kind == 'recommend' else LISTING}", params=asked)
        assert answer.status_code == 200, answer.json()
        return named(answer.json()["results"])

    def batch(self, kind: str, case: Case) -> list[tuple[str, str]]:
        """The chunk of the job of all lists that has ours; the other chunks are left."""
        self.jobs += 1
        out = self.folder / str(self.jobs)
        rules = Rules.of(case.rules | {"k": K})
        scorer = prepare(RUN, out, kind, rules, "model", case.at, CHUNK, blend=case.blend)  # type: ignore[arg-type]
        is_user, run = kind == "recommend", scorer.run
        row = run.log.users.index(USER) if is_user else run.listing_row[LISTING]
        number = int(np.flatnonzero(scorer.rows == row)[0]) // CHUNK
        scorer.write_chunk(number)
        found = pq.read_table(part_path(out, number)).to_pandas().sort_values("rank")
        column = C.USER if is_user else C.LISTING
        mine = found[found[column] == (USER if is_user else LISTING)]
        return listed(mine.drop(columns=column).rename(columns={"candidate_id": C.LISTING}))

    def page(self, kind: str, case: Case) -> list[tuple[str, str]]:
        name, label = (
            ("users", "Recommendations, the best first")
            if kind == "recommend"
            else ("similar", "neighbors by")
        )
        of = {"user": USER} if kind == "recommend" else {"listing": LISTING, "space": "model"}
        if kind == "recommend" and case.at is None:  # as of all that is known of the user
            of["at"] = "999"
        if name not in self.drawn:
            self.drawn[name] = self.show(name, RUN, k=str(K), **of)
        drawn = self.drawn[name]
        drawn.query_params.clear()
        drawn.query_params.update({"k": str(K)} | of | case.page)
        drawn.run()
        assert not drawn.exception, drawn.exception
        (found,) = [one for one in components(drawn, "gallery") if label in one["label"]]
        return [(card["href"].split("listing=")[1].split("&")[0], card["score"]) for card in found["cards"]]


@pytest.fixture
def faces(show, tmp_path, monkeypatch) -> Iterator[Faces]:
    """On the demo, whose tables are read once for all jobs."""
    tables, read = {}, Market.open.__func__

    def read_once(cls, *told):
        if told not in tables:
            tables[told] = read(cls, *told)
        return tables[told]

    monkeypatch.setattr(Market, "open", classmethod(read_once))
    with serving(app_of(RUN)) as client:
        yield Faces(Run.open(RUN), client, show, tmp_path / "jobs")


def table(faces: Faces, asked: dict[str, Case]) -> str:
    """The table as the guide has it, of what was asked here: for users, listings or both.

    Raises:
        AssertionError: a face gave another list than Python, or a rule changed nothing.
    """
    notes: list[str] = []
    lines = [f"| rule | {' | '.join(FACES)} |", f"|{'---|' * (1 + len(FACES))}"]
    usual = {kind: faces.python(kind, Case()) for kind in KINDS}

    def noted(why: str) -> str:
        if why not in notes:
            notes.append(why)
        return f"<sup>{notes.index(why) + 1}</sup>"

    for name, case in asked.items():
        cells = dict.fromkeys(FACES, "")
        for kind, called in KINDS.items():
            why = case.not_for if kind == "similar" else ""
            expected = [] if why else faces.python(kind, case)
            if not why:
                assert expected and (expected == usual[kind]) == (kind in case.as_usual), f"{name}, {called}"
            for face in FACES:
                missing = why or (case.no_page if (kind, face) == ("similar", "page") else "")
                if missing:
                    cells[face] += noted(missing)
                    continue
                found = getattr(faces, face.lower())(kind, case)
                if face == "page":  # whose cards have a sentence in the place of a rule's name
                    assert [one for one, _ in found] == [one for one, _ in expected], (
                        f"{name}, {called}, {face}"
                    )
                    marked = [bool(told) for _, told in expected]
                    assert [TOLD_BY in score for _, score in found] == marked, f"{name}, {called}, {face}"
                else:
                    assert found == expected, f"{name}, {called}, {face}"
                cells[face] = "both" if cells[face] == "users" else called + cells[face]
        lines.append(f"| {name} | {' | '.join(cells[face] for face in FACES)} |")
    return "\n".join([*lines, "", *(f"- <sup>{number}</sup> {why}" for number, why in enumerate(notes, 1))])


@pytest.mark.slow
def test_the_table_of_rules_by_face_is_what_was_found(faces):
    found = table(faces, cases(faces.run))
    assert found in GUIDE.read_text(), f"The guide's table should be:\n\n{found}"
