"""Warm start of a training from another run: its settings, its vocabulary and its weights, extended by new values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from safetensors.torch import load_file

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer, text_cache
from listing_vibes.features.market_summary import MarketSummary, load_summaries
from listing_vibes.features.photos.trainable import is_trained
from listing_vibes.features.texts.encoder import embed_texts
from listing_vibes.features.transfer import TransferReport
from listing_vibes.market.market import Market
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import Settings
from listing_vibes.run.contents import check_loaded
from listing_vibes.run.engine import check_model, weights_digest
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.spaces import MODEL
from listing_vibes.run.transfer import transfer_settings
from listing_vibes.run.versions import reading
from listing_vibes.training.weight_transfer import transfer_weights

#: The settings of a model that a warm start cannot change.
SHAPE = ("preset", "encoder", "history", "features", "init")
#: The factor by which a warm-started training is shorter. The learning rate is the same, since a third or two thirds of it had a lower
#: validation recall (Albany, two seeds).
SHORTER = 5
LEAST_EPOCHS = 4
SHORT: dict[str, Any] = {
    "warmup": 10,
    "average": 0.9,
    "validations": 8,
    "validate_every": 12,
    "patience": 2,
}


@dataclass(frozen=True, eq=False)
class WarmStart:
    """The run of a warm start, in memory."""

    run: Path
    manifest: Manifest
    featurizer: Featurizer
    weights: dict[str, torch.Tensor]
    digest: str  # digest of the weights
    seen: list[MarketSummary]  # summaries of the markets of its training

    @classmethod
    def load(cls, run: Path) -> WarmStart:
        """Load the model of the run folder `run`.

        Raises:
            VibesError: it has no model, a model of another format, or one without support for a warm start.
        """
        with reading(run) as folder:
            manifest = Manifest.load(folder)
            if not (folder / "model.safetensors").is_file():
                raise VibesError(f"{run} has no model to start from; name a run of `vibes train`.")
            check_loaded(folder, *MODEL, "seen.json")
            featurizer = Featurizer.load(folder)
            check_model(folder / "model.safetensors", featurizer, manifest.settings)
            if manifest.settings.training.recipe != "single-stage":
                raise VibesError(
                    f"{run} was trained in two stages, the second of which froze its listings; start from a run of the recipe "
                    "single-stage."
                )
            if is_trained(manifest.photo_encoder) or manifest.settings.features.photo_train_blocks:
                raise VibesError(
                    f"{run} trained stages of its photo encoder, which cannot be trained further; start from a run "
                    "with features.photo_train_blocks = 0."
                )
            weights = load_file(folder / "model.safetensors")
            return cls(run, manifest, featurizer, weights, weights_digest(folder), load_summaries(folder))

    def settings(self, given: Settings, market: Market) -> Settings:
        """Return what the user said for the run, updated with what is `given`, for a shorter training in `market`.

        The training resolves the rest again for `market`, except the late interaction of a model of several markets: recall@30
        with and without it .334 and .284 in Singapore, .375 and .372 in Albany, .436 and .417 in Salem (one seed).

        Raises:
            VibesError: a given setting would change the model.
        """
        self.check(given)
        if given.training.recipe != "single-stage":
            raise VibesError(
                "training.recipe = 'two-stage' trains from scratch; leave it out with --init-from."
            )
        before = self.manifest.settings.given
        training = before.training.model_dump(exclude_unset=True, exclude={"bf16", "pretrain_steps"})
        if not self.manifest.started:  # A run that was warm-started is already short.
            epochs = before.training.max_epochs
            training |= SHORT | {"max_epochs": min(epochs, max(LEAST_EPOCHS, math.ceil(epochs / SHORTER)))}
            if "max_steps" in training:
                training["max_steps"] = math.ceil(training["max_steps"] / SHORTER)
        if self.manifest.markets is not None:
            settings = transfer_settings(self.manifest, market)[0]
            training["late_interaction"] = settings.training.late_interaction
        training |= given.training.model_dump(exclude_unset=True)
        shape = before.model_dump(exclude_unset=True, exclude={"training", "init", "split"})
        named = given.model_dump(exclude_unset=True, exclude={*SHAPE, "training"})
        return Settings.of(shape | named, training=training, seed=given.seed)

    def check(self, given: Settings) -> None:
        """Check that the settings `given` do not change the model.

        Raises:
            VibesError: they do.
        """
        settings = self.manifest.settings
        for name in SHAPE:
            if name in given.model_fields_set:
                self._check_same(name, getattr(given, name), getattr(settings, name))
        if "max_listings" in given.training.model_fields_set:
            most = given.training.max_listings
            changed = settings.model_copy(
                update={"training": settings.training.model_copy(update={"max_listings": most})}
            )
            if changed.encoder_config() != settings.encoder_config():  # Item positions have weights.
                self._check_same("training.max_listings", most, settings.training.max_listings)

    def _check_same(self, name: str, requested: Any, stored: Any) -> None:
        if isinstance(requested, BaseModel):
            for key in requested.model_fields_set:
                self._check_same(f"{name}.{key}", getattr(requested, key), getattr(stored, key))
        elif isinstance(requested, Mapping):
            for key, value in requested.items():
                size = getattr(self.manifest.settings.encoder_config(), key, None)
                self._check_same(f"{name}.{key}", value, stored.get(key, size))
        elif requested != stored:
            raise VibesError(
                f"Option --init-from starts from the model of {self.run}, of which {name} is {stored!r}, not {requested!r}; leave it out, "
                "or train without --init-from."
            )

    def transfer(self, market: Market) -> TransferReport:
        """Return the report on the transfer of the model to `market`.

        Raises:
            VibesError: the model knows no attribute of the market, or one with another type.
        """
        transferred = self.manifest.carried
        name = transferred.market_name if transferred else self.manifest.market_name
        return TransferReport.of(market, self.featurizer, self.run, name, self.digest, learned=True)

    def give_weights(self, model: ListingModel, featurizer: Featurizer, market: Market, seed: int) -> None:
        """Load the weights into `model`, whose inputs `featurizer` computes; new rows are initialized near those of similar names."""
        vocabularies = self.featurizer.vocabulary, featurizer.vocabulary
        cache = text_cache(market)
        transfer_weights(model, self.weights, *vocabularies, lambda names: embed_texts(names, cache), seed)
