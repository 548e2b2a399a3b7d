"""`python -m tests.fuzz TARGET... --executions N`: feed targets with mutated inputs, keep those that failed.

python -m tests.fuzz --list
python -m tests.fuzz run-files market-toml --executions 100000 --seed 3
python -m tests.fuzz run-files --input failures/run-files-17
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]  # for `helpers`, as the suite has it

from tests.fuzz.harness import Outcome, run_apart, targets  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", nargs="*", help="names; none: all")
    parser.add_argument("--executions", type=int, default=10_000, help="of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--failures", type=Path, default=Path("failures"), help="folder for inputs that failed"
    )
    parser.add_argument("--input", type=Path, help="feed this one input to the target, with a traceback")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--list", action="store_true")
    told = parser.parse_args()
    known = targets()
    if told.list:
        print("\n".join(sorted(known)))
        return 0
    unknown = [name for name in told.target if name not in known]
    if unknown:
        parser.error(f"no target {unknown[0]}; there are {', '.join(sorted(known))}")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    bad = 0
    for name in told.target or sorted(known):
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            if told.input is not None:
                known[name].make(Path(folder))(told.input.read_bytes())
                continue
            outcome = run_apart(known[name], told.executions, Path(folder), told.seed)
        _report(name, outcome, told.failures, told.json)
        bad += len(outcome.failures)
    return int(bad > 0)


def _report(name: str, found: Outcome, folder: Path, as_json: bool) -> None:
    for failure in found.failures:
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / f"{name}-{failure.number}"
        place.write_bytes(failure.content)
        place.with_name(place.name + ".txt").write_text(failure.what, encoding="utf-8", errors="replace")
    rate = found.executions / max(found.seconds, 1e-9)
    if as_json:
        print(json.dumps({"target": name, **vars(found), "failures": len(found.failures)}), flush=True)
        return
    print(
        f"{name}: {found.executions:,} executions, {found.refused:,} refused in a sentence, {len(found.failures)} failures; "
        f"{rate:,.0f} a second, slowest {found.slowest:.2f} s, memory +{found.memory / 2**20:.0f} MiB",
        flush=True,
    )
    for failure in found.failures[:5]:
        print(f"  {failure.number}: {failure.what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
