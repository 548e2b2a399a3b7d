"""Settings of a model and its training: `--config FILE`, and the table `[settings]` of a run's `run.toml`."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, BaseModel, Field, model_validator

from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import FeatureConfig
from listing_vibes.market.documents import Forbidding, read_toml, validate
from listing_vibes.model.encoder_config import PRESETS, EncoderConfig
from listing_vibes.model.losses import LOSSES
from listing_vibes.model.user_encoders import USER_ENCODERS, History

if TYPE_CHECKING:
    import torch

Baskets = Literal["auto", "order", "set"]
Auto = Literal["auto"]


class TrainingConfig(Forbidding):
    """The settings of a training."""

    recipe: Literal["single-stage", "two-stage"] = "single-stage"
    pretrain_steps: int = Field(0, ge=0, description="steps of pre-training; 0 = none")
    loss: Annotated[str, AfterValidator(LOSSES.known)] = "next"
    market_mix: float = Field(
        0.5,
        ge=0,
        le=1,
        description="of several markets, each is sampled in proportion to its number of examples to this power: 1 = by size, 0 = uniform",
    )
    positives: int = Field(3, ge=1, le=50, description="the number of next listings that are positives")
    baskets: Baskets = Field(
        "auto",
        description="simultaneous events of a user: order = they do not predict each other; set = they also predict each other, in a "
        "random order per epoch; auto = set if a fifth of the events is simultaneous with another one; without timestamps and without "
        "equal positions, set says that the order of events means nothing",
    )
    late_interaction: Annotated[float, Field(ge=0, le=10)] | Auto = Field(
        "auto",
        description="weight of the greatest cosine of a listing to a listing of the history, relative to its cosine to the user's "
        "vector; 0 = none; auto = 1 if events come in baskets, and in leave-one-out unless the market is large "
        "(only with listing-vectors)",
    )
    temperature: float = Field(0.05, gt=0)
    batch: int = Field(
        256, ge=2, description="maximum number of histories (or windows of histories) per step"
    )
    fresh: int = Field(
        1024,
        ge=0,
        description="further listings per step that are encoded with gradient, in addition to the positives",
    )
    recency_days: Annotated[int, Field(ge=0, le=100_000)] | Auto = Field(
        "auto",
        description="the window of recent events whose log(1 + count) is added to the scores in the loss, so that the model learns "
        "what recency does not explain; 0 = none; auto = 60 in a small market with timestamps",
    )
    logq: bool = Field(
        True, description="correct scores for the sampling probability of listings (Yi et al. 2019)"
    )
    bank_every: int = Field(
        50,
        ge=1,
        description="minimum steps between two encodings of the item bank, which take at most a quarter of the time",
    )
    bank_size: int = Field(
        16384, ge=0, description="maximum number of negatives from the bank per step; 0 = only the fresh ones"
    )
    window_listings: int = Field(
        1024, ge=1, description="maximum number of events in the histories of a step (not with cls)"
    )
    learning_rate: float = Field(1e-3, gt=0)
    warmup: int = Field(100, ge=0, description="warm-up steps of the learning rate")
    average: float = Field(
        0.98,
        ge=0,
        lt=1,
        description="decay of the moving average of weights, which is the result; 0 = the last weights",
    )
    max_epochs: int = Field(
        50,
        ge=1,
        description="maximum number of passes through the training events; an epoch has only one window per user, so a pass may have "
        "several epochs (with cls: epochs)",
    )
    max_steps: int = Field(1500, ge=1)
    patience: int = Field(
        6,
        ge=1,
        description="early stopping after so many times validate_every steps without a better recall@30",
    )
    validate_every: int = Field(
        50,
        ge=1,
        description="steps between two validations; more if these would take over a quarter of the time; every training "
        "validates at its end",
    )
    validations: int = Field(
        20,
        ge=1,
        description="minimum number of validations in a full training; a short one validates more often",
    )
    max_listings: int = Field(
        50, ge=1, le=500, description="the number of newest listings of a history that are read"
    )
    bf16: bool | None = Field(None, description="None = if the CPU or GPU supports it")
    checkpoint_every: int = Field(100, ge=1, description="maximum steps between two checkpoints")

    @property
    def dtype(self) -> "torch.dtype | None":
        """Return the type of matrix products; None for float32."""
        import torch

        return torch.bfloat16 if self.bf16 else None

    @property
    def recent_days(self) -> int:
        """Return the window of recency in the loss in days; 0 for none."""
        return 0 if self.recency_days == "auto" else self.recency_days

    @model_validator(mode="after")
    def _has_bank(self) -> "TrainingConfig":
        if self.recipe == "two-stage" and not self.bank_size:
            raise ValueError("recipe = 'two-stage' needs a bank, but bank_size is 0; set it above 0")
        return self


class ResolvedTraining(TrainingConfig):
    """The settings of a training with the automatic ones resolved."""

    late_itself: bool = Field(
        True,
        description="whether late interaction also compares a listing of the history with itself; not in leave-one-out if fewer than "
        "2 % of the training events are on an earlier listing of the user",
    )
    value_rate: float = Field(
        1.0,
        gt=0,
        description="factor of learning_rate for the vectors of attribute values, each of which only occurs in some steps: 20 with "
        "262,144 training events of users with two or more, else 1; 1 in pre-training",
    )
    stop_after: int | None = Field(
        None,
        ge=1,
        description="of a refit: the number of steps, which may end before the learning rate schedule does",
    )


class BlendWeights(Forbidding):
    """The weights of a blend, see `listing_vibes.scoring.blend`: score = sum of weight x feature / scale."""

    name: str = "default ranking"
    weights: dict[str, float] = Field(description="by feature, per standard deviation of the feature")
    scales: dict[str, float] = Field(description="the mean standard deviation of each feature in a query")
    errors: dict[str, float] = Field(default_factory=dict, description="standard errors of the weights")
    alone: dict[str, float] = Field(
        default_factory=dict,
        description="the weights that the market alone would have, without other markets",
    )
    queries: int = Field(0, ge=0, description="the number of validation queries")
    ids: str = Field("", description='the id model of the feature "ids"')
    id_settings: dict[str, float] = Field(default_factory=dict, description="its settings")
    covisits: dict[str, float] = Field(
        default_factory=dict, description='the settings of content EASE, the feature "covisits"'
    )

    @model_validator(mode="after")
    def _has_scales(self) -> "BlendWeights":
        for feature in self.weights:
            if not 0 < self.scales.get(feature, 0.0) < math.inf or not math.isfinite(self.weights[feature]):
                raise ValueError(
                    f"the blend '{self.name}' has no scale above 0 or no finite weight for its feature '{feature}'"
                )
        if not self.weights:
            raise ValueError(f"the blend '{self.name}' has no features")
        return self

    def factor(self, feature: str) -> np.float32:
        """Return the factor of a feature's values.

        Scores are in the unit of the first feature, the model's cosines, if its weight is positive: rules such as diversity and
        boosts compare scores with cosines.
        """
        first, weight = next(iter(self.weights.items()))
        unit = weight / self.scales[first] if weight > 0 else 1.0
        return np.float32(self.weights[feature] / self.scales[feature] / unit)

    @property
    def parts(self) -> str:
        """Return the kinds of features in the words of `--blend`, such as "neighbors+recency"; other features by their names."""
        kinds = {"attributes": "neighbors", "photos": "neighbors", "text": "neighbors"}
        kinds |= {"recent": "recency", "age": "recency"}
        order = dict.fromkeys(["neighbors", "recency", "ids", *self.weights])
        present = {kinds.get(name, name) for name in self.weights} - {"model"}
        return "+".join(kind for kind in order if kind in present)

    @property
    def note(self) -> str:
        """Return the weights with their standard errors in words."""
        parts = [
            f"{weight:.2f} x {name}" + (f" (± {self.errors[name]:.2f})" if name in self.errors else "")
            for name, weight in self.weights.items()
        ]
        return f"{', '.join(parts)} per standard deviation"


class SplitConfig(Forbidding):
    """How events are split into training, validation and test."""

    protocol: Literal["temporal", "leave-one-out"] | None = None


class ResolvedSplit(SplitConfig):
    """The split with the end of training and the start of the test, in nanoseconds UTC."""

    t1: int | None = None
    t2: int | None = None


class Settings(Forbidding):
    """The settings of `--config FILE`."""

    seed: int = Field(0, ge=0, lt=2**32)
    preset: Literal["tiny", "mini", "small", "base", "large"] = "mini"
    encoder: dict[str, int | float] = Field(
        default_factory=dict, description="sizes that differ from the preset"
    )
    init: str | None = Field(None, description="folder of a pretrained transformers Longformer")
    history: History = Field("listing-vectors", description="the user encoder")
    inference: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="type of matrix products after training; auto = the fastest one of the machine"
    )
    features: FeatureConfig = FeatureConfig()
    training: TrainingConfig = TrainingConfig()
    split: SplitConfig = SplitConfig()

    def requested_encoder_config(self) -> EncoderConfig:
        """Return the preset with its changes, with at least `training.max_listings` item positions.

        Its `max_tokens` limits the tokens of a history.

        Raises:
            VibesError: a size is unknown, or sizes are inconsistent.
        """
        preset = PRESETS[self.preset]
        places = max(preset.max_items, 1 + self.training.max_listings)
        sizes = preset.model_dump() | {"max_items": places} | self.encoder
        encoder_config = validate(EncoderConfig, sizes, "[encoder]")
        if encoder_config.max_items <= self.training.max_listings:
            raise VibesError(
                f"[encoder] max_items is {encoder_config.max_items}, which leaves positions for {encoder_config.max_items - 1} of the "
                f"{self.training.max_listings} listings of training.max_listings; leave it out, or set it to "
                f"{1 + self.training.max_listings}."
            )
        return encoder_config

    @model_validator(mode="after")
    def _vectors_to_compare(self) -> "Settings":
        weight = self.training.late_interaction
        if weight != "auto" and weight and not USER_ENCODERS[self.history].has_listing_vectors:
            raise ValueError(
                f"training.late_interaction = {weight} needs history = 'listing-vectors', not '{self.history}'; set it to 0"
            )
        return self

    @classmethod
    def of(cls, given: "Settings | Mapping[str, Any] | Path | str | None" = None, **changes: Any) -> Self:
        """Return settings from `Settings`, a mapping or a file; `changes` other than None replace single keys.

        >>> Settings.of({"preset": "tiny", "training": {"batch": 64}}, training={"max_steps": 100}).training.batch
        64

        Raises:
            VibesError: the file cannot be read, a key is unknown, or a value is out of range.
        """
        name = "Settings"
        if isinstance(given, str | Path):
            given, name = read_toml(Path(given), "check the path"), str(given)
        content = given.model_dump(exclude_unset=True) if isinstance(given, Settings) else dict(given or {})
        changes = {key: value for key, value in changes.items() if value is not None}
        return validate(cls, merged(content, changes), name)


class Resolved(Settings):
    """The settings of a training with what it chose: all of them, and in `given` what the user said."""

    given: Settings = Field(Settings(), description="what the user said, which a warm start resolves again")
    positions: int | None = Field(
        None,
        ge=1,
        description="number of token positions that the market needs, unless [encoder] max_tokens is set",
    )
    blend: BlendWeights | None = Field(None, description="the default blend; none: the model only")
    training: ResolvedTraining = ResolvedTraining()
    split: ResolvedSplit = ResolvedSplit()

    @classmethod
    def unresolved(cls, settings: Settings) -> Self:
        """Return settings before a training chooses any; those of a run, which a refit repeats, stay as they are."""
        content = settings.model_dump(exclude_unset=True)
        if "given" not in content:
            content["given"] = settings.model_dump(exclude_unset=True, include=GIVEN)
        return cls.model_validate(content)

    def encoder_config(self) -> EncoderConfig:
        """Return the preset with its changes, and with the resolved number of token positions.

        Raises:
            VibesError: a size is unknown, or sizes are inconsistent.
        """
        config = self.requested_encoder_config()
        return config if self.positions is None else config.model_copy(update={"max_tokens": self.positions})


#: What a user can say in `Resolved`.
GIVEN: dict[str, Any] = dict.fromkeys(Settings.model_fields, True) | {
    "training": set(TrainingConfig.model_fields),
    "split": set(SplitConfig.model_fields),
}


def merged(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `content` updated with `changes`, in tables such as [training] by key."""
    values = dict(content)
    for key, value in changes.items():
        value = value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
        inner = values.get(key)
        inner = inner.model_dump(exclude_unset=True) if isinstance(inner, BaseModel) else inner
        both = isinstance(value, Mapping) and isinstance(inner, Mapping)
        values[key] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return values


def compare_settings(
    given: Mapping[str, Any], stored: Mapping[str, Any], table: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name, the value and the stored value of each setting of `given` that differs from `stored`, in tables by key."""
    for key, value in given.items():
        old = stored.get(key)
        if isinstance(value, Mapping):
            yield from compare_settings(value, old or {}, f"{table}{key}.")
        elif value != old:
            yield f"{table}{key}", value, old
