"""What every part of the suite may use: settings, the slow tests' option, the real data, and the fixtures of `helpers`."""

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from listing_vibes.cores import cores

#: Fixtures that several rooms share, each beside what it is made of.
SHARED = ("helpers.tiny", "helpers.logs", "helpers.trainings", "helpers.runs", "helpers.second")

# A module is compiled once, not anew by each of the many processes that tests start, whatever the shell says.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Libraries and tests make a million objects that stay: fewer walks through them in search of cycles while they come.
gc.set_threshold(20_000, 20, 20)

# As the command line does: threads that wait do not spin. Set before torch is loaded, as is the share of the cores of
# one of several test processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // int(workers))))

# No deadline, since the cores are shared with others; the same examples on every run, so that a failure is everybody's.
settings.register_profile("fast", deadline=None, derandomize=True, max_examples=15)
settings.register_profile("slow", deadline=None, derandomize=True, max_examples=60)

#: Marks of tests that only `--slow` runs, and those that are named by their id.
SLOW = ("slow", "browser", "real")
LEFT_OUT = pytest.StashKey[int]()
ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too, and more random examples")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = 0
    settings.load_profile("slow" if config.option.slow else "fast")
    hands_out = config.option.tx and "PYTEST_XDIST_WORKER" not in os.environ
    if not hands_out:  # who only hands tests out to other processes need not wait for torch
        for name in SHARED:
            config.pluginmanager.import_plugin(name)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return the number of processes: none beside this one for single tests and files, where starting them costs more than they
    save; one more than cores for all slow tests, which wait for browsers and other processes a third of the time.
    """
    named = [Path(argument.split("::")[0]) for argument in config.args]
    if all(path.is_file() for path in named):
        return 0
    return cores() + 1 if config.option.slow else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.slow or config.option.markexpr or any("::" in argument for argument in config.args):
        return
    slow = {item for item in items if any(item.get_closest_marker(mark) for mark in SLOW)}
    items[:] = [item for item in items if item not in slow]
    config.stash[LEFT_OUT] = len(slow)


def pytest_collection_finish() -> None:
    gc.freeze()  # what stays to the end is not walked through again


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left out"] = session.config.stash[LEFT_OUT]
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error: object) -> None:
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if count := config.stash[LEFT_OUT]:
        terminalreporter.write_line(f"{count} slow tests were left out; `pytest --slow` runs them too.")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; LISTING_VIBES_DATA, relative to the project root, says where it lies."""
    path = (ROOT / os.environ.get("LISTING_VIBES_DATA", "../shared/data")).resolve()
    if not path.is_dir():
        pytest.skip(f"no real data at {path}; set LISTING_VIBES_DATA to its folder")
    return path
