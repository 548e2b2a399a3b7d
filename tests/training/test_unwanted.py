"""Where what users refused did not teach a model to keep away from its like, the run does not read it."""

import itertools

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.featurizer import FeatureConfig
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Notice
from listing_vibes.run.manifest import Manifest
from listing_vibes.training.train import train

pytestmark = pytest.mark.slow


def trained(path, refused_is: str) -> tuple[bool, list[str]]:
    """Whether a training on 80 users reads what they refused, and what it says of that. Each looks at three listings of a kind,
    refuses one of that kind ("last") or of the one that comes next ("next"), and goes on with another kind."""
    rng, rows = np.random.default_rng(0), []
    for user in range(80):
        kinds = [user % 4]
        for _ in range(4):
            kinds.append((kinds[-1] + 1 + int(rng.integers(3))) % 4)
        for now, then in itertools.pairwise(kinds):
            seen = [(now, "view")] * 3 + [(now if refused_is == "last" else then, "hide")]
            rows += [(f"u{user}", f"l{kind + 4 * rng.integers(15)}", action) for kind, action in seen]
        rows.append((f"u{user}", f"l{kinds[-1] + 4 * rng.integers(15)}", "view"))
    events = pd.DataFrame(rows, columns=["user_id", "listing_id", "action"])
    events["timestamp"] = pd.date_range("2024-01-01", periods=len(events), freq="1h", tz="UTC")
    listings = pd.DataFrame({"listing_id": [f"l{row}" for row in range(60)], "kind": list("abcd") * 15})
    listings["price"] = rng.integers(1, 100, 60)
    market = Market.from_frames(listings, events, path=path / "market")
    settings = Resolved.of(
        preset="tiny",
        encoder={"layers": 1, "width": 32, "heads": 2, "ffn": 64},
        features=FeatureConfig(text=False),
        split={"protocol": "leave-one-out"},
        training={"batch": 32, "max_steps": 150, "warmup": 5, "late_interaction": 0},
    )
    said: list[str] = []
    train(
        market,
        path / "run",
        settings,
        None,
        report=lambda one: said.append(one.text) if isinstance(one, Notice) else None,
    )
    reads = Manifest.load(path / "run").settings.training.unwanted_learned
    return reads, [text for text in said if "unwanted events" in text]


def test_what_taught_the_model_to_come_nearer_is_not_read(tmp_path):
    reads, told = trained(tmp_path, "next")
    assert not reads
    assert len(told) == 1


def test_what_taught_it_to_keep_away_is(tmp_path):
    assert trained(tmp_path, "last") == (True, [])
