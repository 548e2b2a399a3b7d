"""`vibes monitor --memo`: what a look at a run found, in plain sentences, for those who read and do not click."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from listing_vibes.errors import printable
from listing_vibes.market.documents import write_text
from listing_vibes.report.page import environment
from listing_vibes.serving.monitor.checks import Check, Monitored
from listing_vibes.words import count

#: By check (its name and what it is of) where its queries lie, as seen from the memo, and how many they are.
Links: TypeAlias = Mapping[tuple[str, str], tuple[str, int]]


def evidence_folder(out: Path) -> Path:
    """The folder beside a memo in which the queries of its sentences lie."""
    return out.with_name(f"{out.stem}-queries")


def write_memo(
    found: Monitored, out: Path, queries: Mapping[tuple[str, str], tuple[Path, int]] | None = None
) -> None:
    """Write the memo as HTML where `out` ends so, else as Markdown.

    Args:
        queries: by check the file with its queries, below `evidence_folder`, and how many they are; each sentence links to its own.

    Raises:
        VibesError: the file cannot be written.
    """
    links = {
        key: (path.relative_to(out.parent).as_posix(), rows) for key, (path, rows) in (queries or {}).items()
    }
    write_text(out, (memo_html if out.suffix == ".html" else memo_markdown)(found, links))


def memo_markdown(found: Monitored, links: Links | None = None) -> str:
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
        lines.append(f"- {_plain(check.sentence)}{_link(check, links)} *Look at:* {_plain(check.look)}")
    if found.quiet:
        lines += [
            "",
            "## What else was looked at",
            "",
            *(f"- {_plain(sentence)}{_link(check, links)}" for sentence, check in found.quiet_checks),
        ]
    return "\n".join(lines) + "\n"


def memo_html(found: Monitored, links: Links | None = None) -> str:
    """The memo as one document, which needs nothing else but for the queries that it links to."""
    shown = {
        key: (quote(path), count(rows, "query", "queries")) for key, (path, rows) in (links or {}).items()
    }
    return environment().get_template("memo.html").render(found=found, line=_line(found), links=shown)


def _link(check: Check, links: Links | None) -> str:
    if links is None or (check.name, check.of) not in links:
        return ""
    path, rows = links[check.name, check.of]
    return f" ([{count(rows, 'query', 'queries')}]({quote(path)}))"


def _plain(text: str) -> str:
    """Words as they are: nothing in a table's cell is Markdown, or HTML in it; commands in backticks stay."""
    return re.sub(r"([\\*_<\[\]#|])", r"\\\1", printable(text))


def _line(found: Monitored) -> str:
    since = f", on events since {found.since.replace('T', ' ')}" if found.since else ""
    return f"Looked at {found.looked} UTC: the run {found.run}, refresh {found.generation}{since}."
