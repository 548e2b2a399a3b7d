"""Arguments of the benchmarks."""

import argparse
from pathlib import Path
from typing import Any


def parse_arguments(description: str | None, **arguments: Any) -> argparse.Namespace:
    """Parse the command line.

    Args:
        description: the text of `--help`, such as a module's docstring.
        arguments: by name a type for a required argument, False for a flag, or the default of an option, whose type it gives.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, given in arguments.items():
        option = "--" + name.replace("_", "-")
        if isinstance(given, type):
            parser.add_argument(name, type=given)
        elif given is False:
            parser.add_argument(option, action="store_true")
        else:
            parser.add_argument(option, type=Path if isinstance(given, Path) else type(given), default=given)
    return parser.parse_args()
