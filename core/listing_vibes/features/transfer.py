"""Transfer of a model to another market: what the model knows of it, as a sentence and in `run.toml`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from listing_vibes.errors import VibesError
from listing_vibes.features.several_markets import rank_name
from listing_vibes.market.attribute_types import Attribute, AttributeVocabulary, type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import Forbidding
from listing_vibes.market.market import Market

if TYPE_CHECKING:
    from listing_vibes.features.featurizer import Featurizer

#: The most names in a sentence; of more it gives the number.
MOST_NAMES = 6


class TransferReport(Forbidding, allow_inf_nan=False):
    """What the model of the run `run` knows of a market that it was not trained on."""

    run: str  # folder of the model's run
    market_name: str  # name of the training market
    weights: str = ""  # sha256 of its weights
    known: list[str] = Field([])  # attributes of the market that the model has learned
    new: list[str] = Field([])  # attributes of the market that it has not
    gone: list[str] = Field([])  # attributes of the model that the market does not have
    beyond: dict[str, float] = Field({})  # by known attribute, the share of values outside the bins
    photos: Literal["", "known", "new", "gone"] = ""  # "": neither has any
    shared: bool = False  # whether some of the market's listings are in the training market
    learned: bool = False  # whether the run was warm-started from the model, and learned what is new

    @property
    def sentence(self) -> str:
        """Return a sentence such as: "knows 6 of your 10 attributes; `bedrooms`, `district` are new"."""
        count = len(self.known) + len(self.new)
        available = f"{len(self.known)} of your {count}" if self.new else f"all {count} of your"
        parts = [f"knows {available} attributes"]
        if self.new:
            parts.append(f"{_names(self.new)} {_are(self.new)} new")
        if self.gone:
            parts.append(f"{_names(self.gone)}, which it knows, {_are(self.gone)} missing")
        for name, share in self.beyond.items():
            again = ", so its bins are fitted again" if self.learned else ""
            parts.append(f"{share:.0%} of the values of `{name}` are outside the known range{again}")
        if self.photos in ("new", "gone"):
            parts.append("photos are new" if self.photos == "new" else "photos, which it knows, are missing")
        return "; ".join(parts)

    @classmethod
    def of(
        cls,
        market: Market,
        featurizer: "Featurizer",
        run: Path,
        market_name: str,
        weights: str = "",
        learned: bool = False,
        shared: bool = False,
    ) -> "TransferReport":
        """Return what the model of `run` with `featurizer` knows of `market`.

        Raises:
            VibesError: an attribute has different types in the two, or they share neither attributes nor photos.
        """
        entries, attributes = shared_attributes(market, featurizer, run)
        listings = featurizer.view(market).listings
        available = [name for name in attributes if name in entries]
        files = (os.path.join(market.path, name) for name in market.photos[C.PATH])
        has_photos = any(map(os.path.isfile, files))
        beyond = {}
        for name in available if not featurizer.vocabulary.pieces else ():
            if share := type_of(entries[name].kind).outgrown(entries[name], listings):
                beyond[name] = share
        photos: Literal["", "known", "new", "gone"] = ""
        if featurizer.photo is not None:
            photos = "known" if has_photos else "gone"
        elif has_photos and featurizer.config.photos:
            photos = "new"
        if not available and photos != "known":
            raise VibesError(
                f"The model of {run} knows none of the attributes of {market.path} ({_names([*attributes]) or 'it has none'}; "
                f"the model reads {_names([*entries]) or 'none'}), so it cannot be used; give the columns the same names, or "
                "train a new model."
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


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names[:MOST_NAMES])
    return listed + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def shared_attributes(
    market: Market, featurizer: "Featurizer", run: Path
) -> tuple[dict[str, AttributeVocabulary], dict[str, Attribute]]:
    """Return the attributes of the model of `run`, and those of `market`, by name.

    Raises:
        VibesError: one has different types in the two.
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
                f"The attribute '{name}' has the type {attribute.kind} in {market.path} but the type "
                f'{entries[name].kind} in the model of {run}; set kind = "{entries[name].kind}" for it in market.toml, or '
                "rename the column."
            )
    return entries, attributes
