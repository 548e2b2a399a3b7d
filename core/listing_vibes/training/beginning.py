"""A training that begins from a trained run: its settings, its vocabulary and its weights, and what is new beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from safetensors.torch import load_file

from listing_vibes.errors import VibesError
from listing_vibes.features.carried import Carried
from listing_vibes.features.featurizer import Featurizer, text_cache
from listing_vibes.features.photos.trainable import is_trained
from listing_vibes.features.seen import SeenMarket, load_seen
from listing_vibes.features.texts.encoder import embed_texts
from listing_vibes.market.market import Market
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.settings import Resolved, ResolvedSplit, ResolvedTraining, Settings
from listing_vibes.run.contents import check_loaded
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.model_files import check_model
from listing_vibes.run.prepared import weights_digest
from listing_vibes.run.spaces import MODEL
from listing_vibes.run.transfer import transfer_settings
from listing_vibes.run.versions import reading
from listing_vibes.training.decided import UNWEIGHED, reopened
from listing_vibes.training.start_rows import start_from_weights

#: What a model is, which no training from it can change.
SHAPE = ("preset", "encoder", "history", "features", "init")
#: What is not taken from the run: the machine decides, or the market.
OPEN: dict[str, Any] = {"bf16": None, "stop_after": None, "pretrain_steps": 0}
#: Training of a model that knows most of what there is to learn is as many times shorter. At its own learning rate: a third or
#: two thirds of it did worse on validation (Albany, two seeds).
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
class Beginning:
    """The run that a training begins from, in memory."""

    run: Path
    manifest: Manifest
    featurizer: Featurizer
    weights: dict[str, torch.Tensor]
    digest: str  # of the weights
    seen: list[SeenMarket]  # by its training

    @classmethod
    def of(cls, run: Path) -> Beginning:
        """Read the model of the run folder `run`.

        Raises:
            VibesError: it has no model, one of another format, or one that no training can go on with.
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
                    f"{run} trained stages of its photo encoder, with which no other training can go on; start from a run "
                    "with features.photo_train_blocks = 0."
                )
            weights = load_file(folder / "model.safetensors")
            return cls(run, manifest, featurizer, weights, weights_digest(folder), load_seen(folder))

    def settings(self, given: Settings, market: Market) -> Resolved:
        """Those of the run at work in `market`, shorter and gentler, with what is `given` by hand in their place. What the run's
        market decided by its size is left for `market` to decide.

        Where a model of several markets compares the listings of a history one by one, what is trained from it goes on to:
        recall@30 .334 against .284 without in Singapore, .375 and .372 in Albany, .436 and .417 in Salem (one seed).

        Raises:
            VibesError: the model would be another one.
        """
        own = transfer_settings(self.manifest, market)[0]
        self.check(given)
        if given.training.recipe != "single-stage":
            raise VibesError(
                "training.recipe = 'two-stage' trains from nothing; leave it out beside --init-from."
            )
        named = {
            name: getattr(given, name) for name in given.model_fields_set - {*SHAPE, "training", "positions"}
        }
        by_hand = {name: getattr(given.training, name) for name in given.training.model_fields_set}
        left = reopened(own.training, SHORTER if self.manifest.started else 1)
        short = {} if self.manifest.started else _shorter(left)
        recency = own.training.of_recency
        fixed = own.training.recency_fit is None and (
            own.training.recency_served or self.manifest.markets is not None
        )
        if fixed and market.timed and not recency.keys() & by_hand.keys():  # validation weights it here
            near = bool(market.attributes) and own.features.attributes
            recency |= {"recency_fit": UNWEIGHED, "neighbours_weighed": near}
        training = left.model_copy(update=OPEN | recency | short | by_hand)
        again = set() if training.unwanted_learned else {"unwanted_learned"}  # there may be enough of it now
        weighed = own.training.recency_fit is not None
        if "recency_days" in by_hand or (weighed and recency.keys() & by_hand.keys()):
            again |= recency.keys()  # the rest of it is decided as in a training from nothing
        training = ResolvedTraining.model_validate(
            training.model_dump(exclude_unset=True, exclude=again - by_hand.keys())
        )
        open_ = {"split": ResolvedSplit(), "init": None, "seed": given.seed}
        return own.model_copy(update=open_ | named | {"training": training})

    def check(self, given: Settings) -> None:
        """Raises:
        VibesError: `given` are settings of another model.
        """
        for name in SHAPE:
            if name in given.model_fields_set:
                self._same(name, getattr(given, name), getattr(self.manifest.settings, name))
        if "max_listings" in given.training.model_fields_set:
            own = self.manifest.settings
            asked = own.model_copy(
                update={
                    "training": own.training.model_copy(update={"max_listings": given.training.max_listings})
                }
            )
            if asked.encoder_config() != own.encoder_config():  # places are weights
                self._same("training.max_listings", given.training.max_listings, own.training.max_listings)

    def _same(self, name: str, wanted: Any, own: Any) -> None:
        """Raises:
        VibesError: what is set of `wanted` by hand is not as in `own`.
        """
        if isinstance(wanted, BaseModel):
            for key in wanted.model_fields_set:
                self._same(f"{name}.{key}", getattr(wanted, key), getattr(own, key))
        elif isinstance(wanted, Mapping):
            for key, value in wanted.items():
                theirs = getattr(self.manifest.settings.encoder_config(), key, None)
                self._same(f"{name}.{key}", value, own.get(key, theirs))
        elif wanted != own:
            raise VibesError(
                f"Option --init-from starts from the model of {self.run}, of which {name} is {own!r}, not {wanted!r}; leave it out, "
                "or train without --init-from."
            )

    def carried(self, market: Market) -> Carried:
        """What the model knows of `market`.

        Raises:
            VibesError: nothing, or an attribute as another kind.
        """
        name = self.manifest.carried.market_name if self.manifest.carried else self.manifest.market_name
        return Carried.of(market, self.featurizer, self.run, name, self.digest, learned=True)

    def give(self, model: ListingModel, featurizer: Featurizer, market: Market, seed: int) -> None:
        """Give `model`, which reads what `featurizer` makes, the weights; new rows start near those of like names."""
        cache = text_cache(market)

        def sentences(names: Sequence[str]) -> np.ndarray:
            return embed_texts(names, cache).vectors

        now = featurizer.vocabulary
        start_from_weights(model, self.weights, self.featurizer.vocabulary, now, sentences, seed)


def _shorter(training: ResolvedTraining) -> dict[str, Any]:
    """What a training that goes on changes of the one that it goes on from; steps that are left open `decided` shortens."""
    found = SHORT | {
        "max_epochs": min(training.max_epochs, max(LEAST_EPOCHS, math.ceil(training.max_epochs / SHORTER)))
    }
    if "max_steps" in training.model_fields_set:
        found["max_steps"] = max(1, math.ceil(training.max_steps / SHORTER))
    return found
