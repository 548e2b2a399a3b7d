"""What a user may set of a model and its training: `--config FILE`, and the part `[settings]` of a run's `run.toml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.removed_settings import check_removed
from listing_vibes.market.documents import first_problem, read_toml
from listing_vibes.model.config import PRESETS, EncoderConfig
from listing_vibes.model.variants.losses import LOSSES
from listing_vibes.model.variants.user_encoders import USER_ENCODERS, History

if TYPE_CHECKING:
    import torch

Baskets = Literal["auto", "order", "set"]
Auto = Literal["auto"]


class Forbidding(BaseModel):
    """Unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingConfig(Forbidding):
    """How the model is trained."""

    recipe: Literal["single-stage", "two-stage"] = "single-stage"
    pretrain_steps: int = Field(0, ge=0, description="steps of pre-training before; 0 = none")
    loss: Annotated[str, AfterValidator(LOSSES.known)] = "next"
    market_mix: float = Field(
        0.5,
        ge=0,
        le=1,
        description="of several markets, each is drawn by its examples to this power: 1 = by its size, 0 = all alike",
    )
    positives: int = Field(3, ge=1, le=50, description="how many of the next listings are positives")
    baskets: Baskets = Field(
        "auto",
        description="simultaneous events of a user: order = they foretell nothing of one another; set = a member is "
        "foretold by others too, in an order drawn anew each epoch; auto = set where a fifth of the events has company",
    )
    late_interaction: Annotated[float, Field(ge=0, le=10)] | Auto = Field(
        "auto",
        description="weight of a listing's greatest cosine to a listing of the history, beside its cosine to the user's "
        "vector; 0 = none; auto = 1 where events come in baskets, and in leave-one-out unless the market is large "
        "(listing-vectors alone)",
    )
    temperature: float = Field(0.05, gt=0)
    batch: int = Field(256, ge=2, description="histories (or windows of them) a step, at most")
    fresh: int = Field(
        1024, ge=0, description="listings a step that are encoded with gradient, beside the positives"
    )
    recency_days: Annotated[int, Field(ge=0, le=100_000)] | Auto = Field(
        "auto",
        description="log(1 + events in so many days before each moment) joins the scores that the loss compares, so that "
        "the model learns what recency does not tell; 0 = none; auto = 60 in a small market with timestamps",
    )
    logq: bool = Field(True, description="correct scores for how likely a listing is drawn (Yi et al. 2019)")
    bank_every: int = Field(
        50,
        ge=1,
        description="steps between two encodings of the item bank; more where it would take a quarter of the time",
    )
    bank_size: int = Field(
        16384, ge=0, description="negatives from the bank a step, at most; 0 = the fresh ones alone"
    )
    window_listings: int = Field(
        1024, ge=1, description="events in the histories of a step, at most (not with cls)"
    )
    learning_rate: float = Field(1e-3, gt=0)
    warmup: int = Field(100, ge=0, description="steps until the full learning rate")
    average: float = Field(
        0.98,
        ge=0,
        lt=1,
        description="decay of the averaged weights, which are the run's; 0 = the last weights",
    )
    max_epochs: int = Field(
        50,
        ge=1,
        description="times the training events are read, at most: an epoch takes only one piece of a user's, so that "
        "where users have more there are more of them (with cls: epochs)",
    )
    max_steps: int = Field(1500, ge=1)
    patience: int = Field(
        6, ge=1, description="times validate_every steps without a better recall@30 before stopping"
    )
    validate_every: int = Field(
        50,
        ge=1,
        description="steps between two validations, at most; more where these would take a quarter of the time; every training "
        "validates at its end",
    )
    validations: int = Field(
        20, ge=1, description="of a training that runs to its end, at least: a short one validates oftener"
    )
    max_listings: int = Field(
        50,
        ge=1,
        le=500,
        description="the newest listings of a history that are read; its table of places grows with it",
    )
    bf16: bool | None = Field(None, description="None = where the CPU or GPU has the instructions")
    checkpoint_every: int = Field(100, ge=1, description="steps between two checkpoints, at most")

    @property
    def dtype(self) -> "torch.dtype | None":
        """Of the matrix products; None: float32."""
        import torch

        return torch.bfloat16 if self.bf16 else None

    @property
    def recent_days(self) -> int:
        """How many days before a moment the loss knew; 0: none."""
        return 0 if self.recency_days == "auto" else self.recency_days

    @model_validator(mode="after")
    def _has_bank(self) -> "TrainingConfig":
        if self.recipe == "two-stage" and not self.bank_size:
            raise ValueError("recipe = 'two-stage' needs a bank, but bank_size is 0; give it a size")
        return self


class ResolvedTraining(TrainingConfig):
    """How a model was trained: what its settings left open is chosen."""

    late_itself: bool = Field(
        True,
        description="whether late interaction compares a listing of the history with itself, too: not in leave-one-out where "
        "fewer than 2 % of the training events return to an earlier listing, so that lists have nothing to gain",
    )
    value_rate: float = Field(
        1.0,
        gt=0,
        description="times learning_rate for the vectors of attribute values, each of which learns only in the steps that show it: "
        "20 where 262,144 training events are of users with two or more; pre-training, which shows values at random, has 1",
    )
    unwanted_learned: bool = Field(
        False,
        description="whether the model reads events with an unwanted action; else what is like their listings loses in lists",
    )
    whole_histories: bool = Field(
        False,
        description="whether max_listings alone says how much of a history is read; in runs of before also max_tokens",
    )
    stop_after: int | None = Field(
        None, ge=1, description="of a refit: the steps after which it ends, whatever its schedule plans"
    )


class DefaultBlend(Forbidding):
    """What lists add to a trained model: `neighbors` x attribute neighbors, then `weight` x log(1 + recent events)."""

    days: int = Field(60, ge=1, le=100_000, description="that count as recent")
    weight: float = Field(0.0, ge=0, description="of the logarithm of recent events")
    neighbors: float = Field(
        0.0, ge=0, description="share of attribute neighbors beside the model, both standardized"
    )
    nearest: bool = Field(
        False, description="neighbors of the nearest listing of a history, not of the mean of all"
    )
    weighed: bool = Field(False, description="whether validation chose the weights")


class SplitConfig(Forbidding):
    """How events are divided into those that train, validate and test."""

    protocol: Literal["temporal", "leave-one-out"] | None = None


class ResolvedSplit(SplitConfig):
    """Where training ends and the test begins, too; nanoseconds UTC."""

    t1: int | None = None
    t2: int | None = None


class Settings(Forbidding):
    """What a user may set with `--config FILE`."""

    seed: int = Field(0, ge=0, lt=2**32)
    preset: Literal["tiny", "mini", "small", "base", "large"] = "mini"
    encoder: dict[str, int | float] = Field(
        default_factory=dict, description="sizes that differ from the preset"
    )
    init: str | None = Field(None, description="folder of a transformers Longformer to start from")
    history: History = Field("listing-vectors", description="how a history becomes a vector")
    inference: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="type of matrix products once trained; auto = the fastest that the machine has"
    )
    features: FeatureConfig = FeatureConfig()
    training: TrainingConfig = TrainingConfig()
    split: SplitConfig = SplitConfig()

    def asked_encoder_config(self) -> EncoderConfig:
        """The preset with its changes: how many tokens of a history are read at most.

        A place for each of `training.max_listings` listings, and no fewer than the preset has.

        Raises:
            VibesError: an unknown size or sizes that do not fit together.
        """
        preset = PRESETS[self.preset]
        places = max(preset.max_items, 1 + self.training.max_listings)
        sizes = preset.model_dump() | {"max_items": places} | self.encoder
        try:
            encoder_config = EncoderConfig.model_validate(sizes)
        except ValidationError as error:
            raise VibesError(f"[encoder]: {first_problem(error, EncoderConfig)}") from error
        if encoder_config.max_items <= self.training.max_listings:
            raise VibesError(
                f"[encoder] max_items is {encoder_config.max_items}, which leaves places for {encoder_config.max_items - 1} of the "
                f"{self.training.max_listings} listings of training.max_listings; leave it out, or set it to "
                f"{1 + self.training.max_listings}."
            )
        return encoder_config

    def encoder_config(self) -> EncoderConfig:
        """As `asked_encoder_config`; once resolved, with as many token positions as the market needs."""
        return self.asked_encoder_config()

    @model_validator(mode="before")
    @classmethod
    def _refuse_removed(cls, given: Any) -> Any:
        check_removed(given)
        if cls is Settings and isinstance(given, Mapping):
            for key in chosen_keys(given):
                raise ValueError(f"{key} is chosen by training; leave it out")
        return given

    @model_validator(mode="after")
    def _vectors_to_compare(self) -> "Settings":
        weight = self.training.late_interaction
        if weight != "auto" and weight and USER_ENCODERS[self.history].reads_tokens:
            raise ValueError(
                f"training.late_interaction = {weight} needs history = 'listing-vectors', not '{self.history}'; set it to 0"
            )
        return self

    @classmethod
    def of(cls, given: "Settings | Mapping[str, Any] | Path | str | None" = None, **changes: Any) -> Self:
        """Settings as they are given: whole, by their keys, or in a file; `changes` other than None replace single keys.

        >>> Settings.of({"preset": "tiny", "training": {"batch": 64}}, training={"max_steps": 100}).training.batch
        64

        Raises:
            VibesError: a file that cannot be read, an unknown key, or a value out of range.
        """
        if isinstance(given, str | Path):
            given = cls.load(Path(given))
        content = given.model_dump(exclude_unset=True) if isinstance(given, Settings) else dict(given or {})
        changes = {key: value for key, value in changes.items() if value is not None}
        try:
            return cls.model_validate(merged(content, changes))
        except ValidationError as error:
            raise VibesError(f"Settings: {first_problem(error, cls)}") from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a configuration file.

        Raises:
            VibesError: it is missing, no TOML, or has an unknown key or a value out of range.
        """
        try:
            return cls.model_validate(read_toml(path, "check the path"))
        except ValidationError as error:
            raise VibesError(f"{path}: {first_problem(error, cls)}") from error


class Resolved(Settings):
    """The settings of a training with what it chose: all that a run needs to know of how its model came about."""

    positions: int | None = Field(
        None,
        ge=1,
        description="rows of the table of token positions: what the market needs; [encoder] max_tokens given by hand stands instead",
    )
    blend: DefaultBlend | None = Field(None, description="what lists add to the model; none: nothing")
    training: ResolvedTraining = ResolvedTraining()
    split: ResolvedSplit = ResolvedSplit()

    def encoder_config(self) -> EncoderConfig:
        """Return the preset with its changes, and with as many token positions as training found to be needed.

        Raises:
            VibesError: an unknown size or sizes that do not fit together.
        """
        config = self.asked_encoder_config()
        return config if self.positions is None else config.model_copy(update={"max_tokens": self.positions})


#: What `Resolved` has beside `Settings`, by table; "" = the settings themselves.
CHOSEN: dict[str, set[str]] = {
    "": Resolved.model_fields.keys() - Settings.model_fields.keys(),
    "training": ResolvedTraining.model_fields.keys() - TrainingConfig.model_fields.keys(),
    "split": ResolvedSplit.model_fields.keys() - SplitConfig.model_fields.keys(),
}


def chosen_keys(given: Mapping[str, Any]) -> list[str]:
    """Return the keys of `given`, with their tables, that training chooses."""
    tables = {"": given, "training": given.get("training"), "split": given.get("split")}
    return [
        f"{table}.{key}" if table else key
        for table, content in tables.items()
        if isinstance(content, Mapping)
        for key in content
        if key in CHOSEN[table]
    ]


def apart(settings: Resolved) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a user says and what training chose, as `run.toml` has them."""
    message: dict[str, Any] = settings.model_dump(exclude_none=True)
    chosen: dict[str, Any] = {key: message.pop(key) for key in CHOSEN[""] & message.keys()}
    for table in ("training", "split"):
        chosen[table] = {key: message[table].pop(key) for key in CHOSEN[table] & message[table].keys()}
    return message, chosen


def merged(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`content` with `changes`, of a part such as [training] its single keys."""
    values = dict(content)
    for key, value in changes.items():
        value = value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
        inner = values.get(key)
        inner = inner.model_dump(exclude_unset=True) if isinstance(inner, BaseModel) else inner
        both = isinstance(value, Mapping) and isinstance(inner, Mapping)
        values[key] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return values
