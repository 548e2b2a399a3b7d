"""What every part of the suite may use: settings, the real data, and the fixtures of `helpers`."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

#: Fixtures that several rooms share, each beside what it is made of.
pytest_plugins = ["helpers.tiny", "helpers.logs", "helpers.trainings", "helpers.runs"]

# As the command line does: threads that wait do not spin. Set before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# No deadline, since the cores are shared with others; the same examples on every run, so that a failure is everybody's.
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("suite")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data; LISTING_VIBES_DATA, relative to the project root, says where it lies."""
    path = (ROOT / os.environ.get("LISTING_VIBES_DATA", "../shared/data")).resolve()
    if not path.is_dir():
        pytest.skip(f"no real data at {path}; set LISTING_VIBES_DATA to its folder")
    return path
