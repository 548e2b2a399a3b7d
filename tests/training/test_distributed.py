"""Several processes are a launch option: under torchrun the same command trains the same model, and writes one run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch

from browser.painted import paint_market
from helpers.commands import vibes
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.training.distributed import reproducible

pytestmark = pytest.mark.slow

WAYS = {
    "cls": ({}, {"pretrain_steps": 6}),
    "listing-vectors": (
        {"history": "listing-vectors"},
        {"logq": True, "window_listings": 60, "max_epochs": 9},
    ),
}
TWO = [
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--nproc_per_node",
    "2",
    "-m",
    "listing_vibes",
]


@pytest.fixture(params=WAYS)
def runs(request, small_market, quick, tmp_path):
    """The same training by one process and by two: their folders."""
    top, training = WAYS[request.param]
    once = {"bf16": False, "max_steps": 16, "max_epochs": 4, "validate_every": 8, "checkpoint_every": 5}
    changed = quick.training.model_dump(exclude_unset=True) | once | training
    config = {**quick.model_dump(exclude_unset=True), **top, "training": changed}
    config["encoder"] = {**config["encoder"], "dropout": 0.0}  # each process draws its own
    (tmp_path / "config.toml").write_text(tomli_w.dumps(config))
    arguments = ["train", small_market.path, "--config", tmp_path / "config.toml"]
    vibes(*arguments, tmp_path / "alone")
    done = subprocess.run(
        [*TWO, *map(str, arguments), str(tmp_path / "two")],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Wrote the run") == 1
    return tmp_path / "alone", tmp_path / "two"


def test_two_processes_train_what_one_trains(runs):
    alone, two = ([json.loads(line) for line in (run / "train.jsonl").open()] for run in runs)
    assert [entry["step"] for entry in two] == [entry["step"] for entry in alone]
    losses = np.array([[entry["loss"] for entry in run if "loss" in entry] for run in (alone, two)])
    assert losses.shape == (2, 16)
    assert abs(losses[0, 0] - losses[1, 0]) < 1e-5 * losses[0, 0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-3)
    name = "validation recall@30"
    recalls = [[entry[name] for entry in run if name in entry] for run in (alone, two)]
    np.testing.assert_allclose(recalls[1], recalls[0], atol=0.01)
    one, other = (Run.open(run) for run in runs)
    assert (one.vectors("model") * other.vectors("model")).sum(1).min() > 0.999
    assert len(other.recommend(other.log.users[0], 5)) == 5


ONE_EMBEDS = """
import os, sys, time
from pathlib import Path

from browser.painted import ColourEncoder
from listing_vibes.features.photos import encoders
from listing_vibes.training.api import train

market, run, told = map(Path, sys.argv[1:])


class Counting(ColourEncoder):
    def encode(self, images):
        time.sleep(1)  # long enough for another process to begin with the same photos
        with told.open("a") as stream:
            stream.write(f"{os.environ['RANK']} {len(images)}\\n")
        return super().encode(images)


encoders.encoder_of = lambda *given: Counting()
small = {"layers": 1, "width": 32, "heads": 2, "ffn": 64}
steps = {"max_steps": 2, "batch": 16, "fresh": 8, "window_listings": 40}
config = {"preset": "tiny", "encoder": small, "features": {"text": False}, "training": steps}
train(market, run, config, encoder="colour")
"""


def test_one_process_embeds_the_photos_and_the_other_finds_them(tmp_path):
    paint_market(tmp_path / "market", photos=2)
    told = tmp_path / "told.txt"
    (tmp_path / "train.py").write_text(ONE_EMBEDS)
    command = [*TWO[: TWO.index("-m", 3)], tmp_path / "train.py", tmp_path / "market", tmp_path / "run", told]
    tests = str(Path(__file__).parents[1])
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    who, photos = zip(*(line.split() for line in told.read_text().splitlines()), strict=True)
    shown = Market.open(tmp_path / "market").photos["path"].nunique()
    assert set(who) == {"0"} and sum(map(int, photos)) == shown
    assert "photos" in Run.open(tmp_path / "run").spaces


def test_a_notebook_goes_on_without_the_settings_of_training():
    memory = torch.utils.deterministic
    before = torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory
    with pytest.raises(KeyboardInterrupt), reproducible():
        assert torch.are_deterministic_algorithms_enabled() and not memory.fill_uninitialized_memory
        raise KeyboardInterrupt
    assert (torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory) == before
