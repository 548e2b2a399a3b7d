"""A command as a process of its own: its seconds and the peak of its memory, as the system saw them (wait4).

The system counts to a process what its parent had in memory when it was begun. So whoever measures small commands imports
nothing large, this module neither.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

COMMAND = ("-m", "listing_vibes")


def stage(
    arguments: list[str],
    limit: float = 0,
    out: Path | None = None,
    until: str | None = None,
    program: tuple[str, ...] = COMMAND,
) -> dict[str, Any]:
    """Run a command: wall and processor seconds and the peak of its memory.

    With `out` it is killed `limit` seconds after its first file is there. With `until`, a path, it is a server that says its
    address: it is asked for that path, and ended once it has answered.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([sys.executable, *program, *arguments], stderr=said, stdout=said)
        first, before, killed, answered = None, 0.0, False, False
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            now = time.monotonic() - started
            if out is not None and first is None and any(out.glob("part-*.parquet")):
                first, before = now, processor_seconds(process.pid)
            if first is not None and now - first > limit and not killed:
                os.kill(process.pid, signal.SIGKILL)
                killed = True
            if until is not None and not answered and _answers(said, until):
                os.kill(process.pid, signal.SIGTERM)
                answered = True
            time.sleep(0.1)
        process.returncode = status  # so that nobody waits for it again
        if status and not killed and not answered:
            said.seek(0)
            raise SystemExit(f"{' '.join(arguments)}: {said.read()[-2000:]}")
    spent = usage.ru_utime + usage.ru_stime
    found = {
        "seconds": round(time.monotonic() - started, 1),
        "processor seconds": round(spent, 2),
        "peak GiB": round(usage.ru_maxrss / 2**20, 3),
        "through": not killed,
    }
    if first is None:
        return found
    return found | {
        "seconds to the first file": round(first, 1),
        "processor seconds after it": round(spent - before, 1),
    }


def processor_seconds(pid: int) -> float:
    """What a running process has used until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _answers(said: Any, path: str) -> bool:
    """Whether the server has said its address and answers there."""
    said.seek(0)
    address = re.search(r"http://(?:127\.0\.0\.1|localhost):\d+", said.read())
    if address is None:
        return False
    try:
        with urllib.request.urlopen(address[0] + path, timeout=60) as answer:
            return answer.status == 200
    except OSError:
        return False
