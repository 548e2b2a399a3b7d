"""`vibes tune` searches on validation, continues an interrupted search, and writes settings that `vibes train` takes."""

import pytest

from listing_vibes.errors import VibesError
from listing_vibes.model.settings import Settings
from listing_vibes.progress import Stage
from listing_vibes.training import tune as tune_module
from listing_vibes.training.tune import TRIALS, defaults, settings_of, tune


def test_values_become_settings_that_differ_from_the_defaults():
    assert settings_of(defaults()) == {}
    changed = settings_of(
        defaults() | {"preset": "tiny", "dropout": 0.3, "positives": 2, "late_interaction": 0}
    )
    settings = Settings.of(changed)
    assert settings.preset == "tiny" and settings.requested_encoder_config().dropout == 0.3
    assert settings.training.positives == 2 and settings.training.late_interaction == 0


@pytest.fixture
def few_steps(monkeypatch):
    """Trainings of a few steps."""

    def train_briefly(market, run, settings, train=tune_module.train, **options):
        training = settings.get("training", {}) | {"max_steps": 6, "warmup": 2}
        return train(market, run, settings | {"training": training}, **options)

    monkeypatch.setattr(tune_module, "train", train_briefly)


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
def test_a_search_continues_and_never_trains_twice(tiny_market, tmp_path):
    market, out = tiny_market(listings=60, users=40, events_per_user=8, photos=0), tmp_path / "out"
    stages: list[str] = []

    def interrupt(update):
        if isinstance(update, Stage) and update.what.startswith(("trial", "defaults", "best")):
            stages.append(update.what)
            if update.what.startswith("trial 2"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(market, out, 2, interrupt)
    assert stages == ["trial 1 of 2", "trial 2 of 2"]

    stages.clear()
    tuned = tune(
        market, out, 2, lambda update: stages.append(update.what) if isinstance(update, Stage) else None
    )
    trained = [stage for stage in stages if stage.startswith(("trial", "defaults", "best"))]
    assert trained[0] == "trial 2 of 2" and "trial 1 of 2" not in trained
    # The seed of the search, by which the best trial was chosen, does not confirm it.
    confirmed = {f"{name}, seed {seed}" for name in ("defaults", "best trial") for seed in (1, 2, 3)}
    same = tuned.settings == {} and tuned.best == tuned.default  # the defaults were the best trial
    assert set(trained[1:]) == ({name for name in confirmed if "defaults" in name} if same else confirmed)
    assert len(tuned.trials) == 2 and tuned.trials["recall"].between(0, 1).all()
    assert tuned.best[0] > tuned.default[0] or not tuned.settings
    assert Settings.of(out / "settings.toml") == Settings.of(tuned.settings)
    assert not [path for path in (out / TRIALS).iterdir() if path.is_dir()]

    with pytest.raises(VibesError, match="another market"):
        tune(tiny_market(listings=50, users=40, events_per_user=8, photos=0), out, 2)
