"""A training that a signal ends loses no step, and one that is killed loses a minute at most."""

import json
import signal
import subprocess
import sys
import time

import pytest

import listing_vibes.training.checkpoints as checkpoints_module
from helpers.killing import train_apart, weights
from helpers.training_pieces import changed
from listing_vibes.training.checkpoints import Checkpoints

TRAIN = [sys.executable, "-c", "from listing_vibes.cli import main; main()", "train"]


def steps_of(run):
    """The steps that `train.jsonl` holds, in its order."""
    try:
        lines = (run / "train.jsonl").read_text().splitlines()
        return [entry["step"] for entry in map(json.loads, lines) if "loss" in entry]
    except (OSError, ValueError):  # the last line is being written
        return []


def write_config(settings, path):
    """A configuration file, of values of one line each."""
    content = settings.model_dump(exclude_unset=True)
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    plain = {name: value for name, value in content.items() if name not in tables}
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in plain.items())
    for name, table in tables.items():
        text += f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    path.write_text(text)


@pytest.mark.slow
def test_a_signal_loses_no_step_and_the_rest_is_as_if_it_never_came(small_market, quick, tmp_path):
    settings = changed(quick, bf16=False, checkpoint_every=10_000)
    run, config = tmp_path / "run", tmp_path / "config.toml"
    write_config(settings, config)
    command = [*TRAIN, str(small_market.path), str(run), "--config", str(config)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while len(steps_of(run)) < 7:
        assert child.poll() is None, child.stderr.read()
        time.sleep(0.01)
    child.send_signal(signal.SIGTERM)
    stderr = child.communicate()[1]
    assert child.returncode == 128 + signal.SIGTERM, stderr
    done = steps_of(run)[-1]
    assert done >= 7 and f"after step {done};" in stderr and "Traceback" not in stderr
    again = subprocess.run([*command, "--resume"], stderr=subprocess.PIPE, text=True, check=True)
    assert f"continues from step {done} of" in again.stderr
    train_apart(small_market, tmp_path / "whole", settings)
    assert steps_of(run) == steps_of(tmp_path / "whole")
    assert weights(run) == weights(tmp_path / "whole")


@pytest.mark.parametrize(("every", "cost", "expected"), [(5, 0, [3, 5, 8, 10]), (100, 10, [3, 11])])
def test_a_checkpoint_is_due_by_steps_and_by_time(monkeypatch, every, cost, expected):
    written, clock = [], [0.0]
    monkeypatch.setattr(checkpoints_module.time, "monotonic", lambda: clock[0])

    def write():
        written.append(step)
        clock[0] += cost  # of a large model it takes long, and comes less often

    checkpoints = Checkpoints(every, write, print)
    for step in range(1, 13):
        clock[0] += 25
        checkpoints.after_step(step)
    assert written == expected


@pytest.fixture
def interruptible():
    """A process that SIGINT ends, also where the tests run in the background, where shells ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("interruptible")
def test_a_signal_waits_for_the_step_and_a_second_one_does_not(number):
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    ends, written, told = (SystemExit, KeyboardInterrupt)[number == signal.SIGINT], [], []
    checkpoints = Checkpoints(100, lambda: written.append(1), told.append)
    with pytest.raises(ends), checkpoints.handle_signals():
        checkpoints.after_step(1)
        signal.raise_signal(number)
        time.sleep(0.01)  # the step goes on
        assert not written
        checkpoints.after_step(2)
    assert written == [1] and "step 2" in told[0].text
    checkpoints = Checkpoints(100, lambda: written.append(1), told.append)
    with pytest.raises(ends), checkpoints.handle_signals():
        signal.raise_signal(number)
        signal.raise_signal(number)
        time.sleep(1)
        pytest.fail("the second signal ends it")
    with pytest.raises(ends), checkpoints.handle_signals():
        signal.raise_signal(number)  # after the last step
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == before
    assert len(written) == 1
