"""A command as a process of its own: its seconds and the peak of its memory, as the system reports them (wait4).

The system counts to a process what its parent had in memory when it was started. So whoever measures small commands imports
nothing large, and neither does this module.
"""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

COMMAND = ("-m", "listing_vibes")


def stage(
    arguments: list[str],
    limit: float = 0,
    out: Path | None = None,
    until: str | None = None,
    program: tuple[str, ...] = COMMAND,
    then: Callable[[str], None] | None = None,
    watch: Callable[[], None] | None = None,
    codes: tuple[int, ...] = (0,),
    at_most: float = math.inf,
) -> dict[str, Any]:
    """Run a command, and return its wall and processor seconds and the peak of its memory.

    With `out` it is ended `limit` seconds after its first file is there. With `until`, a path, it is a server that prints its
    URL: it is ended once it has answered a request of that path, and `then` was called with the URL. `watch` is called every few
    seconds while it runs. An exit code that is not one of `codes` is an error. After `at_most` seconds it is ended.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([sys.executable, *program, *arguments], stderr=output, stdout=output)
        first, before, answered, done, ended, watched = None, 0.0, None, None, False, 0.0
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            now = time.monotonic() - started
            if watch is not None and now > watched + 2:
                watch()
                watched = now
            if out is not None and first is None and any(out.glob("part-*.parquet")):
                first, before = now, processor_seconds(process.pid)
            if not ended and (now > at_most or (first is not None and now - first > limit)):
                os.kill(process.pid, signal.SIGKILL)
                ended = True
            if not ended and until is not None and (url := url_that_answers(output, until)) is not None:
                answered = time.monotonic() - started
                if then is not None:
                    then(url)
                    done = time.monotonic() - started
                os.kill(process.pid, signal.SIGTERM)
                ended = True
            time.sleep(0.05)
        process.returncode = status  # so that no other call waits for it
        if os.waitstatus_to_exitcode(status) not in codes and not ended:
            output.seek(0)
            raise SystemExit(f"{' '.join(arguments)}: {output.read()[-2000:]}")
    spent = usage.ru_utime + usage.ru_stime
    result = {
        "seconds": round(time.monotonic() - started if answered is None else answered, 2),
        "processor seconds": round(spent, 2),
        "peak GiB": round(usage.ru_maxrss / 2**20, 3),
    }
    if done is not None:
        result["seconds then"] = round(done, 2)
    if first is not None:
        result |= {
            "seconds to the first file": round(first, 1),
            "processor seconds after it": round(spent - before, 1),
        }
    return result


def processor_seconds(pid: int) -> float:
    """Return what a running process has used until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def url_that_answers(output: Any, path: str) -> str | None:
    """Return the URL that a server has printed, once it answers a request of `path`."""
    output.seek(0)
    url = re.search(r"http://(?:127\.0\.0\.1|localhost):\d+", output.read())
    if url is None:
        return None
    try:
        with urllib.request.urlopen(url[0] + path, timeout=60) as response:
            return url[0] if response.status == 200 else None
    except OSError:
        return None
