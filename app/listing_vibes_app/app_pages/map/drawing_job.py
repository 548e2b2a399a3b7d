"""Drawing a map in a process of its own: the page stays usable, may be left, and finds the work again.

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

PHOTOS = "reading photos"  # before the drawing itself, where they were not looked at yet
#: Writes each update of its progress as a line.
_SCRIPT = (
    "import json, os, sys, threading, time\n"
    "def stay(parent):\n"
    "    while os.getppid() == parent:\n"
    "        time.sleep(1)\n"
    "    os._exit(1)\n"
    "threading.Thread(target=stay, args=(int(sys.argv[2]),), daemon=True).start()\n"
    "from listing_vibes import Run\n"
    "from listing_vibes.errors import sentence_of\n"
    "from listing_vibes.insight.search.photo_search import prepare_looks\n"
    "from listing_vibes.insight.map.vibe_map import save_map\n"
    "from listing_vibes.progress import Counted, renamed\n"
    "def told(update):\n"
    "    if isinstance(update, Counted):\n"
    "        print(json.dumps([update.what, update.done, update.total, update.left]), flush=True)\n"
    "try:\n"
    "    run = Run.open(sys.argv[1])\n"
    f"    prepare_looks(run, renamed(told, {PHOTOS!r}))\n"
    "    save_map(run, report=told)\n"
    "except Exception as error:\n"
    "    sys.exit(sentence_of(error))\n"
)


@dataclass
class Job:
    """One drawing at work, or what became of it.

    Attributes:
        standing: the last that it told of its progress, and when.
    """

    process: subprocess.Popen
    log: IO[bytes]
    started: float = field(default_factory=time.monotonic)
    standing: tuple[Counted, float] | None = None

    def __post_init__(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        """Read what the process tells until it ends."""
        assert self.process.stdout is not None  # a pipe
        with self.process.stdout as lines:
            for line in lines:
                with contextlib.suppress(ValueError):  # what a library prints
                    what, done, total, left = json.loads(line)
                    self.standing = Counted(what, done, total, left), time.monotonic()

    @property
    def at_work(self) -> bool:
        """True until the process has ended."""
        return self.process.poll() is None

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float | None:
        """Seconds that are left, None where nobody can say; between two updates the clock goes on."""
        if self.standing is None or self.standing[0].left is None:
            return None
        told, when = self.standing
        if told.done >= told.total:
            return None  # a step is through, and of the next nothing is known
        return max(1.0, (told.left or 0.0) - (time.monotonic() - when))

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
            [sys.executable, "-P", "-c", _SCRIPT, key, str(os.getpid())], stdout=subprocess.PIPE, stderr=log
        )
        jobs[key] = Job(process, log)
        return jobs[key]


def forget(run: Path) -> None:
    """Drop what is known of a finished drawing."""
    jobs, lock = _jobs()
    with lock, contextlib.suppress(KeyError):
        jobs.pop(str(run.resolve())).log.close()
