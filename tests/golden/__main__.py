"""`python -m golden [runs]`, from the folder `tests`: record what the product answers now; with `runs`, train the two small runs first."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from golden import markets
from golden.answers import EXPECTED, RUNS, answers, copy_of
from listing_vibes.features.featurizer import FeatureConfig
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings, TrainingConfig
from listing_vibes.training.train import train


def train_runs() -> None:
    """Write the markets and train a small run over each."""
    settings = Settings(
        preset="tiny",
        encoder={"layers": 1, "width": 32, "heads": 2, "ffn": 64},
        features=FeatureConfig(),
        training=TrainingConfig(batch=32, fresh=16, max_steps=40, warmup=5),
    )
    for name, write in (("typed", markets.write_typed), ("untimed", markets.write_untimed)):
        shutil.rmtree(RUNS / name, ignore_errors=True)
        write(RUNS / name / "market")
        train(Market.open(RUNS / name / "market"), RUNS / name / "run", settings, None)
        shutil.rmtree(RUNS / name / "market" / ".cache", ignore_errors=True)
        manifest = RUNS / name / "run" / "run.toml"
        text = re.sub(
            r"^market = .*$", 'market = "../market"', manifest.read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        manifest.write_text(text, encoding="utf-8")


def record() -> None:
    """Write what each run answers to `expected/NAME.json`, one case a line."""
    EXPECTED.mkdir(exist_ok=True)
    for name in ("demo", "typed", "untimed"):
        with TemporaryDirectory() as folder:
            cases = dict(answers(name, copy_of(name, Path(folder))))
        lines = [f"{json.dumps(case)}: {json.dumps(answer)}" for case, answer in cases.items()]
        (EXPECTED / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        print(name, len(cases), "cases")


if sys.argv[1:] == ["runs"]:
    train_runs()
record()
