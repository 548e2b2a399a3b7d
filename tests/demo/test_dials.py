"""A dial of six and six examples orders the demo's other homes by the vibe that was planted in them."""

import numpy as np
import pytest

from benchmarks.dials import fidelity, planted
from listing_vibes import Run
from listing_vibes.demo.homes import VIBES
from listing_vibes.demo.shipped import bundled_run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("space", ["model", "photos"])
def test_the_planted_vibe_is_found(space):
    run, rng = Run.open(bundled_run()), np.random.default_rng(3)
    axes = planted(run)
    found = np.array([[fidelity(run, axes[vibe], space, 6, rng) for _ in range(5)] for vibe in VIBES])
    correlation, auc = found.mean(axis=(0, 1))
    assert correlation > 0.38 and auc > 0.85
    assert (found.mean(axis=1)[:, 1] > 0.7).all()
