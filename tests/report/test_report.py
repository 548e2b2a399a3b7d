"""The report: one file that needs nothing else, with the figures of the run."""

import json
import re
import shutil
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from browser.mapped import write_map
from browser.painted import embed_run, paint_market
from helpers.commands import vibes
from listing_vibes import Run
from listing_vibes.ablation.table import COLUMNS
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.result import TUNED, WITHIN
from listing_vibes.model.settings import Resolved
from listing_vibes.report.page import report_html, write_report
from listing_vibes.report.text import USED_UP, describe_cold, describe_limits, describe_method
from listing_vibes.scoring.ranking_names import method_name

METRICS = {
    "protocol": "temporal", "queries": 40, "users": 12,
    "results": {
        "default ranking": {"recall@30": {"value": 0.3217, "low": 0.25, "high": 0.4}, "mrr": {"value": 0.1, "low": 0.0, "high": 0.2}},
        "EASE": {"recall@30": {"value": 0.2504, "low": None, "high": None}, "mrr": {"value": 0.05, "low": None, "high": None}},
    },
    "differences": {"default ranking - EASE": {"recall@30": {"value": 0.0713, "low": 0.0, "high": 0.1, "p_value": 0.01, "p_holm": 0.03}}},
    "slices": {
        "cold listings": {"queries": 7, "users": 5, "results": {"default ranking": {"recall@30": {"value": 0.142, "low": 0.1, "high": 0.2}}}},
        "week 3": {"queries": 7, "users": 5, "results": {"default ranking": {"recall@30": {"value": 0.99, "low": 0.1, "high": 1}}}},
        "cold users": {"queries": 0, "users": 0, "results": {}},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    market = paint_market(folder / "market", listings=9, users=4, note="Its <events> are simulated.")
    return embed_run(market, folder / "run")


@pytest.fixture
def run(made, tmp_path):
    shutil.copytree(made.parent, tmp_path / "copy")
    path = tmp_path / "copy" / "run"
    manifest = (path / "run.toml").read_text()
    (path / "run.toml").write_text(manifest.replace(str(made.parent), str(tmp_path / "copy")))
    return path


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.split("</style>")[1]))


class Structure(HTMLParser):
    """Every tag with the names of its attributes, as a browser finds them."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, [name for name, _ in attrs]))


def test_it_is_one_file_that_asks_nothing_of_the_network(run, tmp_path):
    write_map(run)
    write_report(Run.open(run), tmp_path / "out.html")
    html = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>") and "<script" not in html
    assert (
        not re.findall(r"(?:src|href)=[\"'](?!data:)", html) and "url(" not in html and "@import" not in html
    )
    assert html.count("data:image/webp;base64,") == 3 * 6  # the last listing, without a photo, is in no list
    assert 'name="viewport"' in html and "@media print" in html
    assert str(run) not in html and str(run.parent) not in html


def test_its_figures_are_those_of_the_metrics(run):
    served = {"default ranking - model + neighbors": METRICS["differences"]["default ranking - EASE"]}
    metrics = METRICS | {"differences": METRICS["differences"] | served}
    (run / "metrics.json").write_text(json.dumps(metrics))
    text = words(report_html(Run.open(run)))
    assert "32.2% of the next listings" in text and "95 % interval 25.0% to 40.0%" in text
    assert "EASE 25.0%" in text and "40 test queries of 12 users" in text
    assert "the default ranking is significantly better than EASE." in text  # a blend is no baseline
    assert "Cold listings 7 queries 14.2%" in text and "99.0%" not in text and "Cold users" not in text


@pytest.mark.slow
def test_notes_of_the_evaluation_are_sentences(run):
    def text(**more) -> str:
        (run / "metrics.json").write_text(json.dumps(METRICS | {"protocol": "leave-one-out"} | more))
        return words(report_html(Run.open(run)))

    assert "was not recommended" not in text()
    assert "was not recommended" in text(history_hidden=True)
    notes = {"default ranking": "the model with a prior", "drawn": "10 of 12 users", "left out": "EASE"}
    assert all(note in text(notes=notes) for note in notes.values())


def test_its_table_has_every_figure_of_every_method(run):
    rng = np.random.default_rng(0)
    measures = ("recall@10", "recall@30", "ndcg@10", "mrr", "coverage")
    results = {
        name: {
            one: dict(zip(("low", "value", "high"), sorted(rng.random(3)), strict=True)) for one in measures
        }
        for name in ("default ranking", "popularity", "EASE", "attribute neighbors", "oracle")
    }
    (run / "metrics.json").write_text(json.dumps(METRICS | {"results": results}))
    html = report_html(Run.open(run))
    table = html.split("<summary>All measures</summary>")[1].split("</table>")[0]
    lines = [re.findall(r"<td[^>]*>([^<]*)</td>", line) for line in table.split("<tr>")[2:]]
    best_first = sorted(results, key=lambda name: -results[name]["recall@30"]["value"])
    assert lines == [
        [method_name(name), *(f"{100 * results[name][one]['value']:.1f}%" for one in measures)]
        for name in best_first
    ]
    for name in results:
        one = results[name]["recall@30"]
        told = f"{100 * one['value']:.1f}% {100 * one['low']:.1f}% to {100 * one['high']:.1f}%"
        assert f"{method_name(name)} {told}" in words(html)


def test_training_and_ablation_are_told_where_they_are(run):
    lines = [
        {"step": 5, "loss": 3.0},
        {"step": 5, "validation recall@30": 0.1},
        {"step": 9, "validation recall@30": 0.25},
    ]
    (run / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rows = [
        ("full", None, "all", "recall", 30, 0.4, 0.3, 0.5, 40, None, None, None),
        ("no <photos>", None, "all", "recall", 30, 0.3, 0.2, 0.4, 40, "full", -0.1, 0.004),
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seed": "Int64", "k": "Int64"})
    table.to_parquet(run / "ablation.parquet")
    html = report_html(Run.open(run))
    assert "between 10.0% and 25.0%, highest at step 9" in words(html)
    assert "Where a line names another variant, it is compared with that one" in words(html)
    assert "▼ no &lt;photos&gt;" in html and "-10.0 points to full, p .004" in html
    (run / "train.jsonl").write_text("{")
    with pytest.raises(VibesError, match=r"train\.jsonl is damaged"):
        report_html(Run.open(run))


def test_columns_that_were_kept_from_the_model_are_counted_and_leaks_named():
    excluded = ["host_id", "number_of_reviews", "sold_price", "notes"]
    market = SimpleNamespace(photos=[1], events=[1], config=SimpleNamespace(excluded=excluded))
    line = describe_limits(SimpleNamespace(market=market, metrics=None))[-1]
    assert line.startswith("4 columns") and line.endswith("number_of_reviews, sold_price.")


def test_what_was_not_measured_is_said_and_market_words_are_escaped(run):
    html = report_html(Run.open(run))
    assert "Events from 1 Mar 2024 to 6 Mar 2024." in words(html)
    assert "This run was not measured: it has no trained model." in words(html)
    assert "Its &lt;events&gt; are simulated." in html and "<events>" not in html
    assert "How the training went" not in html and "What is each part worth" not in html


def test_a_market_without_photos_and_events_has_a_report_that_says_so(tmp_path):
    market = paint_market(tmp_path / "market", listings=6, users=0, photos=0, titles=False)
    text = words(report_html(Run.open(embed_run(market, tmp_path / "run"))))
    assert "no photos, so nothing here is about how listings look" in text
    assert "no events, so nothing here is about what people did" in text


def test_the_command_writes_the_same_document_each_time(run, tmp_path):
    done = vibes("report", run, tmp_path / "out.html")
    assert "Wrote" in done.stderr
    assert (tmp_path / "out.html").read_text(encoding="utf-8") == report_html(Run.open(run))


def test_why_there_are_no_figures(run):
    opened = Run.open(run)
    assert "This run was not measured: it has no trained model." in words(report_html(opened))
    opened.trained_on_everything = True
    assert USED_UP in words(report_html(opened))


@pytest.mark.slow
def test_no_word_of_a_market_or_a_run_becomes_markup(tmp_path):
    """The same report from harmless and from hostile words has the same tags and attributes."""

    def made(word, folder):
        market = paint_market(folder / "market", listings=9, users=4, note=f"note {word}")
        config = (market / "market.toml").read_text(encoding="utf-8")
        (market / "market.toml").write_text(
            config.replace('"Tiny town"', f"'''town {word}'''"), encoding="utf-8"
        )
        listings = pd.read_parquet(market / "listings.parquet")
        listings["title"] = word + " " + listings["title"].str[:20]
        listings["room_type"] = word + " " + listings["room_type"]
        listings.to_parquet(market / "listings.parquet")
        path = embed_run(market, folder / f"run {word.replace('/', ' ')}")
        write_map(path)
        results = {f"{name} {word}": one for name, one in METRICS["results"].items()}
        differences = {f"default ranking - {word}": METRICS["differences"]["default ranking - EASE"]}
        told = {
            "results": METRICS["results"] | results,
            "differences": differences,
            "notes": {"default ranking": word},
        }
        (path / "metrics.json").write_text(json.dumps(METRICS | told))
        rows = [
            (f"full {word}", None, "all", "recall", 30, 0.4, 0.3, 0.5, 40, None, None, None),
            (word, None, "all", "recall", 30, 0.3, 0.2, 0.4, 40, f"full {word}", -0.1, 0.004),
        ]
        table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seed": "Int64", "k": "Int64"})
        table.to_parquet(path / "ablation.parquet")
        return report_html(Run.open(path))

    hostile = """<img src=x onerror="alert(1)"></li>& "' onload={{ 7 * 7 }}"""
    harmless, html = made("word", tmp_path / "a"), made(hostile, tmp_path / "b")
    # Of texts, such as titles, nothing is left that is a tag.
    assert html.count("&lt;img src=x") > 10 and unescape(html).count(hostile) > 10
    assert Structure(html).tags == Structure(harmless).tags


def test_the_method_is_that_of_the_run_and_of_what_was_measured(run):
    def text(settings, **metrics) -> str:
        return " ".join(describe_method(settings, metrics))

    assert "each listing alone" in text(Resolved())
    assert "one sequence of all its listings' tokens" in text(Resolved(history="cls"))
    assert "The baselines" not in text(Resolved(), results={"default ranking": {}, "model only": {}})
    assert "tuned on the validation weeks" in text(Resolved(), **METRICS)
    assert "tuned" not in text(Resolved(), **METRICS, notes={TUNED: "their first settings"})
    assert "tuned on the last eighth" in text(Resolved(), **METRICS, notes={TUNED: WITHIN})
    untrained = words(report_html(Run.open(run)))
    assert "No model was trained here" in untrained and "Longformer" not in untrained


def test_cold_means_another_thing_for_a_model_of_another_market():
    here, other = (describe_cold(SimpleNamespace(transferred=transferred)) for transferred in (False, True))
    assert "another" not in here and "another" in other
