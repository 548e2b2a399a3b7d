"""The one answer to how many threads or processes work at once: what this process may use, not what the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def cores() -> int:
    """Processors that this process may use, at least 1: those it is bound to (`taskset`, a scheduler), and at most the time
    that its control group is given (`docker run --cpus`, a pod's limit), rounded up."""
    return int(min(_bound(), _quota()))


def limit_threads() -> None:
    """Let the libraries' thread pools be no larger than what the control group has time for; of use before they are loaded.

    What the process is bound to they see by themselves.
    """
    if _quota() < _bound():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores()))


def _bound() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota() -> float:
    return max(1, min(map(_whole, _quotas(_GROUPS, Path("/proc/self/cgroup")))))


def _whole(share: float) -> float:
    return share if math.isinf(share) else math.ceil(share)


def _quotas(root: Path, membership: Path) -> Iterator[float]:
    """Processors' worth of time of each control group (version 2 and 1) that the process is in; inf where all of it."""
    yield math.inf
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "cpu" not in kinds.split(","):
            continue
        # In a container, what the path names is the root of what can be seen.
        for below in {Path(path.lstrip("/")), *Path(path.lstrip("/")).parents}:
            folder = root / ("cpu" if kinds else "") / below
            try:
                if kinds:
                    quota = (folder / "cpu.cfs_quota_us").read_text()
                    period = (folder / "cpu.cfs_period_us").read_text()
                else:
                    quota, period = (folder / "cpu.max").read_text().split()
                if quota.strip() not in ("max", "-1"):
                    yield int(quota) / int(period)
            except (OSError, ValueError, ZeroDivisionError):
                continue
