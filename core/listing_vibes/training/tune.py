"""`vibes tune`: search for settings of a market by validation recall, with Optuna."""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import tomli_w

from listing_vibes.errors import VibesError, needs
from listing_vibes.market.documents import write_json, write_text
from listing_vibes.market.durable import only_writer
from listing_vibes.market.market import Market
from listing_vibes.model.encoder_config import PRESETS
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Notice, Report, Stage, shown
from listing_vibes.training.api import MarketLike, train
from listing_vibes.training.checkpoints import has_checkpoint
from listing_vibes.words import render_table

if TYPE_CHECKING:
    import optuna

#: Settings of the table [training] that are tried.
TRAINING = ("learning_rate", "temperature", "positives", "max_listings", "late_interaction", "recency_days")
#: The seed of the trials, and those whose means decide between the defaults and the best trial. The best of many trials is partly luck
#: with its own seed, so that this one does not count.
SEARCHED, CONFIRMING = 0, (1, 2, 3)
JOURNAL, SETTINGS, TRIALS = "trials.journal", "settings.toml", "trials"
CRITERION = "validation smooth recall@30"  # in a run's train.jsonl


@dataclass(frozen=True, eq=False)
class Tuned:
    """The result of `tune`, which is also written to `settings.toml`."""

    settings: dict[str, Any]  # those that differ from the defaults; {} if no trial is better
    #: One row a trial, the best first: its settings and `recall`, the smooth validation recall@30.
    trials: pd.DataFrame
    default: tuple[float, float]  # mean of the defaults over seeds, standard deviation
    best: tuple[float, float]  # of the best trial

    def text(self) -> str:
        """Return the trials as a table, and what the confirming seeds say."""
        head = f"{len(CONFIRMING)} other seeds, smooth validation recall@30"
        means = " and ".join(
            f"{name} {mean:.3f} (±{deviation:.3f})"
            for name, (mean, deviation) in {"defaults": self.default, "best trial": self.best}.items()
        )
        verdict = "the best trial is written" if self.settings else "the defaults stay"
        table = self.trials.head(10).round(4).dropna(axis=1, how="all")
        return f"{render_table(table)}\n\n{head}: {means}; {verdict}."


def tune(market: MarketLike, out: Path | str, trials: int = 20, progress: Report | bool = False) -> Tuned:
    """Try settings by training with them, and write the best ones to `settings.toml`; an interrupted search continues.

    The first trial has the defaults, the others are proposed by a tree-structured Parzen estimator (Bergstra et al. 2011,
    "Algorithms for hyper-parameter optimization"). A trial is judged by smooth recall@30 of the model on validation queries, never
    on test queries. Then the defaults and the best trial are trained with other seeds than that of the search, and the better mean decides.

    Args:
        market: a market, or its folder.
        out: the folder of the search: its journal, and `settings.toml` for `vibes train --config`.
        trials: the number of trainings to search with; six more compare the best one with the defaults.
        progress: called with each update of `listing_vibes.progress`, or True for a bar on stderr.

    Raises:
        VibesError: the market has no validation queries, `out` has the search of another market, or `trials` is below 2.
    """
    if trials < 2:
        raise VibesError(f"Option --trials is {trials}; give 2 or more.")
    opened, folder = market if isinstance(market, Market) else Market.open(market), Path(out)
    with shown(progress) as report, only_writer(folder, "vibes tune"):
        return _Search(opened, folder, report).run(trials)


@dataclass(frozen=True, eq=False)
class _Search:
    """A search in a folder: its journal of trials, and one file a training that is finished."""

    market: Market
    out: Path
    report: Report

    def run(self, trials: int) -> Tuned:
        study, started = self.study(), time.monotonic()
        first = len(_completed(study))
        for number in range(first, trials):
            if number > first:
                remaining = trials - number + 2 * len(CONFIRMING)
                left = remaining * (time.monotonic() - started) / (number - first)
                self.report(
                    Notice(f"{trials - number} trials left, about {left / 60:.0f} min with further seeds")
                )
            trial = study.ask(distributions())
            study.tell(trial, self.measure(trial.params, SEARCHED, f"trial {number + 1} of {trials}"))
        completed = _completed(study)
        best = max(completed, key=lambda trial: trial.value or 0.0)
        compared = {"defaults": completed[0].params, "best trial": best.params}
        means = {}
        for name, params in compared.items():
            recalls = [self.measure(params, seed, f"{name}, seed {seed}") for seed in CONFIRMING]
            means[name] = (float(np.mean(recalls)), float(np.std(recalls, ddof=1)))
        chosen = settings_of(best.params) if means["best trial"][0] > means["defaults"][0] else {}
        write_text(self.out / SETTINGS, tomli_w.dumps(chosen))
        rows = [{"trial": trial.number + 1, "recall": trial.value} | trial.params for trial in completed]
        table = pd.DataFrame(rows).sort_values("recall", ascending=False, ignore_index=True)
        return Tuned(chosen, table, means["defaults"], means["best trial"])

    def study(self) -> "optuna.Study":
        """Open the search, and propose the trial of a killed process again, whose training continues from its checkpoint."""
        with needs("Tuning"):
            import optuna
            from optuna.storages.journal import JournalFileBackend
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(self.out / JOURNAL)))
        study = optuna.create_study(
            storage=storage, study_name="vibes", direction="maximize", load_if_exists=True
        )
        study.sampler = optuna.samplers.TPESampler(seed=len(study.trials), multivariate=True)
        if study.user_attrs.get("market", self.market.fingerprint) != self.market.fingerprint:
            raise VibesError(
                f"{self.out} has the search of another market, or of another state of {self.market.path}; choose another folder."
            )
        if not study.trials:
            study.set_user_attr("market", self.market.fingerprint)
            study.enqueue_trial(defaults())
        for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params)
        return study

    def measure(self, params: Mapping[str, Any], seed: int, name: str) -> float:
        """Return smooth validation recall@30 of a training, which is done once."""
        settings = settings_of(params) | {"seed": seed}
        key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
        run, outcome = self.out / TRIALS / key, self.out / TRIALS / f"{key}.json"
        if not outcome.is_file():
            self.report(Stage(name))
            if not (run / "run.toml").is_file():
                train(self.market, run, settings, resume=has_checkpoint(run), progress=self.report)
            lines = (run / "train.jsonl").read_text(encoding="utf-8").splitlines()
            recalls = [json.loads(line).get(CRITERION) for line in lines]
            valid = [recall for recall in recalls if recall is not None]
            if not valid:
                raise VibesError(
                    f"{self.market.path} has no validation queries, so settings cannot be compared."
                )
            write_json(outcome, {"recall": max(valid), "settings": settings})
            shutil.rmtree(run)
        return float(json.loads(outcome.read_text(encoding="utf-8"))["recall"])


def defaults() -> dict[str, Any]:
    """Return the default of each setting that is tried."""
    settings = Settings()
    values = {name: getattr(settings.training, name) for name in TRAINING}
    return {"preset": settings.preset, "dropout": PRESETS[settings.preset].dropout} | values


def distributions() -> dict[str, Any]:
    """Return the values of each setting that are tried, as Optuna's distributions."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    return {
        "preset": CategoricalDistribution(("tiny", "mini", "small")),
        "dropout": FloatDistribution(0.0, 0.3, step=0.05),
        "learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
        "temperature": FloatDistribution(0.02, 0.1, log=True),
        "positives": IntDistribution(1, 10, log=True),
        "max_listings": CategoricalDistribution((20, 50, 100, 200)),
        "late_interaction": CategoricalDistribution(("auto", 0, 1)),
        "recency_days": CategoricalDistribution(("auto", 0, 60)),
    }


def settings_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, as in `--config`, of the values of a trial; only those that differ from the defaults."""
    changed = {name: value for name, value in params.items() if value != defaults()[name]}
    training = {name: changed[name] for name in TRAINING if name in changed}
    encoder = {"dropout": changed["dropout"]} if "dropout" in changed else {}
    preset = {"preset": changed["preset"]} if "preset" in changed else {}
    return preset | ({"training": training} if training else {}) | ({"encoder": encoder} if encoder else {})


def _completed(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    """Return the finished trials, of which the first has the defaults."""
    return [trial for trial in study.trials if trial.value is not None]
