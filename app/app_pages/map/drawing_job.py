"""Drawing a map in a process of its own: the page stays usable, may be left, and finds the work again.

The process ends with the server that started it.
"""

import contextlib
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

_SCRIPT = (
    "import os, sys, threading, time\n"
    "def stay(parent):\n"
    "    while os.getppid() == parent:\n"
    "        time.sleep(1)\n"
    "    os._exit(1)\n"
    "threading.Thread(target=stay, args=(int(sys.argv[2]),), daemon=True).start()\n"
    "from core import Run\n"
    "from core.errors import sentence_of\n"
    "from core.insight.looks.search import prepare_looks\n"
    "from core.insight.map.vibe_map import save_map\n"
    "try:\n"
    "    run = Run.open(sys.argv[1])\n"
    "    prepare_looks(run)\n"
    "    save_map(run)\n"
    "except Exception as error:\n"
    "    sys.exit(sentence_of(error))\n"
)


@dataclass
class Job:
    """One drawing at work, or what became of it."""

    process: subprocess.Popen
    log: IO[bytes]
    started: float = field(default_factory=time.monotonic)

    @property
    def at_work(self) -> bool:
        """True until the process has ended."""
        return self.process.poll() is None

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return time.monotonic() - self.started

    @property
    def trouble(self) -> str:
        """Why it failed, empty where it did not."""
        if self.process.poll() in (None, 0):
            return ""
        self.log.seek(0)
        told = self.log.read().decode(errors="replace").strip().splitlines()
        return told[-1] if told else f"The drawing ended with code {self.process.returncode}."


@st.cache_resource(show_spinner=False)
def _jobs() -> tuple[dict[str, Job], threading.Lock]:
    return {}, threading.Lock()


def job_of(run: Path) -> Job | None:
    """The drawing of a run's map, if one was started and not forgotten since."""
    return _jobs()[0].get(str(run.resolve()))


def start(run: Path) -> Job:
    """Begin to draw the map of `run`, unless that is at work already."""
    jobs, lock = _jobs()
    key = str(run.resolve())
    with lock:
        if key in jobs and jobs[key].at_work:
            return jobs[key]
        log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the job
        process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, key, str(os.getpid())], stdout=subprocess.DEVNULL, stderr=log
        )
        jobs[key] = Job(process, log)
        return jobs[key]


def forget(run: Path) -> None:
    """Drop what is known of a finished drawing."""
    jobs, lock = _jobs()
    with lock, contextlib.suppress(KeyError):
        jobs.pop(str(run.resolve())).log.close()
