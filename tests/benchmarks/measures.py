"""The measures of the table of assets/docs/speed.md, each a function of a folder: `python -m tests.benchmarks.measures NAME FOLDER`.

Commands are timed as processes of their own (`stages`), actions inside one process by `actions`. Markets and runs that a measure
needs are made in the folder, or taken from it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.stages import COMMAND, stage

Rows = list[dict[str, Any]]
DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"
#: Draws the explorer's first page from start to end as for a visitor's browser.
PAGE = """import sys
from streamlit.testing.v1 import AppTest
import listing_vibes_app as app
sys.argv = ["main.py", sys.argv[1]]
driver = AppTest.from_file(app.__path__[0] + "/main.py", default_timeout=600).run()
assert not driver.exception, driver.exception
"""
#: Lists per file of `vibes batch`; a constant here, since importing it would raise the memory that is measured.
CHUNK = 2048
#: Seconds after which a command at 1,000,000 listings is ended.
LONGEST = 1200
#: Runs the command by two processes.
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *COMMAND)
SETTINGS = "[training]\nmax_steps = {steps}\nwarmup = 5\nvalidate_every = 1000\n"


@dataclass(frozen=True)
class Setting:
    """Where a measure works, and how much it does.

    Attributes:
        folder: of the markets and runs that measures make and share.
        quick: whether to measure small sizes once, to see that everything runs.
    """

    folder: Path
    quick: bool = False

    @property
    def repeat(self) -> int:
        """Return the number of repeats of what is fast."""
        return 1 if self.quick else 3

    @property
    def listings(self) -> int:
        """Return the number of listings of the made-up market."""
        return 2_000 if self.quick else 1_000_000

    def data(self, name: str) -> Path:
        """Return a folder of the real data, which `LISTING_VIBES_DATA` names."""
        path = Path(os.environ.get("LISTING_VIBES_DATA", "")) / name
        if not os.environ.get("LISTING_VIBES_DATA") or not path.exists():
            raise SystemExit("skipped: it needs real data, whose folder LISTING_VIBES_DATA names")
        return path


def command_row(
    action: str, arguments: list[Any], repeat: int, note: str = "", **options: Any
) -> dict[str, Any]:
    """Return the row of a command that is run `repeat` times."""
    runs = [stage([str(item) for item in arguments], **options) for _ in range(repeat)]
    peak = max(item["peak GiB"] for item in runs)
    return {"action": action, "seconds": [item["seconds"] for item in runs], "peak GiB": peak, "note": note}


def actions(name: str, run: Path, repeat: int) -> Rows:
    """Return the rows of an action, with the peak memory of its process."""
    command = [sys.executable, "-m", "tests.benchmarks.actions", name, str(run), "--repeat", str(repeat)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def demo(setting: Setting) -> Rows:
    """Time the demo from the command to its first answer and its first picture."""
    runs = [
        stage(["demo", "--no-browser", "--port", "0"], until="/_stcore/health", then=see_picture)
        for _ in range(setting.repeat)
    ]
    peak = max(item["peak GiB"] for item in runs)
    first = [item["seconds"] for item in runs]
    rows = [{"action": "`vibes demo` to its first answer", "seconds": first, "peak GiB": peak}]
    if browser() is not None:
        seen = [item["seconds then"] for item in runs]
        rows.append({"action": "`vibes demo` to its first picture in a browser", "seconds": seen})
    return rows


def browser() -> str | None:
    """Return the program of Chromium; None if it or playwright is not installed."""
    from tests.browser.chromium import executable

    return executable() if find_spec("playwright") else None


def see_picture(url: str) -> None:
    """Open a page in Chromium and wait for its first photo."""
    if (program := browser()) is None:
        return
    from playwright.sync_api import sync_playwright
    from tests.browser.chromium import ARGUMENTS

    shown = "[...document.images].some(image => image.complete && image.naturalWidth > 100)"
    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=program, args=list(ARGUMENTS)) as opened,
    ):
        page = opened.new_page(bypass_csp=True)
        page.goto(url)
        page.wait_for_function(shown, timeout=120_000)


def commands(setting: Setting) -> Rows:
    """Time the commands on the demo's run, from the shell to the answer."""
    run, repeat = DEMO / "run", setting.repeat
    rows = [
        command_row("`vibes --help`", ["--help"], repeat),
        command_row("`vibes check` (demo)", ["check", DEMO], repeat),
        command_row("`vibes similar` (demo)", ["similar", run, "home-0007"], repeat),
        command_row("`vibes recommend` (demo)", ["recommend", run, "user-00016"], repeat),
        command_row("`vibes explain` (demo)", ["explain", run, "user-00016", "home-0007"], repeat),
        command_row("`vibes similar --text WORDS` (demo)", ["similar", run, "--text", "canopy bed"], repeat),
        command_row("`vibes launch` with advice (demo)", ["launch", run, "home-0007"], repeat),
        command_row("`vibes demand` (demo)", ["demand", run], repeat),
    ]
    return [*rows, *actions("draft", run, 5), *actions("search", run, 5)]


def photos(setting: Setting) -> Rows:
    """Time photos from files beside timm eager, and reckon all photos of H&M."""
    market = DEMO if setting.quick else hm_market(setting)
    count = 8 if setting.quick else 256
    options = ["--photos", str(count), "--repeat", str(setting.repeat)]
    command = [sys.executable, "-m", "tests.benchmarks.photos", str(market), *options]
    result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    files, timm = result["sides"]["files"], result["sides"]["timm eager"]
    note = (
        f"{files['times_timm']:.1f} times timm eager ({timm['photos_per_s']:.0f} a second), least cosine {result['least_cosine']:.4f}; "
        f"29,551 in {29_551 / files['photos_per_s'] / 60:.0f} min"
    )
    return [{"action": "photos a second, from files (H&M)", "rates": [files["photos_per_s"]], "note": note}]


def hm_market(setting: Setting) -> Path:
    """Return H&M's week as a market, imported once."""
    market = setting.folder / "hm"
    if not (market / "market.toml").is_file():
        stage(["import", "hm", str(setting.data("hm") / "transactions_week.csv.gz"), str(market)])
    return market


def albany_run(setting: Setting) -> Path:
    """Return a run of Albany with the model that ships, or in a quick run the demo's."""
    if setting.quick:
        return DEMO / "run"
    market, run = setting.folder / "albany", setting.folder / "albany-run"
    if not (run / "run.toml").is_file():
        source = setting.data("inside-airbnb") / "albany-2024-11"
        stage(["import", "inside-airbnb", str(source), str(market)])
        stage(["embed", str(market), str(run), "--model", "homes"])
    return run


def folder(setting: Setting) -> Rows:
    """Time H&M's folder to an explorer without training: import, texts and attributes, first page; then its maps."""
    if setting.quick:
        return [command_row("first page of the explorer (demo)", [DEMO / "run"], 1, program=("-c", PAGE))]
    rows: Rows = []
    market, run = setting.folder / "hm", setting.folder / "hm-run"
    if not (market / "market.toml").is_file():
        source = setting.data("hm") / "transactions_week.csv.gz"
        rows.append(command_row("`vibes import` (H&M's week)", ["import", "hm", source, market], 1))
    embed = ["embed", market, run, "--no-photos"]
    rows.append(command_row("`vibes embed` without photos (H&M)", embed, 1, "17,986 articles with texts"))
    rows.append(command_row("first page of the explorer (H&M)", [run], setting.repeat, program=("-c", PAGE)))
    return [*rows, *actions("coarse", run, 1), *actions("final", run, 1)]


def maps(setting: Setting) -> Rows:
    """Time the coarse and the final map of Albany."""
    run = albany_run(setting)
    return [*actions("coarse", run, 1), *actions("final", run, 1)]


def training(setting: Setting) -> Rows:
    """Time the steps of trainings at the default settings on Albany and the demo: of one process, and of two under `torchrun`."""
    if setting.quick:
        markets = [million_run(setting)[0].parent / "small"]
    else:
        markets = [albany_run(setting).parent / "albany", DEMO]
    rows = []
    for market in markets:
        steps_of(setting, market, "warm")  # embeds the texts and photos, once for all
        rows.append(steps_of(setting, market, "one process"))
    os.environ["OMP_NUM_THREADS"] = (
        "1"  # also of the processes that are started; a measure is a process of its own
    )
    for market in markets:
        one = steps_of(setting, market, "one process of one thread")
        two = steps_of(setting, market, "two processes of one thread under torchrun", TORCHRUN)
        two["note"] = f"{two['rates'][0] / one['rates'][0]:.2f} times one process of one thread"
        rows += [one, two]
    return rows


def steps_of(setting: Setting, market: Path, name: str, program: tuple[str, ...] = COMMAND) -> dict[str, Any]:
    """Return the row of the steps a second of a training, by the difference of two lengths."""
    taken, lengths = [], (2, 4) if setting.quick else (10, 40)
    for count in lengths:
        config, run = setting.folder / f"{count}.toml", setting.folder / f"trained-{count}"
        config.write_text(SETTINGS.format(steps=count), encoding="utf-8")
        shutil.rmtree(run, ignore_errors=True)
        options = ["--preset", "tiny"] if setting.quick else []
        taken.append(
            stage(["train", str(market), str(run), "--config", str(config), *options], program=program)
        )
    rate = (lengths[1] - lengths[0]) / max(taken[1]["seconds"] - taken[0]["seconds"], 0.1)
    action = f"training steps a second ({market.name}, {name})"
    return {"action": action, "rates": [rate], "peak GiB": taken[1]["peak GiB"]}


def million_run(setting: Setting) -> tuple[Path, dict[str, Any] | None]:
    """Return a run of 1,000,000 made-up listings with the model of a small market, and the row of embedding it if it was made now."""
    count, market = setting.listings, setting.folder / "million"
    run, row = market / "run", None
    make = ["-m", "tests.benchmarks.million", str(market), "--listings", str(count), "--users", str(count)]
    subprocess.run([sys.executable, *make], check=True)
    if not (run / "run.toml").is_file():
        embed = ["embed", market / "market", run, "--model", market / "small-run"]
        row = command_row(f"`vibes embed --model RUN` ({setting.listings:,} listings)", embed, 1)
    return run, row


def million(setting: Setting) -> Rows:
    """Time commands and the first page at 1,000,000 listings."""
    run, embedded = million_run(setting)
    rows = [] if embedded is None else [embedded]
    shutil.rmtree(run.parent / "market" / ".cache", ignore_errors=True)  # which the first page writes
    size, page = f"({setting.listings:,} listings)", ("-c", PAGE)
    rows.append(command_row(f"first page of the explorer, first {size}", [run], 1, program=page))
    rows.append(command_row(f"first page of the explorer, warm {size}", [run], setting.repeat, program=page))
    for words in (["similar", run, "h7", "-k", "30"], ["recommend", run, "u7", "-k", "30"]):
        rows.append(command_row(f"`vibes {words[0]}` {size}", words, setting.repeat))
    serve = ["serve", run, "--port", "0"]
    rows.append(command_row(f"`vibes serve` until it answers {size}", serve, 1, until="/health"))
    return [*rows, *actions("page", run, setting.repeat), *actions("brush", run, setting.repeat)]


def batch(setting: Setting) -> Rows:
    """Time lists of 30 for the users of 1,000,000 listings: the command for a while, and its index beside exact search."""
    run, _ = million_run(setting)
    rows = [
        batch_row(run, setting, "default blend", []),
        batch_row(run, setting, "model only", ["--blend", "nothing"]),
    ]
    rows += actions("nearest", run, setting.repeat)
    if find_spec("ray") is not None:
        peaks: dict[int, float] = {}
        options = ["--engine", "ray", "--workers", "2"]
        row = batch_row(
            run, setting, "default blend on two Ray workers", options, lambda: watch_workers(peaks)
        )
        row["note"] += f"; {max(peaks.values(), default=0):.1f} GiB at most in a worker"
        rows.append(row)
    return rows


def watch_workers(peaks: dict[int, float]) -> None:
    """Record the peak memory in GiB of each process that Ray Data has started for a batch."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"MapWorker" in (process / "cmdline").read_bytes():
                (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
                peaks[int(process.name)] = int(peak) / 2**20


def batch_row(
    run: Path, setting: Setting, name: str, options: list[str], watch: Callable[[], None] | None = None
) -> dict[str, Any]:
    """Return the row of a batch that is ended some seconds after its first file."""
    out = setting.folder / "lists"
    shutil.rmtree(out, ignore_errors=True)
    command = ["batch", str(run), str(out), "-k", "30", *options]
    done = stage(command, 1 if setting.quick else 20, out, watch=watch)
    files = sorted(path.stat().st_mtime for path in out.glob("part-*.parquet"))
    rate = CHUNK * (len(files) - 1) / max(files[-1] - files[0], 1e-9)
    return {
        "action": f"`vibes batch`, {name}: lists a second",
        "rates": [rate],
        "peak GiB": done["peak GiB"],
        "note": f"{done['seconds to the first file']:.0f} s to the first {CHUNK:,} lists",
    }


def memory(setting: Setting) -> Rows:
    """Measure the other commands at 1,000,000 listings once each, on copies of market and run."""
    run, _ = million_run(setting)
    source, copies = run.parent, setting.folder / "copies"
    shutil.rmtree(copies, ignore_errors=True)
    shutil.copytree(source / "market", copies / "market", ignore=shutil.ignore_patterns(".cache"))
    shutil.copytree(run, copies / "run")
    manifest = copies / "run" / "run.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace(str(source / "market"), str(copies / "market")), encoding="utf-8")
    market, twin, new = copies / "market", copies / "run", source / "new"
    config = copies / "settings.toml"
    config.write_text("[features]\ntext = false\n" + SETTINGS.format(steps=10), encoding="utf-8")
    evaluate = ["--baselines", "none", "--users", "1000"]
    commands = {
        "check": ["check", market],
        "train (10 steps)": ["train", market, copies / "trained", "--preset", "tiny", "--config", config],
        "embed --model RUN": ["embed", market, copies / "embedded", "--model", source / "small-run"],
        "evaluate (1,000 users)": ["evaluate", twin, *evaluate],
        "evaluate (1,000 users), another run": ["evaluate", copies / "embedded", *evaluate],
        "compare": ["compare", twin, copies / "embedded"],
        "monitor": ["monitor", twin],
        "explain": ["explain", twin, "u7", "h9"],
        "launch": ["launch", twin, "h7"],
        "demand": ["demand", twin],
        "report": ["report", twin, copies / "report.html"],
        "export (vectors)": ["export", twin, copies / "vectors", "--format", "vectors"],
        "refresh": ["refresh", twin, "--events", new / "events", "--listings", new / "listings"],
        "forget": ["forget", twin, "u7"],
    }
    rows = []
    for name, arguments in commands.items():
        action = f"`vibes {name}` ({setting.listings:,} listings)"
        try:
            row = command_row(action, arguments, 1, codes=(0, 1), at_most=LONGEST)
        except SystemExit as error:  # such as that of a comparison whose evaluation was ended
            print(f"no row: {error}", file=sys.stderr)
            continue
        rows.append(row | {"note": "was ended then" if row["seconds"][0] >= LONGEST else ""})
    shutil.rmtree(copies)
    return rows


def evaluation(setting: Setting) -> Rows:
    """Time exact ranks among 1,000,000 listings."""
    return actions("evaluation", million_run(setting)[0], 1)


#: By name; `folder` imports the market of `photos`, and `million` makes the run of those after it.
MEASURES: dict[str, Callable[[Setting], Rows]] = {
    item.__name__: item
    for item in (demo, commands, maps, training, folder, photos, million, batch, evaluation, memory)
}


def main() -> None:
    """Run one measure and print its rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=list(MEASURES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    print(json.dumps(MEASURES[options.name](Setting(options.folder, options.quick))))


if __name__ == "__main__":
    main()
