"""Former names of commands and options are refused in one sentence that names what replaced them."""

import re

import pytest
import typer

from helpers.commands import vibes
from listing_vibes.cli.renamed import COMMANDS, OPTIONS
from listing_vibes.cli.shared import app

TREE = typer.main.get_command(app).commands
EVERY_OPTION = {option for command in TREE.values() for item in command.params for option in item.opts}


@pytest.mark.parametrize(
    ("words", "replacement"),
    [([name], replacement) for name, replacement in COMMANDS.items()]
    + [(["recommend", "run", "ann", name], replacement) for name, replacement in OPTIONS.items()]
    + [(["serve", "run", "--with=recency"], "--blend")],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_former_name_is_refused_with_the_one_that_replaced_it(words, replacement):
    done = vibes(*words, check=2)
    assert replacement in done.stderr and done.stderr.count("\n") == 1
    assert not done.stdout
    assert set(re.findall(r"vibes (\w+)", replacement)) <= set(TREE)
    assert set(re.findall(r"--[a-z-]+", replacement.split(", ")[0])) <= EVERY_OPTION
    assert words[-1].split("=")[0] not in EVERY_OPTION | set(TREE)
