"""Several processes are a launch option: the same command under torchrun."""

import json
import os
import subprocess
import sys

from core.retrieval.run import Run


def test_two_processes_share_each_epoch_and_write_one_run(small_market, tmp_path):
    (tmp_path / "quick.toml").write_text(
        'preset = "tiny"\nencoder = {layers = 1, width = 32, heads = 2, ffn = 64}\n'
        "[features]\ntext = false\n[training]\nbatch = 16\nfresh = 16\nmax_epochs = 1\nhistories_per_user = 3\n"
    )
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "-m",
        "core",
    ]
    command += [
        "train",
        str(small_market.path),
        str(tmp_path / "run"),
        "--config",
        str(tmp_path / "quick.toml"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Wrote the run") == 1
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "train.jsonl").read_text().splitlines()]
    assert sorted(set(steps)) == list(range(1, max(steps) + 1))
    run = Run.open(tmp_path / "run")
    assert len(run.recommend(run.log.users[0], 5)) == 5
