"""What a model that was trained on one market knows of another: said in one sentence, stored in `run.toml`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from listing_vibes.errors import VibesError
from listing_vibes.features.market_ranks import rank_name
from listing_vibes.market.attribute_types import AttributeVocabulary, type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Attribute, Market
from listing_vibes.market.photo_files import PhotoFolders

if TYPE_CHECKING:
    from listing_vibes.features.featurizer import Featurizer

#: Names that a sentence lists; of more it says how many.
MOST_NAMES = 6


class TransferReport(BaseModel):
    """What the model of the run `run` knows of a market that it was not trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    run: str  # folder of the run that the model came from
    market_name: str  # of what it was trained on
    weights: str = ""  # sha256 of its weights
    known: list[str] = Field(default_factory=list)  # attributes of the market that the model has learned
    new: list[str] = Field(default_factory=list)  # attributes of the market that it has not
    gone: list[str] = Field(default_factory=list)  # attributes of the model that the market lacks
    beyond: dict[str, float] = Field(default_factory=dict)  # known ones: share of values outside the bins
    photos: Literal["", "known", "new", "gone"] = ""  # "": neither has any
    shared: bool = False  # whether some of the market's listings are of the market that it was trained on
    learned: bool = False  # whether the run was trained on the market from there, what is new included

    @property
    def sentence(self) -> str:
        """Such as: "knows 6 of your 10 attributes; `bedrooms`, `district` are new"."""
        count = len(self.known) + len(self.new)
        available = f"{len(self.known)} of your {count}" if self.new else f"all {count} of your"
        parts = [f"knows {available} attributes"]
        if self.new:
            parts.append(f"{_names(self.new)} {_are(self.new)} new")
        if self.gone:
            parts.append(f"{_names(self.gone)}, which it knows, {_are(self.gone)} not there")
        for name, share in self.beyond.items():
            again = ", so that it is divided again" if self.learned else ""
            parts.append(f"{share:.0%} of the values of `{name}` lie beyond those it knows{again}")
        if self.photos in ("new", "gone"):
            parts.append(
                "photos are new" if self.photos == "new" else "photos, which it knows, are not there"
            )
        return "; ".join(parts)

    @classmethod
    def of(
        cls,
        market: Market,
        featurizer: Featurizer,
        run: Path,
        market_name: str,
        weights: str = "",
        learned: bool = False,
        shared: bool = False,
    ) -> TransferReport:
        """Return what the model of `run`, which reads what `featurizer` makes, knows of `market`.

        Raises:
            VibesError: an attribute is of another type in the two, or they share neither attributes nor photos.
        """
        entries, attributes = shared_attributes(market, featurizer, run)
        listings = featurizer.view(market).listings
        available = [name for name in attributes if name in entries]
        has_photos = _has_photos(market)
        beyond = {}
        if not featurizer.vocabulary.pieces:
            outgrown = {
                name: type_of(entries[name].kind).outgrown(entries[name], listings) for name in available
            }
            beyond = {name: share for name, share in outgrown.items() if share}
        photos: Literal["", "known", "new", "gone"] = ""
        if featurizer.photo_reducers:
            photos = "known" if has_photos else "gone"
        elif has_photos and featurizer.config.photo_tokens:
            photos = "new"
        if not available and photos != "known":
            raise VibesError(
                f"The model of {run} knows none of the attributes of {market.path} ({_names([*attributes]) or 'it has none'}; "
                f"the model reads {_names([*entries]) or 'none'}), so it has nothing to go by; name the columns alike, or "
                "train a model of its own."
            )
        return cls(
            run=str(run.resolve()),
            market_name=market_name,
            weights=weights,
            known=available,
            new=[name for name in attributes if name not in entries],
            gone=[name for name in entries if name not in attributes],
            beyond=beyond,
            photos=photos,
            learned=learned,
            shared=shared,
        )


def _has_photos(market: Market) -> bool:
    """Whether a market has any of the files that its table of photos names."""
    folders = PhotoFolders.of(market.path)
    return any(os.path.isfile(folders.file(name)) for name in market.photos[C.PATH])


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names[:MOST_NAMES])
    return listed + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def shared_attributes(
    market: Market, featurizer: Featurizer, run: Path
) -> tuple[dict[str, AttributeVocabulary], dict[str, Attribute]]:
    """Return the attributes that the model of `run` knows, and those of `market`, by their names.

    Raises:
        VibesError: one is of another type in the two.
    """
    renamed = market.shared() if featurizer.within is not None else featurizer.view(market)
    entries = {entry.name: entry for entry in featurizer.vocabulary.attributes}
    for name in featurizer.within.numbers if featurizer.within is not None else ():
        rank = entries.pop(rank_name(name), None)
        if rank is not None:
            entries.setdefault(name, rank)
    attributes = (
        {attribute.name: attribute for attribute in renamed.attributes}
        if featurizer.config.attributes
        else {}
    )
    for name, attribute in attributes.items():
        if name in entries and entries[name].kind != attribute.kind:
            raise VibesError(
                f"The attribute '{name}' is of the kind {attribute.kind} in {market.path} and of the kind "
                f'{entries[name].kind} in the model of {run}; say kind = "{entries[name].kind}" of it in market.toml, or '
                "give the column another name."
            )
    return entries, attributes
