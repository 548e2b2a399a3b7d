"""Warm start of a training from another run: its settings, its vocabulary and its weights, extended by new values.

Rows of known keys and values keep their weights by their meaning, and new ones begin around the mean of the trained ones of their kind, as far from it as these.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import is_trained
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.market_summary import MarketSummary, TransferReport, load_summaries
from listing_vibes.features.tokens.tabular import bin_offsets, photo_key
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of
from listing_vibes.market.market import Market
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import Resolved, Settings, compare_settings
from listing_vibes.run.engine import check_model, weights_digest
from listing_vibes.run.manifest import Manifest, check_loaded
from listing_vibes.run.other_market import transfer_settings
from listing_vibes.run.save import MODEL
from listing_vibes.run.versions import reading

#: The settings of a model that a warm start cannot change.
SHAPE = ("preset", "encoder", "history", "features", "init")
#: The factor by which a warm-started training is shorter. The learning rate is the same, since a third or two thirds of it had a lower
#: validation recall (Albany, two seeds).
SHORTER = 5
LEAST_EPOCHS = 4
SHORT: dict[str, Any] = {"warmup": 10, "average": 0.9, "validations": 8, "validate_every": 12, "patience": 2}


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
    def load(cls, run: Path) -> "WarmStart":
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
        settings, changes = self.manifest.settings, given.model_dump(exclude_unset=True, include=set(SHAPE))
        sizes = settings.encoder_config().model_dump() | settings.encoder
        if "max_listings" in given.training.model_fields_set:
            training = {"max_listings": given.training.max_listings}
            changed = Resolved.of(settings, training=training)
            if changed.encoder_config() != settings.encoder_config():  # Item positions have weights.
                changes["training"] = training
        for name, value, stored in compare_settings(changes, settings.model_dump() | {"encoder": sizes}):
            raise VibesError(
                f"Option --init-from starts from the model of {self.run}, of which {name} is {stored!r}, not {value!r}; leave it out, "
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


#: Identifies a row of a table, such as ("value", "district", "Harbour").
Meaning = tuple[str, ...]
#: Unused rows.
NOTHING: Meaning = ()


def table_rows(vocabulary: Vocabulary) -> dict[str, list[Meaning]]:
    """Return the meaning of each row of the tables of a model with this vocabulary, by the names of its weights."""
    values = _values(vocabulary)
    return {
        "embedder.key.weight": _keys(vocabulary),
        "embedder.value.weight": values,
        "embedder.slope": _bins(vocabulary),
        "user_pass.meta.weight": [("none",), *values[vocabulary.size :]],
    }


def places(meanings: list[Meaning], among: list[Meaning]) -> np.ndarray:
    """Return (N,) int64: the position of each of the N `meanings` among `among`, -1 where there is none."""
    available = {meaning: place for place, meaning in enumerate(among) if meaning}
    return np.array([available.get(meaning, -1) for meaning in meanings], np.int64)


@torch.no_grad()
def transfer_weights(
    model: ListingModel, weights: dict[str, torch.Tensor], before: Vocabulary, now: Vocabulary, seed: int = 0
) -> None:
    """Load the `weights` of a model with the vocabulary `before` into `model`, which has the vocabulary `now`.

    Rows without a name (buckets of unseen values, map cells, durations, bins of new numbers, layers of new photo or text encoders) and
    additional token positions keep their initialization in `model`.
    """
    old, new = table_rows(before), table_rows(now)
    rng = np.random.default_rng([seed, 17])
    state = model.state_dict()
    for name, ours in state.items():
        theirs = weights.get(name)
        if theirs is None:
            continue
        if name in new:
            _fill_table(ours, theirs, old[name], new[name], before, now, rng)
        elif ours.shape[1:] == theirs.shape[1:]:  # Tables of positions may have fewer or more rows.
            rows = min(len(ours), len(theirs))
            ours[:rows] = theirs[:rows]
    model.load_state_dict(state)


def _fill_table(
    ours: torch.Tensor,
    theirs: torch.Tensor,
    was: list[Meaning],
    meanings: list[Meaning],
    before: Vocabulary,
    now: Vocabulary,
    rng: np.random.Generator,
) -> None:
    place = places(meanings, was)
    available = np.flatnonzero(place >= 0)
    trained, table = theirs.float().numpy(), ours.float().numpy().copy()
    table[available] = trained[place[available]]
    for entry in now.attributes:  # Changed bins take the rows at their quantiles, and slopes keep their sum.
        old = before.attribute(entry.name)
        if old is None or not type_of(entry.kind).binned or entry.edges == old.edges or not entry.size:
            continue
        into = places([("bin", entry.name, str(number)) for number in range(entry.size)], meanings)
        at = ((np.arange(entry.size) + 0.5) / entry.size * old.size).astype(int)
        rows = places([("bin", entry.name, str(number)) for number in at], was)
        if (into >= 0).all():
            table[into] = trained[rows] * (old.size / entry.size if meanings[0] == () else 1.0)
    for kind in ("key", "value", "action", "piece"):
        new = [row for row in np.flatnonzero(place < 0) if meanings[row][:1] == (kind,)]
        like = table[[row for row in available if meanings[row][:1] == (kind,)]]
        if new and len(like) > 1:
            middle = like.mean(axis=0)
            table[new] = rng.normal(middle, (like - middle).std(), (len(new), len(middle)))
    ours.copy_(torch.from_numpy(table).to(ours.dtype))


def _keys(vocabulary: Vocabulary) -> list[Meaning]:
    rows: list[Meaning] = [("every model", name) for name in ("pad", "cls", "photo", "action", "duration")]
    for entry in vocabulary.attributes:
        rows += [("key", entry.name, entry.kind, str(key)) for key in range(type_of(entry.kind).keys)]
    rows += [NOTHING] * (photo_key(vocabulary, 1) - len(rows))
    rows += [("photo", str(view)) for view in range(1, vocabulary.photo_views)]
    return rows + ([("piece of", "name"), ("piece of", "value")] if vocabulary.pieces else [])


def _values(vocabulary: Vocabulary) -> list[Meaning]:
    rows: list[Meaning] = [("none",), *(("piece", piece) for piece in vocabulary.pieces)]
    for entry in vocabulary.attributes:
        rows += _ids(entry)
    rows += [("action", action) for action in vocabulary.actions]
    return rows + [("duration", str(place)) for place in range(vocabulary.total - len(rows))]


def _ids(entry: AttributeVocabulary) -> list[Meaning]:
    """Return the meanings in the order of `AttributeVocabulary.size`."""
    ids: list[Meaning] = [("value", entry.name, value) for value in entry.values]
    ids += [("bucket", entry.name, str(place)) for place in range(entry.buckets)]
    rest = entry.size - len(ids)
    return ids + [("bin" if entry.edges else "cell", entry.name, str(place)) for place in range(rest)]


def _bins(vocabulary: Vocabulary) -> list[Meaning]:
    sizes = {entry.name: entry.size for entry in vocabulary.attributes}
    given: list[Meaning] = [
        ("bin", name, str(place)) for name in bin_offsets(vocabulary) for place in range(sizes[name])
    ]
    return [NOTHING, *given]
