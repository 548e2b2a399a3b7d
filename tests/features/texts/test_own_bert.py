"""MiniLM adapted to a market: seeded, trained on its texts, cached, and stored in the run."""

import numpy as np
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.features.texts.encoder import load_text_encoder
from listing_vibes.features.texts.sources import own_bert
from listing_vibes.features.texts.sources.own_bert import OwnBert

pytestmark = pytest.mark.slow

TEXTS = [f"The {place} flat number {n} has a zorbel oven" for n in range(6) for place in ("harbour", "park")]


def test_it_is_trained_by_seed_once_and_restored_by_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(own_bert, "STEPS", 2)
    seen: list = []
    view = OwnBert.fit(TEXTS, 8, tmp_path / "a", seen.append)
    assert [(one.done, one.total) for one in seen] == [(1, 2), (2, 2)]
    vectors, plain = view.vectors(TEXTS, tmp_path / "a"), load_text_encoder().encode(TEXTS)
    assert vectors.shape == (12, 384) and 0.3 < (plain * vectors).sum(axis=1).mean() < 0.99999
    again = OwnBert.fit(TEXTS[::-1], 8, tmp_path / "b")
    assert again.key == view.key
    for name, weights in view.weights.items():
        np.testing.assert_array_equal(again.weights[name], weights)
    monkeypatch.setattr(
        "transformers.AutoModelForMaskedLM.from_pretrained", None
    )  # training again would fail
    cached = OwnBert.fit(TEXTS, 8, tmp_path / "a")
    head, arrays = view.state()
    for other in (cached, OwnBert.restore(head, arrays)):
        np.testing.assert_array_equal(other.vectors(TEXTS, tmp_path / "a"), vectors)
    with pytest.raises(VibesError, match="own-bert"):
        OwnBert.fit(["", "  "], 8, tmp_path)
