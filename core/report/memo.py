"""`vibes monitor --memo`: what a look at a run found, in plain sentences, for those who read and do not click."""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import printable
from core.market.documents import write_text
from core.report.page import environment
from core.serving.monitor.checks import Monitored


def write_memo(found: Monitored, out: Path) -> None:
    """Write the memo as HTML where `out` ends so, else as Markdown.

    Raises:
        VibesError: the file cannot be written.
    """
    write_text(out, memo_html(found) if out.suffix == ".html" else memo_markdown(found))


def memo_markdown(found: Monitored) -> str:
    """The memo in Markdown."""
    lines = [
        f"# {_plain(found.market)}: is it still good?",
        "",
        _plain(_line(found)),
        "",
        f"**{found.verdict}**",
        "",
    ]
    for check in found.crossed:
        lines.append(f"- {_plain(check.sentence)} *Look at:* {_plain(check.look)}")
    if found.quiet:
        lines += [
            "",
            "## What else was looked at",
            "",
            *(f"- {_plain(sentence)}" for sentence in found.quiet),
        ]
    return "\n".join(lines) + "\n"


def memo_html(found: Monitored) -> str:
    """The memo as one document that needs nothing else."""
    return environment().get_template("memo.html").render(found=found, line=_line(found))


def _plain(text: str) -> str:
    """Words as they are: nothing in a table's cell is Markdown, or HTML in it; commands in backticks stay."""
    return re.sub(r"([\\*_<\[\]#|])", r"\\\1", printable(text))


def _line(found: Monitored) -> str:
    since = f", on events since {found.since.replace('T', ' ')}" if found.since else ""
    return f"Looked at {found.looked} UTC: the run {found.run}, refresh {found.generation}{since}."
