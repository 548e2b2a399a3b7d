"""The command `vibes`: each command is a few lines that call one function of `core`."""

import gc
import os
import sys
import warnings
from typing import Any

import typer

# Each module registers its commands, in the order of the help.
# isort: off
from listing_vibes.cli import data as _data  # noqa: F401
from listing_vibes.cli import modeling as _modeling  # noqa: F401
from listing_vibes.cli import use as _use  # noqa: F401
from listing_vibes.cli import production as _production  # noqa: F401

# isort: on
from listing_vibes.cli.shared import app
from listing_vibes.cores import limit_threads
from listing_vibes.errors import DEBUG, NotThere, VibesWarning, printable, sentence_of

_show_any_warning = warnings.showwarning


def _show_warning(message: Warning | str, category: type[Warning], *more: Any, **options: Any) -> None:
    """Print a warning of ours as one line on stderr."""
    if issubclass(category, VibesWarning):
        typer.echo(f"vibes: {printable(str(message))}", err=True)
    else:
        _show_any_warning(message, category, *more, **options)


def main() -> None:
    """Run the command line; an error is printed as one sentence on stderr, with exit code 2, or 1 for an unknown id.

    `--debug` anywhere among the arguments shows the traceback instead.
    """
    debug = "--debug" in sys.argv
    if debug:
        os.environ[DEBUG] = "1"
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    # The start creates half a million permanent objects; collecting garbage among them took a tenth of the time.
    gc.set_threshold(30_000, 20)
    # Otherwise pydantic searches every installed package for plugins, which takes a twentieth of the start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    limit_threads()
    warnings.showwarning = _show_warning
    try:
        app()
    except KeyboardInterrupt:
        typer.echo("vibes: interrupted; run the same command (train: with --resume) to continue.", err=True)
        sys.exit(130)
    except BrokenPipeError:  # the reader closed the output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        typer.echo(f"vibes: {sentence_of(error)}", err=True)
        sys.exit(1 if isinstance(error, NotThere) else 2)
