"""The reference's market opens without an issue, and the card of the bundled model says what its run holds."""

import ast
import doctest
import importlib
import re
import shutil
import tomllib

import pytest
import typer

import listing_vibes.cli  # noqa: F401  (registers the commands)
from helpers.pages import NOW, PAGES, ROOT, blocks, commands, name_of
from listing_vibes.cli.shared import app
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.evaluation.run_evaluation import evaluate
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.profile import profile
from listing_vibes.model.settings import Settings
from listing_vibes.run.run import Run
from listing_vibes.training.api import train

FORMAT = ROOT / "assets" / "docs" / "reference" / "market.md"
CARD = ROOT / "assets" / "docs" / "model-card.md"


def test_the_market_of_the_reference_is_read_as_it_says(tmp_path):
    (market_toml,) = blocks(FORMAT, "toml")
    (tmp_path / "market.toml").write_text(market_toml, encoding="utf-8")
    for name in ("listings", "photos", "events"):
        (table,) = blocks(FORMAT, f"csv {name}.csv")
        (tmp_path / f"{name}.csv").write_text(table, encoding="utf-8")
    market = Market.open(tmp_path)
    assert not market.issues
    kinds = {one.name: one.kind for one in market.attributes}
    assert kinds == {
        "title": "text", "description": "text", "brand": "category", "type": "category", "price": "number",
        "frame_cm": "number", "electric": "flag", "equipment": "multi", "sizes": "multi", "place": "place",
    }  # fmt: skip
    assert market.listings["price"].tolist() == [1443.0, 1611.0, 2950.0]
    assert market.listings["sizes"].tolist() == [["L"], ["L", "XL"], ["M", "L"]]
    assert market.listings["equipment"].tolist() == [
        None,
        ["rack", "basket"],
        ["lights", "rack", "child seat"],
    ]
    assert market.listings["published_at"].dt.strftime("%F").tolist() == [
        "2024-01-08",
        "2024-03-13",
        "2024-03-20",
    ]
    assert len(market.events) == 4 and market.actions == ["view", "favourite", "message"]
    found = profile(market)
    assert found.leaks == {} and found.excluded == ["number_of_views"]
    # Every key of market.toml is in the example, so that the page leaves none out.
    told = tomllib.loads(market_toml)
    assert set(told) == set(MarketConfig.model_fields)
    assert {key for one in told["attributes"].values() for key in one} == {
        "kind",
        "label",
        "unit",
        "separator",
        "decimal",
        "same_as",
    }


def test_the_cards_figures_are_those_of_the_bundled_run():
    card, metrics = CARD.read_text(encoding="utf-8"), Run.open(bundled_run()).metrics
    rows = re.findall(r"^\| ([\w +]+) \| (\.\d+) \((\S+)\) \| (\.\d+) \((\S+)\) \|$", card, re.MULTILINE)
    assert {name for name, *_ in rows} >= {
        "default ranking",
        "popularity",
        "ItemKNN",
        "EASE",
        "ALS",
        "attribute neighbors",
        "oracle",
    }
    for name, *told in rows:
        cells = []
        for metric in ("recall@30", "ndcg@10"):
            one = {key: f"{value:.3f}"[1:] for key, value in metrics["results"][name][metric].items()}
            cells += [one["value"], f"{one['low']}-{one['high']}"]
        assert told == cells, name
    assert f"{metrics['queries']:,} queries of {metrics['users']:,} users" in card
    for part in ("cold listings", "warm listings", "cold users", "warm users"):
        found = metrics["slices"][part]["results"]["default ranking"]["recall@30"]["value"]
        assert f"{found:.3f}"[1:] in card, part


@pytest.mark.slow
def test_the_tutorials_figures_are_those_of_its_commands(tmp_path):
    text = re.sub(
        r"\s+", " ", (ROOT / "assets" / "docs" / "tutorials" / "your-market.md").read_text(encoding="utf-8")
    )
    shutil.copytree(ROOT / "assets" / "examples" / "bicycles", tmp_path / "bicycles")
    found = evaluate(train(tmp_path / "bicycles", tmp_path / "run"), save=False)
    named = re.search(r"It finds (\.\d+) .*? \(one seed\), (.*?)\. Each line", text)
    told = {"default ranking": named[1]} | dict(item.rsplit(" ", 1) for item in named[2].split(", "))
    assert {"attribute neighbors", "neighbors + recency", "content EASE", "popularity"} <= set(told)
    for name, value in told.items():
        assert found.results[name]["recall@30"]["value"] == pytest.approx(float(value), abs=0.02), name
    assert "not significantly ahead of attribute neighbors" in text
    assert "not significantly ahead of attribute neighbors" in found.verdict


TREE = typer.main.get_command(app).commands
EVERY_OPTION = {
    option
    for command in TREE.values()
    for one in command.params
    for option in (*one.opts, *one.secondary_opts)
}
#: Options of other programs and of the benchmarks that the pages name.
OTHERS = {"--slow", "--page", "--nproc-per-node", "--rm", "--help", "--debug", "--http2"}


def check(words: list[str]) -> None:
    """That a command exists and takes these options and so many arguments."""
    name, *rest = words
    if name == "--help":
        return
    assert name in TREE, f"there is no command vibes {name}"
    with typer.Context(TREE[name]) as context:
        _, left, _ = TREE[name].make_parser(context).parse_args(rest)
    assert not left, f"vibes {name} takes no argument {left[0]}"


@pytest.mark.parametrize("page", NOW, ids=name_of)
def test_commands_are_those_that_there_are(page):
    for words in commands(page):
        if words and words[0] != "...":
            check(words)


def test_the_guide_shows_every_command_but_the_importers():
    shown = {words[0] for page in PAGES for words in commands(page) if words}
    assert set(TREE) - shown == set()


@pytest.mark.parametrize("page", NOW, ids=name_of)
def test_options_that_are_named_exist(page):
    for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", page.read_text(encoding="utf-8")):
        assert option in EVERY_OPTION | OTHERS, f"{name_of(page)} names {option}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_that_are_shown_can_be_set(page):
    for block in blocks(page, "toml settings"):
        Settings.model_validate(tomllib.loads(block))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_that_is_shown_names_what_there_is(page):
    for block in blocks(page, "python"):
        examples = doctest.DocTestParser().get_examples(block)  # none in a plain block
        for node in ast.walk(ast.parse("".join(one.source for one in examples) or block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), (
                    f"{name_of(page)}: {ast.unparse(node)}"
                )
