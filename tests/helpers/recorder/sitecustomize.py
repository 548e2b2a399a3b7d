"""Loaded by every Python process with this folder on its path: records names that are resolved and files that are written.

`RECORD_TO` names the file that gets one line a finding, `RECORD_ALLOWED` the folders that may be written.
"""

import ipaddress
import os
import socket
import sys

RECORD = os.environ.get("RECORD_TO", "")
ALLOWED = tuple(os.path.realpath(folder) for folder in os.environ.get("RECORD_ALLOWED", "").split(os.pathsep))
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")  # an address of this machine is no name either
CHANGES = ("os.mkdir", "os.rename", "os.symlink", "os.link", "os.truncate")
HERE: set[str] = set()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _record(line: str) -> None:
    file = os.open(RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode(errors="replace"))
    os.close(file)


def _written(path: object) -> None:
    if isinstance(path, bytes | str):
        real = os.path.realpath(os.fsdecode(path))
        if not real.startswith((*ALLOWED, "/dev/", "/proc/")) and "__pycache__" not in real:
            _record(f"writes {real}")


def _watch(event: str, args: tuple) -> None:
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = os.fsdecode(args[0]) if isinstance(args[0], bytes | str) else ""
        if host and not host.startswith(LOOPBACK) and not _is_address(host):
            _record(f"resolves {host}")
    elif event == "socket.connect" and isinstance(args[1], tuple):
        host = str(args[1][0])
        if not host.startswith(LOOPBACK) and host not in HERE:
            _record(f"connects to {args[1]}")
    elif event == "open":
        path, _, flags = args
        if (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and path != RECORD:
            _written(path)
    elif event in CHANGES:
        _written(args[1] if event in ("os.rename", "os.symlink", "os.link") else args[0])


if RECORD:
    HERE |= {str(one[4][0]) for one in socket.getaddrinfo(socket.gethostname(), None)}
    sys.addaudithook(_watch)
