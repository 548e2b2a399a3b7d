"""What the golden tests compare: a run's vectors, lists under each rule, checks, figures, HTTP responses, batches and pages."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from streamlit.testing.v1 import AppTest

import listing_vibes_app
from helpers.commands import rules_file, vibes
from helpers.serving import app_of, serving
from listing_vibes import Run

HERE = Path(__file__).parent
RUNS, EXPECTED = HERE / "markets_and_runs", HERE / "expected"
DEMO = HERE.parents[1] / "assets" / "demo"
ROWS = 4
PAGES = ("overview", "similar", "users", "simulate", "map", "cold", "compare")

#: Rules of lists by run, each as name and value: every rule and every blend that the market allows.
RULES = {
    "demo": [
        ["--where", "price<=1500"], ["--same", "district"], ["--at-most", "2", "district"], ["--diversity", "0.5"],
        ["--pin", "home-0011", "--block", "home-0190"], ["--not", "home-0020"], ["--boost", "fresh 0.5 14d"],
        ["--same", "district", "--where", "price<=900", "--fill"], ["--dial", "lighter 1.5 photos +home-0003 -home-0004"],
    ],
    "typed": [
        ["--where", "price<=500"], ["--where", "style=city|road"], ["--where", "electric=yes"], ["--same", "style"],
        ["--at-most", "2", "style"], ["--diversity", "0.5"], ["--pin", "bike-050", "--block", "bike-002"],
        ["--not", "bike-020"], ["--boost", "near 48.1,11.0 0.5 2km"], ["--same", "style", "--where", "price<=300", "--fill"],
        ["--not-only-live"],
    ],
    "untimed": [["--where", "style=city"], ["--same", "style"], ["--at-most", "2", "style"], ["--diversity", "0.5"]],
}  # fmt: skip
BLENDS = {
    "demo": ["nothing", "recency", "neighbors+recency"],
    "typed": ["nothing", "recency"],
    "untimed": ["nothing"],
}
QUERIES = {
    "demo": ("home-0007", "user-00007"),
    "typed": ("bike-007", "rider-07"),
    "untimed": ("bike-007", "rider-07"),
}


def copy_of(name: str, folder: Path) -> Path:
    """Return the run `name`, in a copy that may be written to."""
    source = DEMO if name == "demo" else RUNS / name
    left_out = shutil.ignore_patterns("studio", ".cache", "homes", "without-photos")
    shutil.copytree(source, folder / name, ignore=left_out, symlinks=True)
    return folder / name / "run"


def answers(name: str, run: Path) -> Iterator[tuple[str, Any]]:
    """Yield case and answer; an answer is JSON."""
    yield from _vectors(run)
    listing, user = QUERIES[name]
    for space in Run.open(run).spaces:
        yield f"similar {space}", _list("similar", run, listing, "--space", space)
    yield "recommend", _list("recommend", run, user)
    for rule in RULES[name]:
        with tempfile.TemporaryDirectory() as folder:
            options = rules_file(Path(folder), **_rules(rule))
            yield f"similar {' '.join(rule)}", _list("similar", run, listing, *options)
            yield f"recommend {' '.join(rule)}", _list("recommend", run, user, *options)
    yield "check", _check(run)
    yield "evaluate", _evaluate(run, name)  # which fits the blends
    for blend in BLENDS[name]:
        yield f"recommend --blend {blend}", _list("recommend", run, user, "--blend", blend)
    yield from _responses(run, listing, user)
    if name != "demo":
        yield "batch", _batch(run)
    for page in PAGES:
        yield f"page {page}", _page(page, run)


def _rules(words: list[str]) -> dict[str, Any]:
    """Return what `--NAME VALUE...` says as rules."""
    rules: dict[str, Any] = {}
    for text in " ".join(words).split("--")[1:]:
        name, _, value = text.strip().partition(" ")
        if name == "not-only-live":
            rules["live_only"] = False
        elif name == "at-most":
            rules["at_most"], rules["seller"] = int(value.split()[0]), value.split()[1]
        elif name == "fill":
            rules["fill"] = True
        else:
            rules[name] = float(value) if name == "diversity" else [value]
    return rules


def _vectors(run: Path) -> Iterator[tuple[str, Any]]:
    opened = Run.open(run)
    for space in opened.spaces:
        yield f"vectors of listings {space}", _rounded(opened.vectors(space)[:ROWS])
    yield "vectors of listings encoded again", _rounded(opened.engine.encode_listings(rows=np.arange(ROWS)))
    log = opened.log
    users = opened.engine.encode_histories(log, log.start[:ROWS], log.start[1 : ROWS + 1])
    yield "vectors of users", _rounded(users)


def _rounded(vectors: np.ndarray) -> list[list[float]]:  # (n, d)
    return np.round(np.asarray(vectors, np.float64), 4).tolist()


def _list(*words: object) -> dict[str, Any]:
    document = json.loads(vibes(*words, "-k", "20", "--json").stdout)
    return _ranked(document if isinstance(document, list) else document["results"])


def _ranked(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "listings": [row["listing_id"] for row in rows],
        "scores": [round(float(row["score"]), 4) for row in rows],
    }


def _check(run: Path) -> Any:
    document = json.loads(
        vibes("check", run.parent if _bundled(run) else run.parent / "market", "--json").stdout
    )
    return {key: document[key] for key in ("listings", "events", "photos", "users") if key in document}


def _bundled(run: Path) -> bool:
    return (run.parent / "market.toml").is_file()


def _evaluate(run: Path, name: str) -> Any:
    more = ["--baselines", "none", "--users", "150"] if name == "demo" else ["--baselines", "all"]
    document = json.loads(vibes("evaluate", run, "--json", *more).stdout)
    figures = ("recall@10", "recall@30", "ndcg@10", "mrr")
    results = {
        row: {figure: round(values[figure]["value"], 4) for figure in figures}
        for row, values in document["results"].items()
    }
    return {"queries": document["queries"], "results": results}


def _responses(run: Path, listing: str, user: str) -> Iterator[tuple[str, Any]]:
    with serving(app_of(run)) as client:
        yield "GET /similar", _ranked(client.get(f"/similar/{listing}?k=20").json()["results"])
        yield "GET /recommend", _ranked(client.get(f"/recommend/{user}?k=20").json()["results"])
        history = [{"listing_id": listing}]
        body = client.post("/recommend", json={"k": 20, "histories": [history]}).json()
        yield "POST /recommend", sorted(body)
        yield "GET unknown", client.get("/similar/no-such-listing").status_code
        yield "GET wrong", client.get(f"/similar/{listing}?k=0").status_code
        yield "paths", sorted(client.get("/openapi.json").json()["paths"])


def _batch(run: Path) -> dict[str, Any]:
    out = run.parent / "lists"
    vibes("batch", run, out, "-k", "5")
    table = pd.concat([pd.read_parquet(file) for file in sorted(out.glob("*.parquet"))])
    table = table.rename(columns={"candidate_id": "listing_id"})
    rows = table[table["user_id"].isin([f"rider-{number:02d}" for number in range(5)])]
    return _ranked(rows.sort_values(["user_id", "rank"]).to_dict("records"))


def _page(page: str, run: Path) -> dict[str, Any]:
    """The elements of a page by type; their words may change."""
    main = Path(listing_vibes_app.__file__).with_name("main.py")
    with mock.patch.object(sys, "argv", ["main.py", str(run)]), mock.patch.dict(os.environ):
        driver = AppTest.from_file(str(main), default_timeout=300).run()
        if page != "overview":
            driver.switch_page(f"app_pages/{page}/page.py").run()
    return {"exceptions": len(driver.exception), "titles": len(driver.title) + len(driver.header)}
