"""`python -m tests.fuzz TARGET... --executions N`: feed targets with mutated inputs, keep those that failed in `--failures`.

python -m tests.fuzz run-run.toml market-toml --executions 100000 --seed 3
python -m tests.fuzz run-run.toml --input failures/run-run.toml/17
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]  # for `helpers`, as the suite has it

from tests.fuzz.harness import run, targets  # noqa: E402


def main() -> int:
    known = targets()
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "target", nargs="*", default=sorted(known), help=f"{', '.join(sorted(known))}; none: all"
    )
    parser.add_argument("--executions", type=int, default=10_000, help="of each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--failures", type=Path, default=Path("failures"), help="folder for inputs that failed"
    )
    parser.add_argument("--input", type=Path, help="feed this one input to the target, with a traceback")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    bad = 0
    for name in options.target:
        folder = options.failures / name
        folder.mkdir(parents=True, exist_ok=True)
        if options.input is not None:
            known[name].make(folder)(options.input.read_bytes())
            continue
        outcome = run(known[name], options.executions, folder, options.seed)
        print(
            f"{name}: {outcome.executions:,} executions, {outcome.refused:,} refused in a sentence, {len(outcome.failures)} failures; "
            f"slowest {outcome.slowest:.2f} s",
            flush=True,
        )
        for failure in outcome.failures:
            (folder / str(failure.number)).write_bytes(failure.content)
            print(f"  {failure.number}: {failure.what}", flush=True)
        bad += len(outcome.failures)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
