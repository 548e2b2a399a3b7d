"""The overview: counts, notices, the honest figure or the next step."""

import json
import shutil
import subprocess
import sys
import warnings

import pandas as pd
import pytest
from looking import texts

from browser.painted import embed_run, paint_market, vectors
from listing_vibes.errors import VibesWarning
from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.evaluation.saved import save_metrics
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.run.describe import reader_sentence
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.scoring.ranking_names import uses_model
from listing_vibes.serving.monitor.checks import Check, Monitored, Thresholds
from listing_vibes_app.app_pages.overview.quality import figures_table, verdict

pytestmark = pytest.mark.slow


def test_counts_note_and_next_step(show, trained):
    page = show("overview", trained)
    assert page.title[0].value == "Tiny town"
    numbers = {metric.label: metric.value for metric in page.metric}
    assert numbers == {"Listings": "12", "Photos": "22", "Users": "6", "Events": "36"}
    assert page.info[0].value == "Its events are simulated."
    assert "Events from 1 Mar 2024 to 6 Mar 2024" in texts(page)
    assert page.code[0].value == f"vibes evaluate {trained}"
    doors = ["Choose a listing", "Start with an example", "Choose a user", "Play a user", "Open the map"]
    doors += ["Cold listings", "Add one of your own", "Compare"]
    assert [link.label for link in page.page_link] == doors
    assert not page.warning
    assert "A model of the preset tiny, reader listing-vectors, seed 0" in texts(page)


def test_the_first_page_loads_nothing_that_only_other_pages_need(trained):
    code = f"import sys; sys.argv = ['main.py', {str(trained)!r}]\n"
    code += "import listing_vibes_app as app; from streamlit.testing.v1 import AppTest\n"
    code += "page = AppTest.from_file(app.__path__[0] + '/main.py', default_timeout=60).run()\n"
    code += "heavy = ('torch', 'scipy', 'faiss', 'sklearn', 'transformers', 'matplotlib')\n"
    code += "print(page.title[0].value, [m for m in heavy if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Tiny town []"


def test_the_figure_is_that_of_the_evaluation_beside_the_baselines(show, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    evaluation = evaluate_run(Run.open(run))
    save_metrics(Run.open(run), evaluation)
    page = show("overview", run)
    value = evaluation.results["default ranking"]["recall@30"]["value"]
    figure = next(metric for metric in page.metric if metric.label == "Default ranking")
    assert figure.value == f"{100 * value:.1f}%"
    assert "how many were in our 30" in figure.help
    others = [name for name in evaluation.results if name != "oracle" and not uses_model(name)]
    best = max(evaluation.results[name]["recall@30"]["value"] for name in others)
    (rival,) = [metric for metric in page.metric if metric.label.startswith("Hardest rival: ")]
    assert rival.value == f"{100 * best:.1f}%"
    table = page.dataframe[0].value
    assert {
        "Default ranking",
        "Model only",
        "Popularity",
        "Recent popularity",
        "ItemKNN",
        "EASE",
        "Implicit ALS",
    } <= set(table["Method"])


def test_the_last_look_whether_it_is_still_good_is_told_or_how_to_look(show, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    recall = {"recall@30": {"value": 0.3, "low": 0.2, "high": 0.4}}
    metrics = {"protocol": "temporal", "queries": 9, "users": 5, "results": {"default ranking": recall}}
    (run / "metrics.json").write_text(json.dumps(metrics))
    page = show("overview", run)
    assert page.code[-1].value == f"vibes monitor {run}" and "Nobody has looked" in texts(page)
    sentence = "Price of the *new* listings: the median was 80 and is 160."
    checks = [Check(name="attribute", of="price", crossed=True, sentence=sentence, look="the new listings.")]
    checks.append(Check(name="coverage", sentence="6 lists of 30 show all."))
    looked = Monitored(run=str(run), market="Tiny town", generation=0, looked="2025-01-01 10:00", thresholds=Thresholds(), checks=checks)  # fmt: skip
    looked.save(run)
    page = show("overview", run)
    assert "1 of 2 checks crossed its threshold" in page.warning[0].value
    assert "Price of the \\*new\\* listings" in texts(page) and "6 lists of 30" in texts(page)
    assert not page.code and "the state that is shown here" in texts(page)
    (run / "monitor.json").write_text("{}")
    page = show("overview", run)
    assert "monitor.json is damaged" in page.error[0].value and len(page.page_link) == 8


def test_a_model_that_was_trained_on_every_event_has_nothing_to_be_measured_on(show, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    manifest, last = Manifest.load(run), int(Run.open(trained).log.time.max())
    for until, measurable in ((last, True), (last + 1, False)):
        split = manifest.settings.split.model_copy(update={"t1": until, "t2": until})
        settings = manifest.settings.model_copy(update={"split": split})
        manifest.model_copy(update={"settings": settings}).save(run)
        page = show("overview", run)
        assert [code.value for code in page.code] == [f"vibes evaluate {run}"] * measurable
        assert ("nothing is left to measure it on" in texts(page)) is not measurable


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


def test_a_run_without_a_model_says_that_there_is_nothing_to_measure(show, eventless):
    page = show("overview", eventless)
    assert "no trained model" in texts(page) and not page.code
    assert "vibes embed --model" in texts(page)
    assert [link.label for link in page.page_link][2] == "Play a user"


def test_a_model_over_a_market_without_events_is_not_sent_to_evaluate(show, trained, tmp_path):
    market = paint_market(tmp_path / "market", users=0)
    embed_market(Market.open(market), tmp_path / "run", vectors(Market.open(market)), trained)
    page = show("overview", tmp_path / "run")
    assert not any("vibes evaluate" in code.value for code in page.code)
    assert "no events" in texts(page)


def test_a_hidden_history_is_told(show, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    recall = {"recall@30": {"value": 0.3, "low": 0.2, "high": 0.4}}
    metrics = {"protocol": "leave-one-out", "queries": 9, "users": 5, "results": {"default ranking": recall}}
    for hidden in (False, True):
        (run / "metrics.json").write_text(json.dumps(metrics | {"history_hidden": hidden}))
        told = texts(show("overview", run))
        assert "(leave-one-out)." in told
        assert ("What users had seen before was not recommended." in told) == hidden


def test_damaged_metrics_are_told_in_one_sentence(show, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / "metrics.json").write_text("{")
    page = show("overview", run)
    assert "metrics.json is damaged" in page.error[0].value
    assert len(page.page_link) == 8  # the rest of the page is there


def test_no_run_at_all_is_told(show):
    assert "No run was given" in show("overview").error[0].value


def test_the_table_is_sorted_and_leaves_out_what_was_not_measured():
    share = {"low": None, "high": None}
    results = {
        "ease": {"recall@30": {"value": 0.2, **share}},
        "default ranking": {"recall@30": {"value": 0.3, **share}},
    }
    results["als"] = {"recall@30": {"value": None, **share}}
    expected = pd.DataFrame(
        {
            "name": ["default ranking", "ease"],
            "Method": ["Default ranking", "EASE"],
            "value": [0.3, 0.2],
            "low": None,
            "high": None,
        },
        dtype=object,
    )
    pd.testing.assert_frame_equal(figures_table(results), expected)
    assert figures_table(json.loads("{}")).empty


def test_the_verdict_counts_only_what_is_sure():
    def against(value, p):
        return {"recall@30": {"value": value, "p_holm": p}}

    told = verdict(
        {
            "default ranking - popularity": against(0.1, 0.01),
            "default ranking - ease": against(-0.1, 0.01),
            "default ranking - als": against(0.1, 0.2),
        }
    )
    assert told == (
        "The default ranking is significantly better than Popularity; significantly worse than EASE; not significantly "
        "different from Implicit ALS."
    )
    assert verdict({}) == ""


def test_a_model_of_another_market_is_told(show, trained, tmp_path):
    market = paint_market(tmp_path / "market", listings=5, users=2)
    embed_market(Market.open(market), tmp_path / "run", vectors(Market.open(market)), trained)
    page = show("overview", tmp_path / "run")
    assert "trained on another market" in page.info[0].value and "It knows all" in page.info[0].value


def test_what_is_odd_is_told_by_label(show, tmp_path):
    market = paint_market(tmp_path / "market", listings=10, users=0)
    opened = Market.open(market)
    rows = opened.listings.index
    listings = opened.listings.assign(built_year=opened.listings["built_year"].where(rows % 2 == 0))
    write_market(market, opened.config, listings.assign(room_type="Private room"), opened.photos)
    page = show("overview", embed_run(market, tmp_path / "run"))
    assert "**Often unknown\\: Year built (50%).**" in texts(page)
    assert "**The same everywhere\\: Room type.**" in texts(page)
    assert "1 listing without a photo" in texts(page)


def test_a_plain_market_has_nothing_odd(show, tmp_path):
    market = paint_market(tmp_path / "market", listings=10, users=0, photos=0)
    page = show("overview", embed_run(market, tmp_path / "run"))
    assert "Nothing stands out" in texts(page)


def test_the_overview_says_how_the_run_reads_a_history(show, trained, eventless):
    told = reader_sentence(Run.open(trained).manifest.settings)
    assert told in texts(show("overview", trained))
    assert "A history is read" not in texts(show("overview", eventless))
