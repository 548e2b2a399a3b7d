"""An explorer's server of its own, as long as it is needed."""

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from listing_vibes_app.server.command_line import address, command

PATIENCE = 300  # seconds that a busy machine may take to start one


@dataclass(frozen=True)
class Served:
    """Where a server answers, and its process."""

    url: str
    process: subprocess.Popen


@contextmanager
def served(runs: list[Path], log: Path) -> Iterator[Served]:
    """A server over `runs` that writes into the file `log`; it answers once this is entered."""
    arguments = command(runs, None, browser=False)
    with log.open("wb") as stream:
        process = subprocess.Popen(arguments, cwd=log.parent, stdout=stream, stderr=subprocess.STDOUT)
    try:
        wait_for(address(arguments) + "/_stcore/health", process, log)
        yield Served(address(arguments), process)
    finally:
        process.terminate()
        process.wait(180)


def wait_for(url: str | urllib.request.Request, process: subprocess.Popen, log: Path | None = None) -> None:
    """Wait until `url` answers; fail with the log once the process has ended or the time is up."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:  # refused, reset, timed out
            told = log.read_text(errors="replace") if log else ""
            assert process.poll() is None and time.monotonic() < end, f"{url} does not answer\n{told}"
            time.sleep(0.1)
