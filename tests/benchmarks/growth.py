"""How every command grows with a market: made homes, as many users, five events each; no photos, no texts, preset tiny.

    python -m tests.benchmarks.growth [FOLDER] [--sizes 1000 10000 100000] [--train-to N] [--figure OUT.svg]

Each command is a process of its own (see `stages`), one thread each. What is in FOLDER/growth.json already is not measured
again; without FOLDER all lies in a temporary one.

train     60 steps with one validation at their end, all of the command; "step" is what one of the last 40 steps takes of it,
          by a training of 20 steps beside it
embed     all listings with the model of the smallest size
evaluate  the test queries of 10,000 users at most, by `--baselines none`
similar, recommend   30 for one listing, for one user
refresh   100 events and ten listings that are new
serve     until /health answers;  explore  until its first page is drawn

Seconds are the processor's, which other work on the machine hardly disturbs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.measures import PAGE
from tests.benchmarks.stages import stage

COMMANDS = ("train", "step", "embed", "evaluate", "similar", "recommend", "refresh", "serve", "explore")
STEPS = (20, 60)
SECONDS, PEAK = "processor seconds", "peak GiB"
SETTINGS = """history = "listing-vectors"
[features]
text = false
[training]
max_steps = {steps}
warmup = 10
validate_every = 1000
"""


def measured(folder: Path, size: int, model: Path, train_too: bool = True) -> dict[str, dict[str, Any]]:
    """What each command takes on a market of `size` listings; `model` is the run whose model embeds.

    Without `train_too` nothing is trained or evaluated, and the other commands work on what was embedded.
    """
    here = folder / str(size)
    make = [str(here), "--listings", str(size), "--users", str(size), "--only-market"]
    subprocess.run([sys.executable, "-m", "tests.benchmarks.million", *make], check=True)
    run, found = here / (f"run-{STEPS[-1]}" if train_too else "embedded"), {}
    if train_too:
        found |= _trained(here)
    found["embed"] = stage(["embed", str(here / "market"), str(here / "embedded"), "--model", str(model)])
    if train_too:
        found["evaluate"] = stage(["evaluate", str(run), "--baselines", "none", "--users", "10000"])
    found["similar"] = stage(["similar", str(run), "h7", "-k", "30"])
    found["recommend"] = stage(["recommend", str(run), "u7", "-k", "30"])
    found["serve"] = stage(["serve", str(run), "--port", "0"], until="/health")
    found["explore"] = stage([str(run)], program=("-c", PAGE))
    new = here / "new"
    found["refresh"] = stage(
        ["refresh", str(run), "--events", str(new / "events"), "--listings", str(new / "listings")]
    )
    return found


def _trained(here: Path) -> dict[str, dict[str, Any]]:
    """What training in the folder `here` takes, and one of its steps."""
    found = []
    for steps in STEPS:
        config = here / f"{steps}.toml"
        config.write_text(SETTINGS.format(steps=steps))
        options = ["--preset", "tiny", "--config", str(config)]
        found.append(stage(["train", str(here / "market"), str(here / f"run-{steps}"), *options]))
    first, last = found
    each = (last[SECONDS] - first[SECONDS]) / (STEPS[-1] - STEPS[0])
    return {"train": last, "step": {SECONDS: round(each, 4), PEAK: last[PEAK]}}


def grown(folder: Path, sizes: list[int], train_to: int) -> dict[str, Any]:
    """What is measured at each size; written to `folder` after every one."""
    folder.mkdir(parents=True, exist_ok=True)
    kept, model = folder / "growth.json", folder / str(sizes[0]) / f"run-{STEPS[-1]}"
    told: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() else {"sizes": {}}
    for size in sizes:
        if str(size) not in told["sizes"]:
            print(f"{size:,} listings ...", file=sys.stderr)
            told["sizes"][str(size)] = measured(folder, size, model, size <= train_to)
            kept.write_text(json.dumps(told, indent=1))
    return told


def draw(told: dict[str, Any], path: Path) -> None:
    """Seconds and memory by listings, a curve each command."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    sizes = [int(size) for size in told["sizes"]]
    with matplotlib.rc_context({"svg.hashsalt": "vibes", "svg.fonttype": "none"}):
        figure = Figure(figsize=(9, 4.2), layout="constrained")
        FigureCanvasSVG(figure)
        colours = matplotlib.colormaps["tab10"].colors
        for axes, what in zip(figure.subplots(1, 2), (SECONDS, PEAK), strict=True):
            for colour, name in zip(colours, COMMANDS, strict=False):
                if name == "step" and what == PEAK:
                    continue
                there = [size for size in sizes if name in told["sizes"][str(size)]]
                costs = [told["sizes"][str(size)][name][what] for size in there]
                axes.plot(
                    there,
                    costs,
                    "o-",
                    color=colour,
                    label="a training step" if name == "step" else name,
                    ms=4,
                )
            axes.set(xscale="log", yscale="log", xlabel="listings (and users)", ylabel=what)
            axes.grid(alpha=0.3)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", frameon=False)
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument(
        "--train-to",
        type=int,
        default=10**9,
        help="larger sizes are embedded alone, neither trained nor evaluated",
    )
    parser.add_argument("--figure", type=Path, metavar="OUT.svg")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as temporary:
        told = grown(Path(temporary) if given.folder is None else given.folder, given.sizes, given.train_to)
    if given.figure is not None:
        draw(told, given.figure)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
