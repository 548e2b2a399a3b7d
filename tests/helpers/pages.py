"""What the project's pages say, taken apart: headings, links, fenced blocks, words in backticks."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "assets" / "docs"
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in DOCS.rglob("*.md") if "generated" not in page.relative_to(DOCS).parts),
]
#: Those that speak of the present: a changelog names what is gone as well.
NOW = [page for page in PAGES if page.name != "changelog.md"]
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name_of(page: Path) -> str:
    """What a test calls a page."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, info: str) -> list[str]:
    """The fenced blocks whose info string is `info`, for example "bash" or "csv events.csv"."""
    return [text for told, text in _FENCE.findall(page.read_text(encoding="utf-8")) if told.strip() == info]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """What stands in backticks outside fenced blocks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """The targets of links and pictures, and the pages of tables of contents."""
    listed = [
        re.sub(r".*<(.*)>", r"\1", line)
        for told, text in _FENCE.findall(page.read_text(encoding="utf-8"))
        if told == "{toctree}"
        for line in text.splitlines()
        if line and not line.startswith(":")
    ]
    pages = [name + (".ipynb" if name.startswith("notebooks/") else ".md") for name in listed]
    return pages + re.findall(r"\]\(([^)\s]+)\)", prose(page))


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every `vibes` command of a page, in its bash blocks and in backticks, without what comes before."""
    lines = [line for block in blocks(page, "bash") for line in block.replace("\\\n", " ").splitlines()]
    told = [span for span in spans(page) if span.startswith("vibes ")]
    for line in lines + told:
        for part in re.split(r"&&|;", line) if "'" not in line else [line]:
            words = shlex.split(part, comments=True)
            for place, word in enumerate(words):
                if Path(word).name == "vibes" or words[place - 1 : place + 1] == ["-m", "listing_vibes"]:
                    yield words[place + 1 :]
                    break
