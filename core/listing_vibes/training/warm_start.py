"""A training that begins from a trained run: its settings, its vocabulary and its weights, and what is new beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from safetensors.torch import load_file

from listing_vibes.errors import VibesError
from listing_vibes.features.featurizer import Featurizer, text_cache
from listing_vibes.features.market_summary import MarketSummary, load_summaries
from listing_vibes.features.photos.trainable import is_trained
from listing_vibes.features.texts.encoder import embed_texts
from listing_vibes.features.texts.likely import likely_rows
from listing_vibes.features.tokens.rows import Meaning, Rows, places
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.features.transfer import TransferReport
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.market import Market
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import Resolved, ResolvedSplit, ResolvedTraining, Settings
from listing_vibes.run.contents import check_loaded
from listing_vibes.run.engine import check_model
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.prepared import weights_digest
from listing_vibes.run.spaces import MODEL
from listing_vibes.run.transfer import transfer_settings
from listing_vibes.run.versions import reading
from listing_vibes.training.resolve import reopen

#: What a model is, which no training from it can change.
SHAPE = ("preset", "encoder", "history", "features", "init")
#: A training of a model that knows most of what there is to learn is as many times shorter. At its own learning rate: a third or
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
#: Known rows of a table whose names are embedded to learn from, at most; the frequent values come first.
MOST_KNOWN = 2000
#: Sentence vectors (N, w) of N names.
EmbedNames = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True, eq=False)
class WarmStart:
    """The run that a training begins from, in memory."""

    run: Path
    manifest: Manifest
    featurizer: Featurizer
    weights: dict[str, torch.Tensor]
    digest: str  # of the weights
    seen: list[MarketSummary]  # by its training

    @classmethod
    def load(cls, run: Path) -> WarmStart:
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
            return cls(run, manifest, featurizer, weights, weights_digest(folder), load_summaries(folder))

    def settings(self, given: Settings, market: Market) -> Resolved:
        """Return those of the run at work in `market`, shorter and gentler, with what is `given` in their place.

        What the run's market chose by its size, and what lists add, is left for `market` to choose. Where a model of several
        markets compares the listings of a history one by one, what is trained from it goes on to: recall@30 .334 against .284
        without in Singapore, .375 and .372 in Albany, .436 and .417 in Salem (one seed).

        Raises:
            VibesError: the model would be another one.
        """
        own = transfer_settings(self.manifest, market)[0]
        self.check(given)
        if given.training.recipe != "single-stage":
            raise VibesError(
                "training.recipe = 'two-stage' trains from nothing; leave it out beside --init-from."
            )
        started = self.manifest.started
        training = reopen(own.training, SHORTER if started else 1).model_dump(exclude_unset=True)
        if not started:  # a run that was started so is short already
            epochs = max(LEAST_EPOCHS, math.ceil(training.get("max_epochs", 50) / SHORTER))
            training |= SHORT | {"max_epochs": min(training.get("max_epochs", 50), epochs)}
            if "max_steps" in training:
                training["max_steps"] = max(1, math.ceil(training["max_steps"] / SHORTER))
        for name in (
            "bf16",
            "stop_after",
            "pretrain_steps",
        ):  # of the machine, of a refit, of a model that knew nothing
            training.pop(name, None)
        if not training.get("unwanted_learned"):  # there may be enough of it now
            training.pop("unwanted_learned", None)
        training |= given.training.model_dump(exclude_unset=True)
        named = {name: getattr(given, name) for name in given.model_fields_set - {*SHAPE, "training"}}
        stored = own.model_dump(
            exclude_unset=True, exclude={"blend", "positions", "training", "init", "seed"}
        )
        settings = Resolved.model_validate(stored | {"training": ResolvedTraining.model_validate(training)})
        return settings.model_copy(update={"split": ResolvedSplit(), "seed": given.seed} | named)

    def check(self, given: Settings) -> None:
        """Raise an error where `given` are settings of another model.

        Raises:
            VibesError: they are.
        """
        own = self.manifest.settings
        for name in SHAPE:
            if name in given.model_fields_set:
                self._check_same(name, getattr(given, name), getattr(own, name))
        if "max_listings" in given.training.model_fields_set:
            most = given.training.max_listings
            changed = own.model_copy(
                update={"training": own.training.model_copy(update={"max_listings": most})}
            )
            if changed.encoder_config() != own.encoder_config():  # item positions are weights
                self._check_same("training.max_listings", most, own.training.max_listings)

    def _check_same(self, name: str, requested: Any, own: Any) -> None:
        if isinstance(requested, BaseModel):
            for key in requested.model_fields_set:
                self._check_same(f"{name}.{key}", getattr(requested, key), getattr(own, key))
        elif isinstance(requested, Mapping):
            for key, value in requested.items():
                size = getattr(self.manifest.settings.encoder_config(), key, None)
                self._check_same(f"{name}.{key}", value, own.get(key, size))
        elif requested != own:
            raise VibesError(
                f"Option --init-from starts from the model of {self.run}, of which {name} is {own!r}, not {requested!r}; leave it out, "
                "or train without --init-from."
            )

    def transfer(self, market: Market) -> TransferReport:
        """Return what the model knows of `market`.

        Raises:
            VibesError: nothing, or an attribute as another type.
        """
        transferred = self.manifest.carried
        name = transferred.market_name if transferred else self.manifest.market_name
        return TransferReport.of(market, self.featurizer, self.run, name, self.digest, learned=True)

    def give_weights(self, model: ListingModel, featurizer: Featurizer, market: Market, seed: int) -> None:
        """Give `model`, which reads what `featurizer` makes, the weights; new rows start near those of similar names."""
        cache = text_cache(market)

        def embed_names(names: Sequence[str]) -> np.ndarray:
            return embed_texts(names, cache).vectors

        transfer_weights(
            model, self.weights, self.featurizer.vocabulary, featurizer.vocabulary, embed_names, seed
        )


@torch.no_grad()
def transfer_weights(
    model: ListingModel,
    weights: dict[str, torch.Tensor],
    before: Vocabulary,
    now: Vocabulary,
    embed_names: EmbedNames,
    seed: int = 0,
) -> None:
    """Give `model`, which has the vocabulary `now`, the `weights` of a model with the vocabulary `before`.

    What no name helps with (buckets of unseen values, map cells, durations, bins of new numbers, layers of photos or texts
    that are new) stays as `model` has it, and so do token positions that the weights lack.
    """
    old, new = Rows.of(before), Rows.of(now)
    meanings = {
        "embedder.key.weight": (old.key, new.key),
        "embedder.value.weight": (old.value, new.value),
        "embedder.slope": (old.bin, new.bin),
        "user_pass.meta.weight": (
            [("none",), *old.value[before.size :]],
            [("none",), *new.value[now.size :]],
        ),
    }
    rng = np.random.default_rng([seed, 17])
    state = model.state_dict()
    for name, own in state.items():
        theirs = weights.get(name)
        if theirs is None:
            continue
        if name in meanings:
            _fill_table(own, theirs, *meanings[name], before, now, embed_names, rng)
        elif own.shape[1:] == theirs.shape[1:]:  # tables of positions may have fewer or more rows
            rows = min(len(own), len(theirs))
            own[:rows] = theirs[:rows]
    model.load_state_dict(state)


def _fill_table(
    own: torch.Tensor,
    theirs: torch.Tensor,
    was: list[Meaning],
    requested: list[Meaning],
    before: Vocabulary,
    now: Vocabulary,
    embed_names: EmbedNames,
    rng: np.random.Generator,
) -> None:
    place = places(requested, was)
    available = np.flatnonzero(place >= 0)
    trained, table = theirs.float().numpy(), own.float().numpy().copy()
    table[available] = trained[place[available]]
    for (
        entry
    ) in now.attributes:  # bins that changed take over what was at their quantiles; slopes keep their sum
        old = before.attribute(entry.name)
        if old is None or not type_of(entry.kind).binned or entry.edges == old.edges or not entry.size:
            continue
        into = places([("bin", entry.name, str(number)) for number in range(entry.size)], requested)
        at = ((np.arange(entry.size) + 0.5) / entry.size * old.size).astype(int)
        rows = places([("bin", entry.name, str(number)) for number in at], was)
        if (into >= 0).all():
            table[into] = trained[rows] * (old.size / entry.size if requested[0] == () else 1.0)
    for kind in ("key", "value", "action", "piece"):
        new = [row for row in np.flatnonzero(place < 0) if requested[row][:1] == (kind,)]
        like = [row for row in available if requested[row][:1] == (kind,)][:MOST_KNOWN]
        if new and len(like) > 1:
            vectors = embed_names([_name(requested[row]) for row in [*like, *new]])
            table[new] = likely_rows(vectors[: len(like)], table[like], vectors[len(like) :], rng)
    own.copy_(torch.from_numpy(table).to(own.dtype))


def _name(meaning: Meaning) -> str:
    """What a row is called in words."""
    what, name, *rest = meaning
    words = name.replace("_", " ")
    return f"{words}: {rest[0]}" if what == "value" and rest else words
