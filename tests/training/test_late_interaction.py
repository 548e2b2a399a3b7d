"""Late interaction in a whole training: the scores of lists are those of the loss."""

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.model.settings import Resolved
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.training.train import train


def test_only_a_reader_of_listing_vectors_has_it():
    with pytest.raises(VibesError, match="needs history = 'listing-vectors', not 'cls'"):
        Resolved.of({"history": "cls", "training": {"late_interaction": 0.5}})


@pytest.mark.slow
def test_a_run_is_trained_and_served_by_the_same_scores(trained, tmp_path):
    settings = Resolved.of(
        {
            "preset": "tiny",
            "inference": "float32",
            "training": {"late_interaction": 0.7, "max_steps": 3, "bf16": False},
        }
    )
    train(trained.market, tmp_path / "run", settings, None)
    assert Manifest.load(tmp_path / "run").settings.training.late_interaction == 0.7
    run = Run.open(tmp_path / "run")
    user = run.log.users[0]
    found = run.recommend(user, k=5, blend="nothing")
    start, end = run.log.start[:1], run.log.start[1:2]
    vectors = run.vectors("model")
    whole = run.engine.encode_histories(run.log, start, end, listings=vectors) @ vectors.T  # (1, L)
    nearest = (vectors[run.log.listing[start[0] : end[0]]] @ vectors.T).max(0)
    rows = [run.row(one) for one in found["listing_id"]]
    np.testing.assert_allclose(found["score"], (whole[0] + 0.7 * nearest)[rows] / 1.7, atol=2e-5)
