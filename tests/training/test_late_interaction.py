"""The scores of a step with late interaction: the greatest so far, its gradient, and that training learns by them."""

import numpy as np
import pytest
import torch

from helpers.logs import build_log
from listing_vibes.errors import VibesError
from listing_vibes.model.settings import Resolved
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.training.batches import Batch
from listing_vibes.training.late_interaction import greatest_so_far, late_scores
from listing_vibes.training.train import train


def test_the_greatest_so_far_is_cummax_window_by_window():
    count = np.array([3, 1, 5, 2])
    values = torch.randn(11, 7, generator=torch.Generator().manual_seed(0))
    row = greatest_so_far(values, count)
    for part, rows in zip(values.split(count.tolist()), row.split(count.tolist()), strict=True):
        torch.testing.assert_close(values.gather(0, rows), part.cummax(0).values)


@pytest.mark.parametrize("compared", [True, False])
def test_a_step_scores_as_serving_does_and_the_nearest_listing_learns(compared):
    rng = torch.Generator().manual_seed(1)
    table = torch.nn.functional.normalize(torch.randn(9, 4, generator=rng), dim=1)
    listing = np.array([3, 7, 5, 1, 3])
    log = build_log([0, 0, 0, 1, 1], listing, range(5), listings=9, users=2)
    history = table[torch.from_numpy(listing)].clone().requires_grad_()
    batch = Batch(np.arange(3), np.array([0, 3]), np.array([3, 5]), np.array([1, 2, 4]))
    user = torch.nn.functional.normalize(torch.randn(3, 4, generator=rng), dim=1)
    itself = None if compared else listing[:, None] == np.arange(9)
    found = late_scores(user, table, history, batch, 0.5, itself=itself)  # (3, 9)
    vectors = table.numpy()
    served = LateInteraction(0.5, itself=compared).scores(
        user.numpy(), vectors, vectors, log, np.array([0, 0, 3]), np.array([2, 3, 5])
    )
    np.testing.assert_allclose(found.detach().numpy() / 1.5, served, atol=1e-6)
    column = 6
    found[1, column].backward()
    nearest = int((table[torch.from_numpy(listing[:3])] @ table[column]).argmax())
    moved = history.grad.abs().sum(1) > 0
    assert moved.nonzero().squeeze(1).tolist() == [nearest]


def test_only_a_reader_of_listing_vectors_has_it():
    with pytest.raises(VibesError, match="needs history = 'listing-vectors', not 'cls'"):
        Resolved.of({"history": "cls", "training": {"late_interaction": 0.5}})


@pytest.mark.slow
def test_a_run_is_trained_and_served_by_the_same_scores(trained, tmp_path):
    settings = Resolved.of(
        {
            "preset": "tiny",
            "inference": "plain",
            "training": {"late_interaction": 0.7, "max_steps": 3, "bf16": False},
        }
    )
    train(trained.market, tmp_path / "run", settings, None)
    assert Manifest.load(tmp_path / "run").settings.training.late_interaction == 0.7
    run = Run.open(tmp_path / "run")
    user = run.log.users[0]
    found = run.recommend(user, k=5, beside="nothing")
    start, end = run.log.start[:1], run.log.start[1:2]
    vectors = run.vectors("model")
    whole = run.engine.encode_histories(run.log, start, end, listings=vectors) @ vectors.T  # (1, L)
    nearest = (vectors[run.log.listing[start[0] : end[0]]] @ vectors.T).max(0)
    rows = [run.row(one) for one in found["listing_id"]]
    np.testing.assert_allclose(found["score"], (whole[0] + 0.7 * nearest)[rows] / 1.7, atol=2e-5)
