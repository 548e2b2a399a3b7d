"""The grid of an ablation: variants in TOML, each with a few settings, and the selection of variants for a market.

Controls have shuffled content: a model may recognize a listing by its photo without using what it shows, and a model with another
listing's photos shows how much of a gain is of that kind.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, ValidationError, model_validator

from listing_vibes.errors import VibesError
from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import Forbidding, first_problem, read_toml
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Settings
from listing_vibes.registry import one_of
from listing_vibes.scoring.named import baseline_names
from listing_vibes.scoring.ranking_metrics import ORACLE

SEED = 0
Content = tuple[Market, PhotoVectors | None]


def donors(has: np.ndarray, seed: int = SEED) -> np.ndarray:
    """Return the row (L,) int64 whose content each listing gets: a random cyclic permutation of the listings with content.

    No listing keeps its own content (if two or more have content), and a listing without content gets none.

    Args:
        has: (L,) bool, whether a listing has content.
    """
    donor = np.arange(len(has))
    order = np.random.default_rng([seed, 11]).permutation(np.flatnonzero(has))
    donor[order] = np.roll(order, 1)
    return donor


def _shuffled_photos(market: Market, photos: PhotoVectors | None) -> Content:
    owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)
    rows = [np.flatnonzero(owner == row) for row in range(len(market.listings))]
    donor = donors(np.array([len(photo_rows) > 0 for photo_rows in rows]))
    order = np.concatenate([rows[giver] for giver in donor])
    taker = np.repeat(np.arange(len(donor)), [len(rows[giver]) for giver in donor])
    table = market.photos.iloc[order].reset_index(drop=True)
    table[C.LISTING] = market.listings[C.LISTING].to_numpy()[taker]
    if photos is not None:
        photos = replace(photos, vectors=photos.vectors[order], ok=photos.ok[order])
    return replace(market, photos=table), photos


def _shuffled_texts(market: Market, photos: PhotoVectors | None) -> Content:
    names = [attribute.name for attribute in market.attributes if attribute.kind == "text"]
    donor = donors(market.listings[names].notna().any(axis=1).to_numpy())
    moved = {name: market.listings[name].to_numpy()[donor] for name in names}
    return replace(market, listings=market.listings.assign(**moved)), photos


def _shuffled_event_features(market: Market, photos: PhotoVectors | None) -> Content:
    """Shuffle action and duration between events; unwanted events are unchanged, since they determine the training examples."""
    names = [name for name in (C.ACTION, C.DURATION) if name in market.events]
    requested = np.ones(len(market.events), bool)
    if C.ACTION in names:
        requested = ~market.events[C.ACTION].isin(market.config.unwanted).to_numpy()
    order = np.arange(len(market.events))
    order[requested] = np.random.default_rng([SEED, 13]).permutation(order[requested])
    permuted = {name: market.events[name].array[order] for name in names}
    return replace(market, events=market.events.assign(**permuted)), photos


#: Controls by the name for a variant's `control`.
CONTROLS: dict[str, Callable[[Market, PhotoVectors | None], Content]] = {
    "shuffled-photos": _shuffled_photos,
    "shuffled-texts": _shuffled_texts,
    "shuffled-event-features": _shuffled_event_features,
}


PACKAGED = ("default", "ladder")
#: Settings that are the same for all variants: a variant with a different one would be evaluated on other queries.
FIXED = ("seed", "split")
#: What a market may lack.
Input = Literal["photos", "text", "event features", "times"]


def _check_baseline(name: str) -> str:
    return one_of(name, (*baseline_names(), ORACLE))


class Variant(Forbidding, populate_by_name=True):
    """One row of the grid: settings that differ from the base, or a baseline."""

    name: str = Field(min_length=1, max_length=60)
    question: str = Field(
        "", description="question that it helps to answer, the group in tables and in the figure"
    )
    reference: str | None = Field(None, description="variant to compare with")
    needs: list[Input] = Field([], description="inputs without which a market leaves it out")
    baseline: Annotated[str, AfterValidator(_check_baseline)] | None = None
    overrides: dict[str, Any] = Field(
        default_factory=dict, alias="set", description="settings as in --config of train"
    )
    control: Literal["shuffled-photos", "shuffled-texts", "shuffled-event-features"] | None = Field(
        None, description="control that replaces the market's content, see `CONTROLS`"
    )

    @model_validator(mode="after")
    def _check(self) -> "Variant":
        if self.baseline is not None and (self.overrides or self.control):
            raise ValueError("a baseline takes no settings and no control")
        for name in FIXED:
            if name in self.overrides:
                raise ValueError(
                    f"'{name}' is the same for all variants; give it in [base] or to the command"
                )
        return self


class Grid(Forbidding, populate_by_name=True):
    """All variants, in the order of tables and figure, and the settings that they share."""

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
            settings.requested_encoder_config()
        except VibesError as error:
            raise ValueError(f"variant '{variant.name}': {str(error).rstrip('.')}") from error
        return settings

    def reference_of(self, variant: Variant, evaluated: Collection[str]) -> str | None:
        """Return the evaluated variant to compare with; the reference of one that was not evaluated stands in for it."""
        references = {item.name: item.reference for item in self.variants}
        name = variant.reference
        while name is not None and name not in evaluated:
            name = references[name]
        return name


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


def available_inputs(market: Market) -> set[Input]:
    """Return the inputs that the tables of a market have."""
    features = [name for name in (C.ACTION, C.DURATION) if name in market.events]
    has: dict[Input, bool] = {
        "photos": len(market.photos) > 0,
        "text": any(type_of(attribute.kind).sentences for attribute in market.attributes),
        "event features": bool(features) and bool(market.events[features].notna().any(axis=None)),
        "times": market.timed,
    }
    return {name for name, is_present in has.items() if is_present}


def left_out(grid: Grid, inputs: Collection[Input], has_oracle: bool = False) -> dict[str, str]:
    """Return a sentence by variant that needs an input that a market lacks, or the oracle of a market that is not simulated."""
    sentences = {}
    for variant in grid.variants:
        missing: list[str] = [name for name in variant.needs if name not in inputs]
        if variant.baseline == ORACLE and not has_oracle:
            missing = ["oracle, which only a simulated market has"]
        if missing:
            sentences[variant.name] = f"'{variant.name}' is left out: the market has no {missing[0]}."
    return sentences
