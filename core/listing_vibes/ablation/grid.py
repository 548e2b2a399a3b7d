"""The grid of an ablation: variants in TOML, each a few settings that differ, and what of it a market allows."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from listing_vibes.ablation.controls import known_control
from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import first_problem, read_toml
from listing_vibes.market.kinds import kind_of
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings
from listing_vibes.registry import one_of
from listing_vibes.scoring.named import baseline_names

PACKAGED = ("default", "ladder")
#: What the command sets for all variants alike; a variant of its own would be asked other queries.
FIXED = ("seed", "split")
MANY = 32  # photos of a listing, more than any variant tells apart


def _baseline(name: str) -> str:
    """Scorers without a training of their own that a variant may name."""
    return one_of(name, (*baseline_names(), "oracle"))


class Variant(BaseModel):
    """One row of the grid: settings that differ from the base, or a baseline."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str = Field(min_length=1, max_length=60)
    question: str = Field("", description="what it helps to answer; tables and the figure group by it")
    reference: str | None = Field(None, description="the variant that it is compared with")
    kind: Literal["model", "baseline"] = "model"
    baseline: Annotated[str, AfterValidator(_baseline)] | None = None
    overrides: dict[str, Any] = Field(
        default_factory=dict, alias="set", description="as in --config of train"
    )
    control: Annotated[str, AfterValidator(known_control)] | None = Field(
        None,
        description="content without meaning in the place of the market's; see `listing_vibes.ablation.controls`",
    )
    serving: Literal["recency"] | None = Field(
        None,
        description="what the model alone is measured with, fitted as `vibes evaluate` fits it; none: what its lists add unasked",
    )

    @field_validator("overrides")
    @classmethod
    def _nested(cls, given: dict[str, Any]) -> dict[str, Any]:
        return nested(given)

    @model_validator(mode="after")
    def _fits(self) -> "Variant":
        if (self.kind == "baseline") != (self.baseline is not None):
            raise ValueError('a baseline has kind = "baseline" and the key baseline, a model neither')
        if self.kind == "baseline" and (self.overrides or self.serving or self.control):
            raise ValueError(
                "a baseline is tuned on validation and takes no settings, no serving and no control"
            )
        for name in FIXED:
            if name in self.overrides:
                raise ValueError(
                    f"'{name}' is the same for all variants; give it in [base] or to the command"
                )
        return self


class Grid(BaseModel):
    """All variants, in the order of tables and figure, over the settings that they share."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    base: dict[str, Any] = Field(default_factory=dict)
    variants: list[Variant] = Field(alias="variant", min_length=1)

    @field_validator("base")
    @classmethod
    def _nested(cls, given: dict[str, Any]) -> dict[str, Any]:
        return nested(given)

    @model_validator(mode="after")
    def _fits(self) -> "Grid":
        seen: list[str] = []
        for variant in self.variants:
            if variant.name in seen:
                raise ValueError(f"two variants are called '{variant.name}'")
            if variant.reference is not None and variant.reference not in seen:
                raise ValueError(
                    f"the reference '{variant.reference}' of '{variant.name}' is no variant above it"
                )
            self.settings(variant)
            seen.append(variant.name)
        if "seed" in self.base:
            raise ValueError("'seed' is given to the command, not in [base]")
        return self

    def settings(self, variant: Variant) -> Settings | None:
        """The whole configuration of a variant; None of a baseline."""
        if variant.kind == "baseline":
            return None
        try:
            settings = Settings.model_validate(merged(self.base, variant.overrides))
            settings.encoder_config()
        except (ValidationError, VibesError) as error:
            reason = first_problem(error, Settings) if isinstance(error, ValidationError) else str(error)
            raise ValueError(f"variant '{variant.name}': {reason.rstrip('.')}") from error
        return settings


def load_grid(source: str | Path) -> Grid:
    """A packaged grid by name, or one in a TOML file.

    Raises:
        VibesError: there is no such file, it is no TOML, or it names a setting that does not exist.
    """
    packaged = Path(__file__).parent / "grids" / f"{source}.toml"
    try:
        path = packaged if str(source) in PACKAGED else Path(source)
        return Grid.model_validate(read_toml(path, f"give a TOML file, or one of: {', '.join(PACKAGED)}"))
    except ValidationError as error:
        raise VibesError(f"{source}: {_problem(error)}.") from error


def _problem(error: ValidationError) -> str:
    """The first problem; those that this page raises itself are sentences already."""
    first = error.errors()[0]
    own = first.get("ctx", {}).get("error")
    return str(own) if own is not None else first_problem(error).rstrip(".")


def nested(given: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys opened: `{"features.photos": 0}` is `{"features": {"photos": 0}}`."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        head, _, tail = key.partition(".")
        inner = nested({tail: value}) if tail else value
        both = isinstance(found.get(head), dict) and isinstance(inner, dict)
        found[head] = merged(found[head], inner) if both else inner
    return found


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the leaves of `over` in the place of its own."""
    found = dict(base)
    for key, value in over.items():
        both = isinstance(found.get(key), dict) and isinstance(value, dict)
        found[key] = merged(found[key], value) if both else value
    return found


@dataclass(frozen=True)
class Inputs:
    """Which inputs a market has."""

    photos: int  # of the listing that has most
    text: bool
    meta: bool
    timestamps: bool

    @classmethod
    def of(cls, market: Market) -> "Inputs":
        """Look at the tables: photos, attributes of free text, actions or durations, times of the events."""
        told = [market.events[name].notna().any() for name in (C.ACTION, C.DURATION) if name in market.events]
        return cls(
            photos=int(market.photos[C.LISTING].value_counts().max()) if len(market.photos) else 0,
            text=any(kind_of(attribute.kind).sentences for attribute in market.attributes),
            meta=any(map(bool, told)),
            timestamps=market.timed,
        )


def effective(settings: Settings, has: Inputs) -> dict[str, Any]:
    """The settings with everything reset that cannot matter: two variants that agree here train the same model."""
    whole = settings.model_dump(mode="json")
    features, training = whole["features"], whole["training"]
    plain = FeatureConfig().model_dump(mode="json")

    def reset(*keys: str) -> None:
        features.update({key: plain[key] for key in keys})

    told = min(settings.features.photo_tokens, has.photos)
    if told == 0:
        reset(*(key for key in plain if key.startswith("photo")))
    elif has.photos == 1:
        reset("photos")
    features["photos"] = min(features["photos"], told)
    if not has.text:
        features["words"] = False
    if not (has.text and features["text"]):
        features["text"] = False
        reset("text_views")
    if not (has.meta and features["meta"]):
        features["meta"] = False
    if features["tokenisation"] == "wordpiece":
        reset("words")
    if not has.timestamps:
        training["recency_days"] = 0
    if not settings.training.needs_bank:
        training |= {"bank_every": 0, "bank_size": 0}
    return whole


@dataclass(frozen=True)
class Planned:
    """A variant that is measured."""

    variant: Variant
    reference: str | None  # a measured variant
    settings: Settings | None  # None of a baseline

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.variant.name


@dataclass(frozen=True)
class Plan:
    """What of a grid is measured on a market, and in one sentence each why the rest is not."""

    variants: list[Planned]
    left_out: dict[str, str]


def make_plan(
    grid: Grid,
    has: Inputs,
    oracle: bool = False,
    decide: Callable[[Settings], Settings] = lambda given: given,
) -> Plan:
    """Leave out what the market has no inputs for; whoever refers to it refers to what it would have been.

    A variant that on this market would train the same model as one above it is not trained twice; `decide` fills in what the
    market decides of settings.
    """
    kept: list[Planned] = []
    left_out: dict[str, str] = {}
    stand_in: dict[
        str, str | None
    ] = {}  # of those left out: the variant that others are compared with instead
    trained: dict[str, tuple[str, Settings]] = {}  # effective settings: name and settings
    for variant in grid.variants:
        reference = variant.reference
        while reference in stand_in:
            reference = stand_in[reference]
        settings = grid.settings(variant)
        if settings is None:
            reason = _unavailable(variant.baseline or "", has, oracle)
            if reason:
                left_out[variant.name] = f"'{variant.name}' is left out: {reason}."
                stand_in[variant.name] = reference
                continue
        else:
            control = variant.control if _told(settings, variant.control, has) else None
            key = json.dumps([effective(decide(settings), has), variant.serving, control], sort_keys=True)
            if key in trained:
                name, twin = trained[key]
                left_out[variant.name] = (
                    f"'{variant.name}' is left out: it is the same as '{name}'{_alike_by(settings, twin, has)}."
                )
                stand_in[variant.name] = name
                continue
            trained[key] = variant.name, settings
        kept.append(Planned(variant, reference, settings))
    return Plan(kept, left_out)


def _told(settings: Settings, control: str | None, has: Inputs) -> bool:
    """Whether the model is given, on this market, the content that a control takes the meaning of."""
    features = effective(settings, has)["features"]
    content = (control or "").rpartition("-")[2]
    told = {
        "photos": features["photos"],
        "texts": features["text"] or features["words"],
        "meta": features["meta"],
    }
    return bool(told.get(content))


def _alike_by(one: Settings, two: Settings, has: Inputs) -> str:
    """What of a market makes the same of two settings: the inputs with which they would differ, or what it decides; "" for none."""
    everything = {"photos": MANY, "text": True, "meta": True, "timestamps": True}

    def differ(has: Inputs) -> bool:
        return effective(one, has) != effective(two, has)

    if differ(has):
        return " by what this market decides"
    absent = [name for name, there in vars(has).items() if not there]
    lacking = [name for name in absent if differ(replace(has, **{name: everything[name]}))]  # type: ignore[arg-type]
    return f" on a market without {' or '.join(lacking)}" if lacking else ""


def _unavailable(baseline: str, has: Inputs, oracle: bool) -> str:
    if baseline == "photo-neighbors" and not has.photos:
        return "the market has no photos"
    if baseline == "text-neighbors" and not has.text:
        return "the market has no text"
    if baseline == "oracle" and not oracle:
        return "only a simulated market has an oracle"
    return ""
