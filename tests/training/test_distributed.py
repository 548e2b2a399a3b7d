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
#: Trains by the command with each list of words of the first argument, then with a photo encoder that counts, on the market of the second.
LAUNCHED = """
import json, os, sys, time
from pathlib import Path

from browser.painted import ColourEncoder
from listing_vibes import cli
from listing_vibes.features.photos import encoders
from listing_vibes.training.api import train

commands, market, run, told = map(Path, sys.argv[1:])
for words in json.loads(commands.read_text()):
    sys.argv = ["vibes", *words]
    try:
        cli.main()
    except SystemExit as ended:
        assert not ended.code, words


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


@pytest.fixture(scope="module")
def launched(small_market, quick, tmp_path_factory):
    """A folder with the trainings of two processes, which torchrun starts once: libraries take longer than they do."""
    folder, commands = tmp_path_factory.mktemp("launched"), []
    for way, (top, training) in WAYS.items():
        once = {"bf16": False, "max_steps": 16, "max_epochs": 4, "validate_every": 8, "checkpoint_every": 5}
        changed = quick.training.model_dump(exclude_unset=True) | once | training
        config = {**quick.model_dump(exclude_unset=True), **top, "training": changed}
        config["encoder"] = {**config["encoder"], "dropout": 0.0}  # each process draws its own
        file = folder / f"{way}.toml"
        file.write_text(tomli_w.dumps(config))
        words = ["train", str(small_market.path), str(folder / way), "--config", str(file)]
        vibes(*words[:2], folder / f"{way} alone", *words[3:])
        commands.append(words)
    paint_market(folder / "market", photos=2)
    (folder / "commands.json").write_text(json.dumps(commands))
    (folder / "launched.py").write_text(LAUNCHED)
    names = ("launched.py", "commands.json", "market", "run", "told.txt")
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *(folder / name for name in names)],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Wrote the run") == len(WAYS)
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_two_processes_train_what_one_trains(launched, way):
    runs = launched / f"{way} alone", launched / way
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


def test_one_process_embeds_the_photos_and_the_other_finds_them(launched):
    lines = (launched / "told.txt").read_text().splitlines()
    who, photos = zip(*(line.split() for line in lines), strict=True)
    shown = Market.open(launched / "market").photos["path"].nunique()
    assert set(who) == {"0"} and sum(map(int, photos)) == shown
    assert "photos" in Run.open(launched / "run").spaces


def test_a_notebook_goes_on_without_the_settings_of_training():
    memory = torch.utils.deterministic
    before = torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory
    with pytest.raises(KeyboardInterrupt), reproducible():
        assert torch.are_deterministic_algorithms_enabled() and not memory.fill_uninitialized_memory
        raise KeyboardInterrupt
    assert (torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory) == before
