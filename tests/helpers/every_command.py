"""Run every command and page over a small market: `python -m helpers.every_command FOLDER`, which takes about a minute."""

import gc
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pandas as pd
from streamlit.testing.v1 import AppTest

import listing_vibes_app
from browser.painted import paint_market
from browser.served import wait_for
from helpers.commands import vibes
from listing_vibes.cli import app
from listing_vibes_app.all_pages import PAGES
from listing_vibes_app.server.command_line import ADDRESS, free_port

SETTINGS = """
preset = "tiny"
[encoder]
layers = 1
width = 16
heads = 2
ffn = 32
[training]
batch = 4
fresh = 4
max_steps = 4
warmup = 1
validate_every = 4
bf16 = false
"""
GRID = f"""
[base]
{SETTINGS.replace("[", "[base.")}
[[variant]]
name = "full"
"""
#: Commands that may end otherwise than well here: nothing to fetch, a verdict.
REFUSED = ("download", "monitor", "experiment")


def commands(folder: Path) -> dict[str, list[list[object]]]:
    """What each command is called with, in an order in which each finds what it needs."""
    market, run, other = folder / "market", folder / "run", folder / "other"
    return {
        "import": [["tables", folder / "source", folder / "imported"]],
        "check": [[market, "--model", "homes"]],
        "download": [[market]],
        "train": [[market, run, "--config", folder / "tiny.toml"]],
        "embed": [[market, other, "--model", "homes"], [market, folder / "bare"]],
        "evaluate": [[run], [other, "--baselines", "none"]],
        "compare": [[run, other]],
        "ablate": [[market, folder / "ablation", "--grid", folder / "grid.toml", "--seeds", "0"]],
        "tune": [],  # `train`, several times
        "similar": [[run, "l01"], [run, "--text", "a lamp"]],
        "recommend": [[run, "u1"]],
        "batch": [[run, folder / "alike", "--kind", "listings"], [run, folder / "lists", "--engine", "ray"]],
        "launch": [[run, "l01"]],
        "explain": [[run, "u1", "l01"]],
        "demand": [[run]],
        "report": [[run, folder / "report.html"]],
        "refresh": [[run, "--events", folder / "news"]],
        "forget": [[run, "u2"]],
        "monitor": [[run]],
        "export": [[run]],
        "explore": [],  # below, as a process of its own
        "demo": [],
        "serve": [],
        "experiment": [[folder / "shown"]],
    }


def main(folder: Path) -> None:
    """Run all of them; a command that ends in an error is an error here."""
    folder.mkdir()
    paint_market(folder / "market", listings=40, users=60, events=8, note="Its events are simulated.")
    (folder / "source").mkdir()
    for name in ("listings", "events"):
        (folder / "source" / f"{name}.parquet").write_bytes(
            (folder / "market" / f"{name}.parquet").read_bytes()
        )
    (folder / "tiny.toml").write_text(SETTINGS)
    (folder / "grid.toml").write_text(GRID)
    (folder / "news").mkdir()
    news = pd.DataFrame(
        {"user_id": ["u1"], "listing_id": ["l02"], "timestamp": ["2024-03-20"], "action": ["view"]}
    )
    news.to_csv(folder / "news" / "events.csv", index=False)
    calls = commands(folder)
    there = {one.name or one.callback.__name__ for one in app.registered_commands if one.callback}
    assert there == set(calls), f"give arguments for {there ^ set(calls)}"
    for name, calls_of in calls.items():
        if name == "experiment":
            _serve(folder)
        for arguments in calls_of:
            gc.collect()  # a run that is still open keeps what `forget` is to remove
            begin = time.monotonic()
            done = vibes(name, *arguments, check=None)
            assert done.returncode == 0 or name in REFUSED, f"{name}: {done.stderr}"
            print(f"{name} {time.monotonic() - begin:.1f} s", flush=True)
    _pages(folder / "run")
    for arguments in (["explore", folder / "run"], ["demo"]):
        _listen([*arguments, "--no-browser"], "/_stcore/health", lambda address: None)


def _serve(folder: Path) -> None:
    def ask(address: str) -> None:
        for path in ("similar/l01", "recommend/u1", "health", "docs"):
            urllib.request.urlopen(f"{address}/{path}", timeout=60).read()

    folders = ["--events", folder / "posted", "--impressions", folder / "shown"]
    _listen(["serve", folder / "run", folder / "bare", *folders], "/health", ask)


def _listen(arguments: list[object], path: str, ask) -> None:
    """Start a server, wait for its answer at `path`, `ask` it, and end it."""
    port = free_port()
    line = [sys.executable, "-m", "listing_vibes", *map(str, arguments), "--port", str(port)]
    begin = time.monotonic()
    with subprocess.Popen(line) as process:
        try:
            wait_for(f"http://{ADDRESS}:{port}{path}", process)
            ask(f"http://{ADDRESS}:{port}")
        finally:
            process.terminate()
    print(f"{arguments[0]} {time.monotonic() - begin:.1f} s", flush=True)


def _pages(run: Path) -> None:
    for page in PAGES:
        begin = time.monotonic()
        sys.argv = ["main.py", str(run)]
        driver = AppTest.from_file(
            str(Path(listing_vibes_app.__file__).with_name("main.py")), default_timeout=120
        )
        driver.run()
        if page is not PAGES[0]:
            driver.switch_page(f"app_pages/{page.name}/page.py").run()
        assert not driver.exception, driver.exception
        print(f"page {page.name} {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
