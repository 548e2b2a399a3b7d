"""Number of threads or processes to use: the processors available to this process, not those of the machine."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_limits: list[int] = []


def cores() -> int:
    """Return the number of processors that this process may use, at least 1: by its affinity (`taskset`, a scheduler), by the
    CPU limit of its control group (`docker run --cpus`, a pod's limit), rounded up, and by `limit_cores`.
    """
    return int(min(_bound(), _quota(), *_limits))


def limit_cores(number: int) -> None:
    """Limit this process to a number of processors, since it is one of several workers of a machine."""
    _limits.append(number)


def limit_threads() -> None:
    """Limit the thread pools of libraries to the CPU limit of the control group; call it before they are loaded.

    The libraries respect the affinity of the process by themselves.
    """
    if _quota() < _bound():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores()))


def _bound() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota() -> float:
    return max(1, min(map(_rounded_up, _quotas(_GROUPS, Path("/proc/self/cgroup")))))


def _rounded_up(share: float) -> float:
    return share if math.isinf(share) else math.ceil(share)


def _quotas(root: Path, membership: Path) -> Iterator[float]:
    """Yield the CPU limit, in processors, of each control group (version 2 and 1) of the process; inf without a limit."""
    yield math.inf
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "cpu" not in kinds.split(","):
            continue
        # In a container the path names the root of the visible hierarchy.
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
