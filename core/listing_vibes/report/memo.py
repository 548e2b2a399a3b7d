"""`vibes monitor --memo`: the checks of a run as a document of plain sentences."""

from __future__ import annotations

import re
from pathlib import Path

from listing_vibes.errors import printable
from listing_vibes.market.documents import write_text
from listing_vibes.report.deck import environment
from listing_vibes.serving.monitor.checks import Monitored


def write_memo(result: Monitored, out: Path) -> None:
    """Write the memo as HTML if `out` ends in .html, else as Markdown.

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
