"""The command `vibes`: each command is a few lines that call one function of `core`."""

import os
import sys

import typer

# Each registers its commands, in the order of the help.
# isort: off
from core.cli import markets as _markets  # noqa: F401
from core.cli import training as _training  # noqa: F401
from core.cli import looking as _looking  # noqa: F401
from core.cli import production as _production  # noqa: F401

# isort: on
from core.cli.shared import app
from core.errors import VibesError


def main() -> None:
    """Run the command line; bad input ends with one sentence on stderr and exit code 2."""
    # torch's threads would spin while they wait: on a machine that does other things, too, that costs half the speed.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except VibesError as error:
        typer.echo(f"vibes: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("vibes: interrupted; the same command (train: with --resume) goes on from here.", err=True)
        sys.exit(130)
