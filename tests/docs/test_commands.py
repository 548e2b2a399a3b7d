"""Commands, options and files of settings that the pages show are those that there are."""

import ast
import doctest
import importlib
import re
import tomllib

import pytest
import typer

import listing_vibes.cli  # noqa: F401  (registers the commands)
from helpers.pages import NOW, PAGES, blocks, commands, name_of
from listing_vibes.cli.shared import app
from listing_vibes.model.settings import Settings

TREE = typer.main.get_command(app).commands
EVERY_OPTION = {
    option
    for command in TREE.values()
    for one in command.params
    for option in (*one.opts, *one.secondary_opts)
}
#: Options of other programs and of the benchmarks that the pages name.
OTHERS = {"--slow", "--page", "--nproc-per-node", "--rm", "--help", "--debug"}


def check(words: list[str]) -> None:
    """That a command exists and takes these options and so many arguments."""
    name, *words = words
    if name == "--help":
        return
    assert name in TREE, f"there is no command vibes {name}"
    options = {option: one for one in TREE[name].params for option in (*one.opts, *one.secondary_opts)}
    given = 0
    while words:
        word, *words = words
        if word.startswith("-"):
            assert word in options, f"vibes {name} has no option {word}"
            takes = 0 if getattr(options[word], "is_flag", False) else options[word].nargs
            assert len(words) >= takes, f"vibes {name} {word} lacks its value"
            words = words[takes:]
        else:
            given += 1
    arguments = [one for one in TREE[name].params if one.param_type_name == "argument"]
    most = 99 if any(one.nargs < 0 for one in arguments) else len(arguments)
    assert given <= most, f"vibes {name} takes at most {most} arguments, not {given}"


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
