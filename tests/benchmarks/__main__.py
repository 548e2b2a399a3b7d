"""The table of assets/docs/speed.md by one command: `python -m tests.benchmarks FOLDER`.

    python -m tests.benchmarks FOLDER [--only demo commands ...] [--page assets/docs/speed.md] [--quick]

Each measure of `measures` is a process of its own, one after another. Its result is FOLDER/NAME.json, with the machine, the load
when it started and the commit; a measure with a result is not run again, so an interrupted command goes on where it was. The
table is FOLDER/table.md, and with `--page` it replaces the one of that page. A measure that fails is named, and the others go
on. `--quick` measures small sizes once, to see that everything runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.measures import MEASURES
from tests.helpers.machine import machine

from listing_vibes.cores import cores
from listing_vibes.market.durable import atomic_path

#: Between these lines of the page stands the table.
BEGIN, END = "<!-- table of python -m tests.benchmarks -->", "<!-- end of the table -->"


def measure(name: str, folder: Path, quick: bool) -> dict[str, Any]:
    """Return the rows of a measure with the conditions under which they were measured."""
    given = {"machine": machine(), "cores": cores(), "day": time.strftime("%Y-%m-%d"), "commit": commit()}
    load, started = os.getloadavg()[0], time.monotonic()
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.measures",
        name,
        str(folder / "data"),
        *["--quick"] * quick,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    given |= {"load": round(load, 1), "took": round(time.monotonic() - started, 1)}
    if done.returncode:
        return given | {"failed": done.stderr.strip().splitlines()[-1:]}
    return given | {"rows": json.loads(done.stdout)}


def commit() -> str:
    """Return the commit that is measured; empty outside of a repository."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip()


def table(results: dict[str, dict[str, Any]]) -> str:
    """Return the rows of all measures as a table in Markdown, after a line about the machine."""
    lines = []
    for result in results.values():
        for row in result.get("rows", []):
            values, digits = (row["seconds"], " s") if "seconds" in row else (row["rates"], "")
            middle = amount(statistics.median(values)) + digits
            spread = f"{amount(min(values))} to {amount(max(values))}" if len(values) > 1 else "once"
            peak = f"{row['peak GiB']:.1f} GiB" if row.get("peak GiB") else ""
            lines.append(f"| {row['action']} | {middle} | {spread} | {peak} | {row.get('note', '')} |")
    some = [result for result in results.values() if "rows" in result]
    loads = [result["load"] for result in some] or [0]
    days = sorted({result["day"] for result in some})
    names = sorted({f"{result['machine']}, {result['cores']} cores" for result in some})
    head = (
        f"{'; '.join(names)}; {' to '.join(days[:: max(1, len(days) - 1)])}; load at the start of a measure {min(loads)} to {max(loads)}; "
        f"commit {', '.join(sorted({result['commit'] for result in some}))}."
    )
    return "\n".join(
        [head, "", "| action | median | spread | peak memory | |", "|---|---|---|---|---|", *lines]
    )


def amount(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write_page(page: Path, text: str) -> None:
    """Replace the table of a page."""
    content = page.read_text(encoding="utf-8")
    before, after = content.split(BEGIN)[0], content.split(END)[1]
    with atomic_path(page) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main() -> int:
    """Run what has no result yet, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", default=list(MEASURES), choices=list(MEASURES))
    parser.add_argument("--page", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    (options.folder / "data").mkdir(parents=True, exist_ok=True)
    for name in options.only:
        file = options.folder / f"{name}.json"
        if file.is_file():
            continue
        print(f"{time.strftime('%H:%M:%S')} {name} ...", file=sys.stderr)
        result = measure(name, options.folder, options.quick)
        if "rows" not in result:
            print(f"{name} failed: {' '.join(result['failed'])}", file=sys.stderr)
            continue
        with atomic_path(file) as temporary:
            temporary.write_text(json.dumps(result, indent=1), encoding="utf-8")
    files = {name: options.folder / f"{name}.json" for name in MEASURES}
    results = {
        name: json.loads(file.read_text(encoding="utf-8")) for name, file in files.items() if file.is_file()
    }
    text = table(results)
    (options.folder / "table.md").write_text(text + "\n", encoding="utf-8")
    if options.page is not None:
        write_page(options.page, text)
    missing = [name for name in options.only if name not in results]
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
