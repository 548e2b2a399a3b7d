"""`train(market)` without a folder: a run in memory that writes no file, and the same lists from the folder where it is saved."""

import json
import subprocess
import sys

import numpy as np
import pytest

from golden.markets import write_typed
from listing_vibes import Market, Run, VibesError, train
from listing_vibes.market.splits import Catalogue

SETTINGS = {
    "preset": "tiny",
    "encoder": {"layers": 1, "width": 32, "heads": 2, "ffn": 64},
    "training": {"batch": 16, "fresh": 16, "max_steps": 12, "warmup": 3, "validate_every": 4},
}
#: Trains, makes lists and evaluates in the current folder, prints every file that was opened to be written, and saves.
SCRIPT = """
import json, sys
import pandas as pd
from listing_vibes import Market, evaluate, train
source, out, settings = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
market = Market.open(source)
tables = [market.raw_table(name) for name in ("listings", "events")]
config, written = market.config, []

def note(event, arguments):
    path = str(arguments[0]) if arguments and not isinstance(arguments[0], int) else "/dev/"  # a pipe
    opened = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if (opened or event in ("os.mkdir", "os.rename", "sqlite3.connect")) and "torchinductor" not in path and "/dev/" not in path:
        written.append(path)

sys.addaudithook(note)
run = train(Market.from_frames(*tables, config=config), config=settings)
lists = [run.recommend("rider-07", k=5), run.similar("bike-007", k=5)]
found = evaluate(run, baselines="none")
before = list(written)
run.save(out)
print(json.dumps({"written": before, "lists": [frame.to_json(double_precision=15) for frame in lists], "queries": len(found.queries),
                  "metrics": run.metrics is not None}))
"""


@pytest.mark.slow
def test_a_run_in_memory_writes_nothing_and_gives_the_lists_that_it_gives_when_saved(tmp_path):
    write_typed(tmp_path / "market")
    (tmp_path / "here").mkdir()
    (tmp_path / "here").chmod(0o555)
    words = [str(tmp_path / "market"), str(tmp_path / "run"), json.dumps(SETTINGS)]
    done = subprocess.run(
        [sys.executable, "-B", "-c", SCRIPT, *words], capture_output=True, text=True, cwd=tmp_path / "here"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["written"] == [] and result["queries"] > 0 and result["metrics"]
    run = Run.open(tmp_path / "run")
    lists = [run.recommend("rider-07", k=5), run.similar("bike-007", k=5)]
    assert [frame.to_json(double_precision=15) for frame in lists] == result["lists"]
    assert not list((tmp_path / "here").iterdir())


def test_a_folder_and_memory_give_the_same_weights(tmp_path):
    write_typed(tmp_path / "market")
    market = Market.open(tmp_path / "market")
    memory, stored = train(market, config=SETTINGS), train(market, tmp_path / "run", SETTINGS)
    assert stored.manifest.steps == memory.manifest.steps > 0
    assert (memory.stored_vectors("model") == stored.stored_vectors("model")).all()
    theirs = stored.engine.model.state_dict()
    assert all(np.array_equal(ours, theirs[name]) for name, ours in memory.engine.model.state_dict().items())
    assert memory.manifest.settings == stored.manifest.settings
    assert len(Catalogue.of(memory.market).since) == len(stored.listing_ids)


def test_listings_that_the_market_lacks_are_encoded_in_memory(tmp_path):
    write_typed(tmp_path / "market")
    market = Market.open(tmp_path / "market")
    run = train(
        Market.from_frames(
            *(market.raw_table(name) for name in ("listings", "events")), config=market.config
        ),
        config=SETTINGS,
    )
    cells = [item.name for item in run.market.attributes if item.name != "place"]
    encoded = run.encode(run.market.listings[[*cells, "latitude", "longitude"]].iloc[[3, 40]])
    assert {space: len(vectors) for space, vectors in encoded.items()} == {"model": 2, "attributes": 2}
    for space, vectors in encoded.items():
        near = (vectors * run.vectors(space)[[3, 40]]).sum(axis=1)
        np.testing.assert_allclose(near, 1, atol=0.01 if space == "model" else 0.03)


def test_what_needs_a_folder_is_said(tmp_path):
    write_typed(tmp_path / "market")
    market = Market.open(tmp_path / "market")
    with pytest.raises(VibesError, match="needs a folder"):
        train(market, resume=True)
    with pytest.raises(VibesError, match="needs a folder"):
        train([market, market])
