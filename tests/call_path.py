"""`python -m tests.call_path`: the way of the argument `run` through `evaluate_run` and `Run.recommend`.

A station is a function called with the run, or with its folder. A climb is a call from a layer of the import contract into a
higher one. The market is the small one of `tests/run`, since a profiled call takes a hundred times as long.
"""

import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

from listing_vibes.evaluation.run_evaluation import evaluate_run
from listing_vibes.run.run import Run

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "core" / "listing_vibes"


@cache
def layer(code: CodeType) -> int | None:
    """Return the layer of the room of a function, 0 for the lowest; None for a function of another package."""
    file = Path(code.co_filename)
    if not file.is_relative_to(CORE):
        return None
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    lines = reversed(contracts["contracts"][0]["layers"])
    rooms = [[name.strip().rpartition(".")[2] for name in line.split("|")] for line in lines]
    room = file.relative_to(CORE).parts[0].removesuffix(".py")
    return next((level for level, names in enumerate(rooms) if room in names), None)


def measure(run: Run, call: Callable[[Run], object]) -> dict[str, int]:
    """Return the distinct stations, files, climbs and names of parameters on the way of `run` through a call."""
    stations, names, climbs = set[CodeType](), set[str](), set[tuple[CodeType, CodeType]]()

    def visit(frame: FrameType, event: str, _: object) -> None:
        code, caller = frame.f_code, frame.f_back
        if event != "call" or (mine := layer(code)) is None:
            return
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        known = [name for name in parameters if is_run(frame.f_locals.get(name))]
        names.update(known)
        if known:
            stations.add(code)
            if caller is not None and (before := layer(caller.f_code)) is not None and before < mine:
                climbs.add((caller.f_code, code))

    def is_run(value: object) -> bool:
        return value is run or (isinstance(value, Path) and value in (run.path, run.folder))

    sys.setprofile(visit)
    try:
        call(run)
    finally:
        sys.setprofile(None)
    files = {code.co_filename for code in stations}
    return {"stations": len(stations), "files": len(files), "climbs": len(climbs), "names": len(names)}


if __name__ == "__main__":
    for use in (evaluate_run, lambda run: run.recommend(run.log.users[0])):
        print(measure(Run.open(ROOT / "tests" / "run" / "small_run" / "run"), use))
