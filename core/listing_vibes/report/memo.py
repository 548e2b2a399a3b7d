"""`vibes monitor --memo`: the checks of a run in plain sentences, for readers who do not click."""

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

#: By check (its name and what it is of) where its queries are, as seen from the memo, and how many there are.
Links: TypeAlias = Mapping[tuple[str, str], tuple[str, int]]


def evidence_folder(out: Path) -> Path:
    """Return the folder beside a memo for the queries of its sentences."""
    return out.with_name(f"{out.stem}-queries")


def write_memo(
    found: Monitored, out: Path, queries: Mapping[tuple[str, str], tuple[Path, int]] | None = None
) -> None:
    """Write the memo as HTML where `out` ends so, else as Markdown.

    Args:
        queries: by check the file with its queries, below `evidence_folder`, and how many there are; each sentence links to its file.

    Raises:
        VibesError: the file cannot be written.
    """
    links = {
        key: (path.relative_to(out.parent).as_posix(), rows) for key, (path, rows) in (queries or {}).items()
    }
    write_text(out, (memo_html if out.suffix == ".html" else memo_markdown)(found, links))


def memo_html(found: Monitored, links: Links | None = None) -> str:
    """Return the memo as one document, which needs nothing else but the queries that it links to."""
    shown = {
        key: (quote(path), count(rows, "query", "queries")) for key, (path, rows) in (links or {}).items()
    }
    return environment().get_template("memo.html").render(found=found, line=_subtitle(found), links=shown)


def memo_markdown(found: Monitored, links: Links | None = None) -> str:
    """Return the memo in Markdown."""

    def item(check: Check, advice: str = "") -> str:
        path, rows = (links or {}).get((check.name, check.of), ("", 0))
        link = f" ([{count(rows, 'query', 'queries')}]({quote(path)}))" if path else ""
        return f"- {_escape(check.sentence)}{link}{advice}"

    parts = [
        f"# {_escape(found.market)}: is it still good?",
        _escape(_subtitle(found)),
        f"**{found.verdict}**",
        "\n".join(item(check, f" *Look at:* {_escape(check.look)}") for check in found.crossed),
    ]
    if found.quiet:
        parts += ["## What else was looked at", "\n".join(map(item, found.quiet))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _escape(text: str) -> str:
    """Return words as they are: nothing in a cell is Markdown, or HTML in it; commands in backticks stay."""
    return re.sub(r"([\\*_<\[\]#|])", r"\\\1", printable(text))


def _subtitle(result: Monitored) -> str:
    since = f", on events since {result.since.replace('T', ' ')}" if result.since else ""
    return f"Looked at {result.looked} UTC: the run {result.run}, refresh {result.generation}{since}."
