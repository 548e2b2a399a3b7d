"""MiniLM read on: seeded, learned from the texts, kept beside the vectors and carried by the run."""

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.features.texts.encoder import load_text_encoder
from listing_vibes.features.texts.sources.own_bert import OwnBert

pytestmark = pytest.mark.slow

TEXTS = [f"The {place} flat number {n} has a zorbel oven" for n in range(6) for place in ("harbour", "park")]
STEPS = 2


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    cache = tmp_path_factory.mktemp("text")
    seen = []
    view = OwnBert.fit(TEXTS, cache, STEPS, report=seen.append)
    assert [(one.done, one.total) for one in seen] == [(n, STEPS) for n in range(1, STEPS + 1)]
    return cache, view


@pytest.mark.slow
def test_it_moved_and_the_same_seed_moves_it_alike(kept, tmp_path):
    _, view = kept
    again = OwnBert.fit(TEXTS[::-1], tmp_path, STEPS)
    assert again.key == view.key
    for name, weights in view.weights.items():
        np.testing.assert_array_equal(again.weights[name], weights)
    plain = load_text_encoder().encode(TEXTS)
    found = view.vectors(TEXTS, tmp_path)
    assert found.shape == (12, 384) and 0.3 < (plain * found).sum(axis=1).mean() < 0.99999
    assert OwnBert.fit(TEXTS, tmp_path, STEPS, seed=1).key != view.key


def test_the_second_run_reads_what_the_first_one_left(kept, monkeypatch):
    cache, view = kept
    monkeypatch.setattr(
        "transformers.AutoModelForMaskedLM.from_pretrained", None
    )  # training again would fail
    again = OwnBert.fit(TEXTS, cache, STEPS)
    np.testing.assert_array_equal(again.vectors(TEXTS, cache), view.vectors(TEXTS, cache))


def test_a_run_brings_it_to_another_market(kept, tmp_path):
    cache, view = kept
    head, arrays = view.state()
    there = OwnBert.restore(head, arrays)
    np.testing.assert_array_equal(there.vectors(TEXTS, tmp_path / "else"), view.vectors(TEXTS, cache))


def test_nothing_to_read_is_said(tmp_path):
    with pytest.raises(VibesError, match="own-bert"):
        OwnBert.fit(["", "  "], tmp_path, 1)
