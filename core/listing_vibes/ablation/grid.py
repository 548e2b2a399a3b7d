"""The grid of an ablation: variants in TOML, each with a few settings, and the selection of variants for a market."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from listing_vibes.ablation.controls import check_control
from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import first_problem, read_toml
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings
from listing_vibes.registry import one_of
from listing_vibes.scoring.named import baseline_names
from listing_vibes.scoring.ranking_names import ORACLE

PACKAGED = ("default", "ladder")
#: Settings that are the same for all variants: a variant with a different one would be evaluated on other queries.
FIXED = ("seed", "split")


def _check_baseline(name: str) -> str:
    return one_of(name, (*baseline_names(), ORACLE))


class Variant(BaseModel):
    """One row of the grid: settings that differ from the base, or a baseline."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str = Field(min_length=1, max_length=60)
    question: str = Field(
        "", description="question that it helps to answer, the group in tables and in the figure"
    )
    reference: str | None = Field(None, description="variant to compare with")
    baseline: Annotated[str, AfterValidator(_check_baseline)] | None = None
    overrides: dict[str, Any] = Field(
        default_factory=dict, alias="set", description="settings as in --config of train"
    )
    control: Annotated[str, AfterValidator(check_control)] | None = Field(
        None,
        description="control that replaces the market's content, see `listing_vibes.ablation.controls`",
    )
    serving: Literal["recency"] | None = Field(
        None, description="blend, fitted on validation; none: the default blend"
    )

    @model_validator(mode="after")
    def _check(self) -> "Variant":
        if self.baseline is not None and (self.overrides or self.serving or self.control):
            raise ValueError("a baseline takes no settings, no serving and no control")
        for name in FIXED:
            if name in self.overrides:
                raise ValueError(
                    f"'{name}' is the same for all variants; give it in [base] or to the command"
                )
        return self


class Grid(BaseModel):
    """All variants, in the order of tables and figure, and the settings that they share."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    base: dict[str, Any] = Field(default_factory=dict)
    variants: list[Variant] = Field(alias="variant", min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "Grid":
        if "seed" in self.base:
            raise ValueError("'seed' is given to the command, not in [base]")
        names: list[str] = []
        for variant in self.variants:
            if variant.name in names:
                raise ValueError(f"two variants are called '{variant.name}'")
            if variant.reference is not None and variant.reference not in names:
                raise ValueError(
                    f"the reference '{variant.reference}' of '{variant.name}' is not a variant above it"
                )
            self.settings(variant)
            names.append(variant.name)
        return self

    def settings(self, variant: Variant) -> Settings | None:
        """Return the settings of a variant; None for a baseline.

        Raises:
            ValueError: a setting does not exist, or sizes do not fit together.
        """
        if variant.baseline is not None:
            return None
        try:
            settings = Settings.of(self.base, **variant.overrides)
            settings.encoder_config()
        except VibesError as error:
            raise ValueError(f"variant '{variant.name}': {str(error).rstrip('.')}") from error
        return settings


def load_grid(source: str | Path) -> Grid:
    """Load a packaged grid by its name, or one from a TOML file.

    Raises:
        VibesError: the file does not exist, is not TOML, or has an unknown setting.
    """
    packaged = Path(__file__).parent / "grids" / f"{source}.toml"
    path = packaged if str(source) in PACKAGED else Path(source)
    try:
        return Grid.model_validate(read_toml(path, f"give a TOML file, or one of: {', '.join(PACKAGED)}"))
    except ValidationError as error:
        sentence = error.errors()[0].get("ctx", {}).get("error")  # the sentence of a validator above
        raise VibesError(f"{source}: {str(sentence or first_problem(error)).rstrip('.')}.") from error


@dataclass(frozen=True)
class Inputs:
    """The inputs that a market has."""

    photos: int  # maximum per listing
    text: bool
    meta: bool
    timestamps: bool

    @classmethod
    def of(cls, market: Market) -> "Inputs":
        """Read the inputs from the tables: photos, text attributes, actions or durations, times of the events."""
        features = [name for name in (C.ACTION, C.DURATION) if name in market.events]
        return cls(
            photos=int(market.photos[C.LISTING].value_counts().max()) if len(market.photos) else 0,
            text=any(type_of(attribute.kind).sentences for attribute in market.attributes),
            meta=bool(market.events[features].notna().any(axis=None)) if features else False,
            timestamps=market.timed,
        )


def effective(settings: Settings, inputs: Inputs) -> dict[str, Any]:
    """Return the settings that have an effect on a market: two variants with equal ones train the same model."""
    result = settings.model_dump(mode="json")
    features, default = result["features"], FeatureConfig().model_dump(mode="json")
    photos = min(settings.features.photos, inputs.photos)
    if not photos:
        features |= {key: value for key, value in default.items() if key.startswith("photo")}
    features["photos"] = min(features["photos"], photos)
    features["meta"] &= inputs.meta
    features["text"] &= inputs.text
    features["words"] &= inputs.text
    if not features["text"]:
        features["text_encoder"] = default["text_encoder"]
    if not inputs.timestamps:
        result["training"]["recency_days"] = 0
    return result


@dataclass(frozen=True)
class Plan:
    """The variants of a grid that are evaluated on a market.

    Attributes:
        left_out: the reason by name for each variant that is left out.
        instead: by name of a variant the one that stands in for it as a reference.
    """

    variants: list[Variant]
    left_out: dict[str, str]
    instead: dict[str, str | None]

    def reference_of(self, variant: Variant, evaluated: Collection[str]) -> str | None:
        """Return the evaluated variant to compare with."""
        name = variant.reference
        while name is not None and name not in evaluated:
            name = self.instead[name]
        return name


def make_plan(
    grid: Grid,
    inputs: Inputs,
    has_oracle: bool = False,
    resolve: Callable[[Settings], Settings] = lambda settings: settings,
) -> Plan:
    """Leave out variants without inputs in the market, and variants that would train the same model as one above them.

    Args:
        resolve: resolves settings for the market.
    """
    plan = Plan([], {}, {})
    trained: dict[str, str] = {}  # name of a variant by its effective settings
    for variant in grid.variants:
        settings = grid.settings(variant)
        reason, plan.instead[variant.name] = "", variant.reference
        if settings is None:
            reason = _missing_input(variant.baseline or "", inputs, has_oracle)
        else:
            trains = effective(resolve(settings), inputs)
            control = variant.control if _has_effect(variant.control, trains["features"]) else None
            key = json.dumps([trains, variant.serving, control], sort_keys=True)
            twin = trained.setdefault(key, variant.name)
            if twin != variant.name:
                reason, plan.instead[variant.name] = f"on this market it is the same as '{twin}'", twin
        if reason:
            plan.left_out[variant.name] = f"'{variant.name}' is left out: {reason}."
        else:
            plan.variants.append(variant)
    return plan


def _has_effect(control: str | None, features: dict[str, Any]) -> bool:
    """Return whether a model with these effective features reads the content replaced by a control."""
    by_content = {"photos": features["photos"], "texts": features["text"] or features["words"]}
    by_content["features"] = features["meta"]
    return bool(control and by_content[control.rpartition("-")[2]])


def _missing_input(baseline: str, inputs: Inputs, has_oracle: bool) -> str:
    if baseline == "photo-neighbors" and not inputs.photos:
        return "the market has no photos"
    if baseline == "text-neighbors" and not inputs.text:
        return "the market has no text"
    if baseline == ORACLE and not has_oracle:
        return "only a simulated market has an oracle"
    return ""
