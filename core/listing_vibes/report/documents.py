"""Documents of the service: the memo of `vibes monitor --memo`, and the page of `vibes experiment --html`."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from listing_vibes.errors import VibesError, printable
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import write_text
from listing_vibes.market.market import Market
from listing_vibes.report.deck import environment
from listing_vibes.report.figures import Photo
from listing_vibes.run.run import Run
from listing_vibes.serving.experiment.verdict import Experiment
from listing_vibes.serving.monitor.checks import Monitored


def write_memo(result: Monitored, out: Path) -> None:
    """Write the checks of a run in plain sentences: as HTML if `out` ends in .html, else as Markdown.

    Raises:
        VibesError: the file cannot be written.
    """
    write_text(out, (memo_html if out.suffix == ".html" else memo_markdown)(result))


def memo_html(result: Monitored) -> str:
    """Return the memo as one HTML document."""
    return environment().get_template("memo.html").render(result=result, line=_subtitle(result))


def memo_markdown(result: Monitored) -> str:
    """Return the memo in Markdown."""
    parts = [
        f"# {_escape(result.market)}: is it still good?",
        _escape(_subtitle(result)),
        f"**{result.verdict}**",
        "\n".join(
            f"- {_escape(check.sentence)} *Look at:* {_escape(check.hint)}" for check in result.crossed
        ),
    ]
    if result.quiet:
        parts += ["## Other checks", "\n".join(f"- {_escape(check.sentence)}" for check in result.quiet)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _escape(text: str) -> str:
    """Escape Markdown and HTML in a text, except for commands in backticks."""
    return re.sub(r"([\\*_<\[\]#|])", r"\\\1", printable(text))


def _subtitle(result: Monitored) -> str:
    since = f", on events since {result.since.replace('T', ' ')}" if result.since else ""
    return f"Checked at {result.checked_at} UTC: the run {result.run}, version {result.version}{since}."


def write_experiment(experiment: Experiment, out: Path) -> None:
    """Write the result of an experiment, and the lists that each run lost, as one self-contained document.

    Photos are those of A's market, if it is available.

    Raises:
        VibesError: the file cannot be written.
    """
    market: Market | None = None
    document = experiment.to_dict()
    with suppress(VibesError):
        market = Run.open(Path(experiment.setup.a.run), events_too=False).market

    def photos(row: dict[str, Any], arm: str) -> list[Photo]:
        labels = {"chosen": "chosen", "own": f"the best of {arm}"}
        return [_photo(market, row[key], label) for key, label in labels.items() if row[key] is not None]

    lost = {
        arm: [
            {"who": row[C.USER] or "unknown user", "at": row["at"][:16], "photos": photos(row, arm)}
            for row in rows
        ]
        for arm, rows in document["lost"].items()
        if rows
    }
    verdict, *more = experiment.sentences()
    template = environment().get_template("trial.html")
    arms, split = [f"A: {experiment.setup.a}", f"B: {experiment.setup.b}"], document["design"] == "split"
    write_text(out, template.render(arms=arms, verdict=verdict, more=more, lost=lost, split=split))


def _photo(market: Market | None, listing: dict[str, Any], label: str) -> Photo:
    known = market if market is not None and listing[C.LISTING] in market.listing_row else None
    return Photo(known, listing[C.LISTING], f"{label}, rank {listing['position']}")
