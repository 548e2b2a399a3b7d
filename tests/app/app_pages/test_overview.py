"""Home: what the run shows, and behind "Details" its figures and what is odd in the data."""

import json
import shutil
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest
from looking import components, links, texts

from browser.painted import embed_run, paint_market, vectors
from helpers.copies import change_settings
from listing_vibes.errors import VibesWarning
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.insight.home import home_evidence
from listing_vibes.insight.quality import compare_methods, quality_evidence
from listing_vibes.market.config import AttributeConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_metrics import uses_model
from listing_vibes.serving.monitor_checks import Check, Monitored, Thresholds, model_of

RECALL = {"recall@30": {"value": 0.3, "low": 0.2, "high": 0.4}}


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def test_home_shows_the_evidence_of_the_run_each_with_its_link(show, run, eventless):
    page = show("overview", run)
    assert page.title[0].value == "Tiny town" and not page.metric and not page.warning
    assert "12 listings · 22 photos · 6 users · 36 events, 1 Mar 2024 to 6 Mar 2024" in texts(page)
    assert "Its events are simulated." in texts(page)
    items, shown = home_evidence(Run.open(run)), components(page, "evidence")
    assert [one["key"] for one in shown] == [item.key for item in items]
    assert [one["href"] for one in shown] == [item.more for item in items] and len(items) >= 3
    for item, one in zip(items, shown, strict=True):
        strips = [[item.lead]] * bool(item.lead) + [list(strip.listings) for strip in item.strips]
        assert [links(strip) for strip in one["strips"]] == strips
        (only,) = components(show("overview", run, part=item.key), "evidence")
        assert (only["sentence"], only["population"]) == (item.sentence, item.population)
    cards = next(one for one in shown if one["key"] == "user")["strips"][1]["cards"]
    assert [card["step"] for card in cards] == [str(rank) for rank in range(1, len(cards) + 1)]
    assert [one["key"] for one in components(show("overview", eventless), "evidence")] == ["similar"]


def test_a_market_with_too_few_listings_offers_a_next_step(show, tmp_path):
    market = paint_market(tmp_path / "market", listings=3, users=0, photos=0)
    page = show("overview", embed_run(market, tmp_path / "run"))
    assert not components(page, "evidence") and [link.label for link in page.page_link] == [
        "Go to similar listings"
    ]


@pytest.mark.slow
def test_the_first_page_loads_nothing_that_only_other_pages_need(trained):
    home_evidence(Run.open(trained))
    code = f"import sys; sys.argv = ['main.py', {str(trained)!r}]\n"
    code += "import listing_vibes_app as app; from streamlit.testing.v1 import AppTest\n"
    code += "page = AppTest.from_file(app.__path__[0] + '/main.py', default_timeout=300).run()\n"
    code += "heavy = ('torch', 'scipy', 'faiss', 'sklearn', 'transformers', 'matplotlib')\n"
    code += "print(page.title[0].value, [m for m in heavy if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Tiny town []"


@pytest.mark.slow
def test_the_figure_is_that_of_the_evaluation_beside_the_best_baseline(show, run):
    evaluation = evaluate_run(Run.open(run))
    save_metrics(Run.open(run), evaluation)
    page = show("overview", run, details="1")
    values = {name: one["recall@30"]["value"] for name, one in evaluation.results.items()}
    shown = {
        bar["label"]: bar["value"]
        for one in components(page, "evidence")
        if "quality" not in one["key"]
        for bar in one["bars"]
    }
    assert shown["Default ranking"] == values["default ranking"]
    best = max(value for name, value in values.items() if name != "oracle" and not uses_model(name))
    (name,) = [name for name in shown if f"The best baseline is {name}." in texts(page)]
    assert shown[name] == best
    assert {"Default ranking", "Model only", "Popularity", "ItemKNN", "EASE", "ALS"} <= set(shown)


@pytest.mark.slow
def test_notices_of_monitoring_and_of_metrics(show, run):
    metrics = {"protocol": "leave-one-out", "queries": 9, "users": 5, "results": {"default ranking": RECALL}}
    for hidden in (False, True):
        (run / "metrics.json").write_text(json.dumps(metrics | {"history_hidden": hidden}))
        assert (
            "What users had seen before was not recommended." in texts(show("overview", run, details="1"))
        ) == hidden
    sentence = "Price of the *new* listings: the median was 80 and is 160."
    checks = [Check(name="attribute", of="price", crossed=True, sentence=sentence, hint="the new listings.")]
    checks.append(Check(name="coverage", sentence="6 lists of 30 show all."))
    found = Monitored(
        run=str(run), of=model_of(run), market="Tiny town", version=0, checked_at="2025-01-01 10:00", thresholds=Thresholds(),
        checks=checks,
    )  # fmt: skip
    found.save(run)
    page = show("overview", run, details="1")
    assert "1 of 2 checks crossed its threshold" in page.warning[0].value
    assert sentence in texts(page) and "6 lists of 30" in texts(page)
    for name in ("monitor.json", "metrics.json"):
        (run / name).write_text("{")
        page = show("overview", run, details="1")
        assert f"{name} is damaged" in texts(page) and "Data warnings" in texts(page)


@pytest.mark.slow
def test_a_model_without_anything_to_measure_it_on_says_so(show, run, trained, eventless, tmp_path):
    split, last = Manifest.load(run).settings.split, int(Run.open(trained).log.time.max())
    for until, measurable in ((last, True), (last + 1, False)):
        change_settings(run, split=split.model_copy(update={"t1": until, "t2": until}))
        page = show("overview", run, details="1")
        assert ("vibes evaluate" in texts(page)) is measurable
        assert ("nothing is left to measure it on" in texts(page)) is not measurable
    assert "no trained model" in texts(show("overview", eventless))
    market = paint_market(tmp_path / "market", users=0)
    opened = Market.open(market)
    embed_market(opened, tmp_path / "moved", vectors(opened), trained)
    page = show("overview", tmp_path / "moved", details="1")
    assert "vibes evaluate" not in texts(page) and "no events" in texts(page)
    assert "trained on another market" in page.info[0].value
    assert "No run was given" in show("overview").error[0].value


@pytest.mark.slow
def test_a_market_that_changed_since_is_told_on_the_page_and_not_in_the_log(show, tmp_path):
    market = paint_market(tmp_path / "market", listings=4, users=0)
    run = embed_run(market, tmp_path / "run")
    opened = Market.open(market)
    write_market(market, opened.config, opened.listings.assign(price=1.0), opened.photos)
    with warnings.catch_warnings(record=True) as logged:
        warnings.simplefilter("always")
        for page in ("overview", "similar"):
            assert "changed since" in show(page, run).warning[0].value
    assert not [one for one in logged if issubclass(one.category, VibesWarning)]


def test_the_table_is_sorted_and_the_verdict_counts_significant_differences():
    share = {"low": None, "high": None}
    values = {"EASE": 0.2, "default ranking": 0.3, "ALS": None}
    results = {name: {"recall@30": {"value": value, **share}} for name, value in values.items()}
    bars = quality_evidence(SimpleNamespace(metrics={"results": results})).bars
    assert [bar.label for bar in bars] == ["Default ranking", "EASE"]
    assert quality_evidence(SimpleNamespace(metrics={})) is None
    differences = {"popularity": (0.1, 0.01), "EASE": (-0.1, 0.01), "ALS": (0.1, 0.2)}
    found = compare_methods(
        {
            f"default ranking - {name}": {"recall@30": {"value": value, "p_holm": p}}
            for name, (value, p) in differences.items()
        }
    )
    parts = [found.index(name) for name in ("better than Popularity", "worse than EASE", "ALS")]
    assert parts == sorted(parts) and compare_methods({}) == ""


@pytest.mark.slow
def test_what_is_odd_in_the_tables_is_named_by_label(show, tmp_path):
    market = paint_market(tmp_path / "market", listings=10, users=0)
    opened = Market.open(market)
    known = opened.listings["built_year"].where(opened.listings.index % 2 == 0)
    listings = opened.listings.assign(room_type="Private room", built_year=known, rating=5.0)
    config = opened.config.model_copy(
        update={"attributes": opened.config.attributes | {"rating": AttributeConfig(label="Stars")}}
    )
    write_market(market, config, listings, opened.photos)
    page = show("overview", embed_run(market, tmp_path / "run"), details="1")
    assert "Stars has the name of a value that is known only later" in texts(page)
    table = page.dataframe[-1].value.set_index("Attribute")
    assert table.loc["Year built"].tolist() == ["50%", 5] and table.at["Room type", "Distinct values"] == 1
    plain = paint_market(tmp_path / "plain", listings=10, users=0, photos=0)
    assert "No column looks like a leak" in texts(
        show("overview", embed_run(plain, tmp_path / "plain-run"), details="1")
    )
