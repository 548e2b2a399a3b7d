"""`vibes monitor --memo`: the checks of a run as a document of plain sentences."""

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

#: By check (name and attribute): path of its queries relative to the memo, and their number.
Links: TypeAlias = Mapping[tuple[str, str], tuple[str, int]]


def evidence_folder(out: Path) -> Path:
    """Return the folder for the queries of a memo, next to the memo."""
    return out.with_name(f"{out.stem}-queries")


def write_memo(
    result: Monitored, out: Path, queries: Mapping[tuple[str, str], tuple[Path, int]] | None = None
) -> None:
    """Write the memo as HTML if `out` ends in .html, else as Markdown.

    Args:
        queries: by check the file with its queries, in `evidence_folder`, and their number; each sentence links to its file.

    Raises:
        VibesError: the file cannot be written.
    """
    links = {
        key: (path.relative_to(out.parent).as_posix(), rows) for key, (path, rows) in (queries or {}).items()
    }
    write_text(out, (memo_html if out.suffix == ".html" else memo_markdown)(result, links))


def memo_html(result: Monitored, links: Links | None = None) -> str:
    """Return the memo as one HTML document; only the linked queries are separate files."""
    shown = {
        key: (quote(path), count(rows, "query", "queries")) for key, (path, rows) in (links or {}).items()
    }
    return environment().get_template("memo.html").render(found=result, line=_subtitle(result), links=shown)


def memo_markdown(result: Monitored, links: Links | None = None) -> str:
    """Return the memo in Markdown."""

    def item(check: Check, advice: str = "") -> str:
        path, rows = (links or {}).get((check.name, check.of), ("", 0))
        link = f" ([{count(rows, 'query', 'queries')}]({quote(path)}))" if path else ""
        return f"- {_escape(check.sentence)}{link}{advice}"

    parts = [
        f"# {_escape(result.market)}: is it still good?",
        _escape(_subtitle(result)),
        f"**{result.verdict}**",
        "\n".join(item(check, f" *Look at:* {_escape(check.look)}") for check in result.crossed),
    ]
    if result.quiet:
        parts += ["## Other checks", "\n".join(map(item, result.quiet))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _escape(text: str) -> str:
    """Escape Markdown and HTML in a text, except for commands in backticks."""
    return re.sub(r"([\\*_<\[\]#|])", r"\\\1", printable(text))


def _subtitle(result: Monitored) -> str:
    since = f", on events since {result.since.replace('T', ' ')}" if result.since else ""
    return f"Checked at {result.looked} UTC: the run {result.run}, refresh {result.generation}{since}."
