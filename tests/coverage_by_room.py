"""`python -m tests.coverage_by_room`: branch coverage of each room of `core`, as `.ci/coverage` measured it; exit code 1 below 90 % in all."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from coverage import Coverage

LOWEST = 90.0
PARTS = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def by_room() -> dict[str, Counter[str]]:
    """Return the counted and covered statements and branches of each room."""
    measured = Coverage()
    measured.load()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(report), ignore_errors=True)  # files that tests wrote and removed
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    rooms: dict[str, Counter[str]] = defaultdict(Counter)
    for name, file in files.items():
        room = name.partition("listing_vibes/")[2].partition("/")[0]
        rooms[room].update({part: file["summary"][part] for part in PARTS})
    return rooms


def percent(total: Counter[str]) -> float:
    """Return the covered share of statements and branches together, in percent."""
    counted = total["num_statements"] + total["num_branches"]
    return 100 * (total["covered_lines"] + total["covered_branches"]) / max(counted, 1)


def main() -> None:
    """Print the table."""
    rooms = by_room()
    for room, total in sorted(rooms.items()):
        print(f"{room:24}{percent(total):6.1f} %")
    everything = sum(rooms.values(), Counter())
    print(f"{'core':24}{percent(everything):6.1f} % of statements and branches; at least {LOWEST:.0f} %")
    sys.exit(percent(everything) < LOWEST)


if __name__ == "__main__":
    main()
