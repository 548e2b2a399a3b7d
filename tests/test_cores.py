"""How many threads: by what the process may use, in control groups of both versions."""

import math
import os
from pathlib import Path

import pytest

from listing_vibes import cores as owner
from listing_vibes.cores import cores


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A tree of control groups, and which of them the process is in."""

    def made(membership: str, **files: str) -> list[float]:
        (tmp_path / "membership").write_text(membership)
        for name, content in files.items():
            path = tmp_path / "groups" / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return list(owner._quotas(tmp_path / "groups", tmp_path / "membership"))

    return made


def test_version_2_counts_the_group_and_those_above(groups):
    found = groups("0::/pod/box\n", pod__cpu_dot_max="150000 100000\n", pod__box__cpu_dot_max="max 100000\n")
    assert sorted(found) == [1.5, math.inf]


def test_version_1_counts_the_processor_groups_alone(groups):
    told = {"cpu__box__cpu_dot_cfs_quota_us": "50000\n", "cpu__box__cpu_dot_cfs_period_us": "100000\n"}
    assert sorted(groups("4:memory:/box\n3:cpu,cpuacct:/box\n", **told)) == [0.5, math.inf]


def test_nothing_said_is_no_bound(groups):
    assert groups("0::/\n") == [math.inf]
    assert list(owner._quotas(Path("/nowhere"), Path("/nowhere/cgroup"))) == [math.inf]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process")
def test_what_the_process_is_bound_to_counts(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5})
    monkeypatch.setattr(owner, "_quotas", lambda *_: iter((math.inf,)))
    assert cores() == 3
    monkeypatch.setattr(owner, "_quotas", lambda *_: iter((math.inf, 1.2)))
    assert cores() == 2
    monkeypatch.setattr(owner, "_quotas", lambda *_: iter((math.inf, 0.3)))
    assert cores() == 1


def test_nobody_else_counts_processors():
    """`os.cpu_count()` tells of the machine, which may be thirty times what a container has."""
    root = Path(owner.__file__).parent
    asking = [
        path.relative_to(root).as_posix()
        for part in (root, root.parents[1] / "app")
        for path in part.rglob("*.py")
        if "cpu_count" in path.read_text() or "sched_getaffinity" in path.read_text()
    ]
    assert asking == ["cores.py"]
