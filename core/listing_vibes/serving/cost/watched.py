"""A command as a process of its own, watched by as small a process as can be: run by its path, it says the peak of its memory.

    python -I -S watched.py PATH COMMAND ...

The system counts to a process what its parent had in memory when it was begun, so that whoever has a model open cannot measure one
itself. With a PATH other than "-" the command is a server that says its address: it is ended once it has answered for that path.
Bytes go to stdout, what a command said that failed to stderr.
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

_ADDRESS = re.compile(r"http://(?:127\.0\.0\.1|localhost):\d+")
_PAUSE = 0.1  # seconds


def main() -> int:
    """The exit code of the command; 0 of a server that has answered."""
    path, command = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        answered = False
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if path != "-" and not answered:
                said.seek(0)
                address = _ADDRESS.search(said.read())
                if address is not None and _answers(address[0] + path):
                    answered = True
                    os.kill(process.pid, signal.SIGTERM)
            time.sleep(_PAUSE)
        process.returncode = code = os.waitstatus_to_exitcode(status)  # so that nobody waits for it again
        if code and not answered:
            said.seek(0)
            sys.stderr.write(said.read())
            return abs(code)
    sys.stdout.write(str(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)))
    return 0


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:  # nosec B310 (an http address alone is matched)
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
