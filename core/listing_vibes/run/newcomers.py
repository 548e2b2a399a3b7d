"""Encoding of new listings, which are not in the market, in every space of a run."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.cache import Cache, cached_per_object
from listing_vibes.errors import VibesError, needs
from listing_vibes.features.content_spaces import AttributeSpace, attribute_vectors
from listing_vibes.features.feature_config import trained_weights
from listing_vibes.features.featurizer import Features, text_cache
from listing_vibes.features.photos.photo_vectors import (
    Encoder,
    PhotoVectors,
    cache_root,
    embed_photos,
    load_photo_vectors,
)
from listing_vibes.features.reduce import unit_rows
from listing_vibes.features.texts.text_encoder import text_key
from listing_vibes.features.vector_cache import copy_vectors
from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.request_errors import RequestError
from listing_vibes.run.run import Run

#: Sets of photos whose vectors are cached, since successive calls mostly change a value and not the photos.
PHOTO_SETS = 4


@dataclass(frozen=True, eq=False)
class Newcomer:
    """An encoded listing.

    Attributes:
        vectors: the L2-normalized vector (d,) float32 by space, without the spaces in which the listing has none.
        scores: the cosines (L,) float32 to every listing of the run by space; -inf for a listing without a vector.
        broken: the numbers of photos that could not be used, and the reasons.
    """

    vectors: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    broken: list[tuple[int, str]]


class Newcomers:
    """Encodes new listings; encoders are loaded once.

    Args:
        run: the run whose featurizer and model encode the listing.
        encoders: returns a photo encoder by its stored name; None loads it from this machine.
    """

    def __init__(self, run: Run, encoders: Callable[[str], Encoder] | None = None) -> None:
        self.run = run
        self._encoders = encoders or (lambda name: load_run_encoder(run, name))
        self._photo_vectors: Cache[tuple[str, tuple[bytes, ...]], PhotoVectors] = Cache(PHOTO_SETS)

    def encode(
        self, cells: Mapping[str, Any], photos: Sequence[bytes] = (), spaces: Sequence[str] | None = None
    ) -> Newcomer:
        """Encode a listing.

        Args:
            cells: values by attribute name, parsed like those of a table; a location is `latitude` and `longitude`.
            photos: the contents of image files, the cover first.
            spaces: the spaces to return; None for all spaces of the run.

        Raises:
            VibesError: an attribute is unknown, a value cannot be parsed, or an encoder is not available.
        """
        run, chosen_spaces = self.run, self.run.spaces if spaces is None else spaces
        newcomer = Newcomer({}, {}, [])
        if "model" in chosen_spaces and run.has_model:
            newcomer.vectors["model"] = self.encode_models([cells], photos)[0]
        encoder = run.manifest.photo_encoder
        if not encoder and "model" in newcomer.vectors:
            encoder = run.engine.featurizer.photo_encoder  # of a model over a market without photos
        with TemporaryDirectory(prefix="vibes-") as folder:
            market = new_listings(run.market, [cells], photos, Path(folder))
            if photos and encoder:
                embedded, center = self._embed(market, photos, encoder), run.photo_center
                newcomer.broken.extend((int(Path(path).name), reason) for path, reason in embedded.broken)
                if "photos" in chosen_spaces and embedded.ok.any() and center is not None:
                    centered = np.asarray(embedded.vectors[embedded.ok], np.float32) - center
                    newcomer.vectors["photos"] = unit_rows(unit_rows(centered).mean(axis=0, keepdims=True))[0]
            for space, vector in newcomer.vectors.items():
                index = run.index(space)
                newcomer.scores[space] = np.where(index.known, index.vectors @ vector, -np.inf)
            if "attributes" in chosen_spaces:
                vectors = encode_attributes(run, market)  # with the new listing, so not those of the run
                if vectors[-1].any():
                    newcomer.vectors["attributes"], has_vector = vectors[-1], vectors[:-1].any(axis=1)
                    newcomer.scores["attributes"] = np.where(has_vector, vectors[:-1] @ vectors[-1], -np.inf)
        return newcomer

    def encode_tables(self, drafts: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """Return the vectors (V, d) float32 of V drafts without photos, in the model's and the attributes space."""
        vectors = {}
        if self.run.has_model:
            vectors["model"] = self.encode_models(drafts)
        if "attributes" in self.run.spaces:
            with TemporaryDirectory(prefix="vibes-") as folder:
                market = new_listings(self.run.market, drafts, (), Path(folder))
                vectors["attributes"] = encode_attributes(self.run, market)[-len(drafts) :]
        return vectors

    def encode_models(
        self,
        drafts: Sequence[Mapping[str, Any]],
        photos: Sequence[bytes] = (),
        orders: Sequence[Sequence[int]] | None = None,
    ) -> np.ndarray:
        """Return the L2-normalized vectors (V, d) float32 in the model space of V drafts with common photos, in one pass.

        Args:
            drafts: the cells of each draft, see `encode`.
            orders: the photos of each draft in order, by their number in `photos`; None for all in the given order.

        Raises:
            VibesError: the run has no model, an attribute is unknown, a value cannot be parsed, or an encoder is not available.
        """
        self.run.needs_model()
        engine, embedded = self.run.engine, None
        orders = [range(len(photos))] * len(drafts) if orders is None else orders
        with TemporaryDirectory(prefix="vibes-") as folder:
            market = new_listings(self.run.market, drafts, photos, Path(folder), orders)
            # What the market's listings show and say is not encoded again, so that its encoders need not be loaded.
            texts = {value for cells in drafts for value in cells.values() if isinstance(value, str)}
            copy_vectors(text_cache(self.run.market), text_cache(market), [text_key(text) for text in texts])
            if photos and engine.featurizer.photo_encoder:
                every = new_listings(self.run.market, [{}], photos, Path(folder) / "photographed")
                rows = np.array([number for order in orders for number in order], int)
                embedded = self._embed(every, photos, engine.featurizer.photo_encoder)
                embedded = replace(embedded, vectors=embedded.vectors[rows], ok=embedded.ok[rows])
            features = engine.featurizer.transform(market, embedded)
            return unit_rows(replace(engine, features=features).encode_listings())

    def _embed(self, market: Market, contents: Sequence[bytes], name: str) -> PhotoVectors:
        """Return the vectors of the photos of `market` by an encoder's stored name."""

        def make() -> PhotoVectors:
            copy_vectors(cache_root(self.run.market.path), cache_root(market.path), digests)
            cached = load_photo_vectors(market.path, market.photos, name)
            if cached is not None and cached.ok.all():
                return cached
            return embed_photos(market.path, market.photos, self._encoders(name))

        digests = tuple(hashlib.sha256(content).digest() for content in contents)
        return self._photo_vectors.get((name, digests), make)


@cached_per_object
def attribute_space(run: Run) -> AttributeSpace:
    """Return the attributes space of the run's market."""
    return AttributeSpace.of(run.market, run.manifest.attribute_weights)


def encode_attributes(run: Run, chosen: Features | Market) -> np.ndarray:
    """Return the vectors in the attribute space of all listings of a run and of n others, (L + n, d), fitted on the run's."""
    space = attribute_space(run)
    others = space.featurizer.transform(chosen, None) if isinstance(chosen, Market) else chosen
    both, fitted = space.features.join(others), space.features.tokens.listings
    return attribute_vectors(space.featurizer, both, fitted, space.weights)


def new_listings(
    market: Market,
    drafts: Sequence[Mapping[str, Any]],
    photos: Sequence[bytes],
    folder: Path,
    orders: Sequence[Sequence[int]] | None = None,
) -> Market:
    """Return a market in `folder` of V drafts, with the columns of `market`; see `Newcomers.encode_models`.

    Raises:
        VibesError: an attribute is unknown, or a value cannot be parsed.
    """
    orders = [range(len(photos))] * len(drafts) if orders is None else orders
    attributes = {
        name: attribute
        for attribute in market.attributes
        for name in type_of(attribute.kind).columns(attribute.name)
    }
    unknown = sorted({name for cells in drafts for name in cells} - attributes.keys())
    if unknown:
        choices = ", ".join(sorted(attributes))
        raise RequestError("unknown_draft_attribute", name=unknown[0], choices=choices)
    ids = [f"new-{number}" for number in range(len(drafts))]
    columns = {C.LISTING: pd.Series(ids, dtype=market.listings[C.LISTING].dtype)}
    for name, attribute in attributes.items():
        # Drafts differ in one or two values, and parsing a value is slow, so values are cached.
        by_key = {f"{type(cells.get(name))} {cells.get(name)!r}": cells.get(name) for cells in drafts}
        parsed = {key: parse_cell(attribute, name, value) for key, value in by_key.items()}
        values = [parsed[f"{type(cells.get(name))} {cells.get(name)!r}"] for cells in drafts]
        columns[name] = pd.Series(values, dtype=market.listings[name].dtype)
    (folder / "photos").mkdir(parents=True)
    for number, content in enumerate(photos):
        (folder / "photos" / str(number)).write_bytes(content)
    shots = pd.DataFrame(
        [
            (listing, position, f"photos/{number}")
            for listing, order in zip(ids, orders, strict=True)
            for position, number in enumerate(order)
        ],
        columns=[C.LISTING, C.POSITION, C.PATH],
    )
    none = pd.DataFrame({C.USER: [], C.LISTING: [], C.POSITION: []})  # the market's need not be read
    return Market(folder, market.config, pd.DataFrame(columns), shots, none, [], market.attributes)


def parse_cell(attribute: Attribute, name: str, value: Any) -> Any:
    """Parse a value of the column `name` of an attribute, as in the market's table; None if it is missing.

    Raises:
        VibesError: the value cannot be parsed.
    """
    try:
        for text in value if isinstance(value, list) else [value]:
            _ = text.encode() if isinstance(text, str) else None
    except UnicodeEncodeError as error:
        raise RequestError("half_a_surrogate", name=name) from error
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return type_of(attribute.kind).parse(attribute.typed(value), attribute.label, name)
    except VibesError as error:  # an attribute type, also one of a plugin, words what it takes
        raise RequestError("unparsed_value", reason=str(error)) from error


def load_run_encoder(run: Run, name: str) -> Encoder:
    """Return a photo encoder of a run by its stored name.

    Raises:
        VibesError: the encoder is not available.
    """
    return _load_encoder(run.market, name, trained_weights(run.folder, name))


@cached_per_object
def _load_encoder(market: Market, name: str, weights: Path | None) -> Encoder:
    with needs("Reading photos"):
        from listing_vibes.features.photos.encoders import encoder_of
    return encoder_of(market, name, weights)
