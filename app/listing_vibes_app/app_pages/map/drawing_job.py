"""Drawing a map in a separate process, so that the page stays usable and can be left and opened again.

The process ends with the server that started it.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import streamlit as st

from listing_vibes.progress import Counted

#: The program of the process, which writes each progress update as a line.
_SCRIPT = """
import json, os, sys, threading, time
def follow(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
threading.Thread(target=follow, args=(int(sys.argv[2]),), daemon=True).start()
from listing_vibes import Run
from listing_vibes.errors import sentence_of
from listing_vibes.insight.photo_search import prepare_looks
from listing_vibes.insight.map.vibe_map import save_map
from listing_vibes.progress import Counted
def report(update):
    if isinstance(update, Counted):
        print(json.dumps([update.what, update.done, update.total, update.left]), flush=True)
try:
    run = Run.open(sys.argv[1])
    prepare_looks(run, report)
    save_map(run, report=report)
except Exception as error:
    sys.exit(sentence_of(error))
"""


@dataclass
class DrawingJob:
    """A running or ended drawing."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]
    started: float = field(default_factory=time.monotonic)
    progress: Counted | None = None  # the last update

    def __post_init__(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None  # a pipe
        with self.process.stdout as lines:
            for line in lines:
                with contextlib.suppress(ValueError, TypeError):  # output of a library
                    self.progress = Counted(*json.loads(line))

    @property
    def is_running(self) -> bool:
        """Return True until the process has ended."""
        return self.process.poll() is None

    @property
    def error(self) -> str:
        """Return the error, empty if there is none."""
        if self.process.poll() in (None, 0):
            return ""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"The drawing ended with code {self.process.returncode}."


@st.cache_resource(show_spinner=False)
def _jobs() -> tuple[dict[str, DrawingJob], threading.Lock]:
    return {}, threading.Lock()


def job_of(run: Path) -> DrawingJob | None:
    """Return the drawing of a run's map, if one was started and not removed."""
    return _jobs()[0].get(str(run.resolve()))


def start(run: Path) -> None:
    """Start to draw the map of a run, unless a drawing is running."""
    jobs, lock = _jobs()
    key = str(run.resolve())
    with lock:
        if key not in jobs or not jobs[key].is_running:
            log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the job
            arguments = [sys.executable, "-P", "-c", _SCRIPT, key, str(os.getpid())]
            jobs[key] = DrawingJob(subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log), log)


def forget(run: Path) -> None:
    """Remove a finished drawing."""
    jobs, lock = _jobs()
    with lock, contextlib.suppress(KeyError):
        jobs.pop(str(run.resolve())).log.close()
