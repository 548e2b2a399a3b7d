"""Former names of commands and options, and their replacements."""

from collections.abc import Sequence

from listing_vibes.errors import VibesError

#: Replacement by former name of a command.
COMMANDS = {
    "look": "vibes similar RUN --text WORDS",
    "search": "vibes similar RUN --text WORDS, or --photo FILE",
    "why": "vibes explain RUN QUERY LISTING",
    "passport": "vibes check MARKET --model RUN",
    "photos": "vibes embed MARKET RUN",
}
#: Former options of single rules.
RULES = (
    "--live-only", "--not-only-live", "--drop-seen", "--keep-seen", "--same", "--at-most", "--diversity", "--exclude", "--block",
    "--pin", "--not", "--boost", "--dial", "--fill",
)  # fmt: skip
#: Replacement by former name of an option.
OPTIONS = {
    "--with": "--blend",
    "--other-with": "--other-blend",
    "--rivals": "--baselines",
    "--from": "--init-from",
    "--pins": "--deck FILE.html",
    "--threshold": "--thresholds FILE",
    "--interleave": "no option, since two runs are interleaved unless there is --split",
    "--all": "the command vibes batch RUN OUT --kind users|listings",
    "--listing": "vibes launch RUN LISTING",
    "--memo": "vibes monitor RUN > FILE, whose text has every finding",
    "--html": "vibes experiment PLACE, whose text has the lost responses",
    "--vectors": "--format vectors",
    **dict.fromkeys(RULES, "--rules FILE, which takes every rule (block for --exclude)"),
}


def check_names(arguments: Sequence[str]) -> None:
    """Refuse a command line that uses a former name.

    Raises:
        VibesError: the command or an option was renamed.
    """
    name, *rest = arguments
    if name in COMMANDS:
        raise VibesError(f"The command '{name}' is gone; use `{COMMANDS[name]}`.")
    for argument in rest:
        if (option := argument.split("=", 1)[0]) in OPTIONS:
            raise VibesError(f"Option {option} is gone; use {OPTIONS[option]}.")
