"""A listing that the market does not have yet: its vectors in every space of a run, made by the run's own means."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError, needs
from listing_vibes.features.content_spaces import attribute_featurizer, attribute_vectors
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.merging import joined
from listing_vibes.features.photos.trainable import trained_weights
from listing_vibes.features.photos.vectors import (
    JOIN,
    Encoder,
    PhotoVectors,
    combine,
    embed_photos,
    load_photo_vectors,
    photo_center,
)
from listing_vibes.features.units import unit_rows
from listing_vibes.kept_with import kept_with
from listing_vibes.market.attribute_types import type_of
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Attribute, Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import load_photo_center

NEW = "new"


@dataclass(frozen=True, eq=False)
class Newcomer:
    """An encoded listing.

    Attributes:
        vectors: by space (d,) float32, L2-normalised; a space in which the listing has nothing is left out.
        scores: by space (L,) float32, its cosine to every listing of the run; -inf where that one has nothing there.
        broken: photos, by their number, that could not be used, and why.
    """

    vectors: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    broken: list[tuple[int, str]]

    def nearest(self, run: Run, space: str, k: int = K) -> pd.DataFrame:
        """The `k` listings nearest to it, best first: `listing_id, score`."""
        return run.nearest(self.scores[space], k)


class Newcomers:
    """Encodes listings that are entered by hand; what that needs is opened once.

    Args:
        run: the run whose featurizer and model read the listing.
        encoders: gives a photo encoder by its stored name; None loads it from what is on this machine.
    """

    def __init__(self, run: Run, encoders: Callable[[str], Encoder] | None = None) -> None:
        self.run = run
        self._encoders = encoders or (lambda name: load_run_encoder(run, name))
        self._last_photos: tuple[tuple[bytes, ...], dict[str, PhotoVectors]] = ((), {})
        self._last_model: tuple[object, np.ndarray] = (None, np.zeros(0, np.float32))

    def encode(
        self, cells: Mapping[str, Any], photos: Sequence[bytes] = (), spaces: Sequence[str] | None = None
    ) -> Newcomer:
        """Encode a listing.

        Args:
            cells: values by the name of an attribute, read as those of a table; a place is `latitude` and `longitude`.
            photos: contents of image files, the cover first.
            spaces: which spaces are wanted; None = all that the run has.

        Raises:
            VibesError: an unknown attribute, a value that cannot be read, or an encoder that is not at hand.
        """
        run, wanted = self.run, self.run.spaces if spaces is None else spaces
        vectors: dict[str, np.ndarray] = {}
        scores: dict[str, np.ndarray] = {}
        with TemporaryDirectory(prefix="vibes-") as folder:
            market = one_listing(run.market, cells, photos, Path(folder))
            told = self._photos(market, photos)
            if "model" in wanted and run.has_model:
                vectors["model"] = self.encode_models([cells], photos)[0]
            shown = told.get(run.manifest.photo_encoder)
            if "photos" in wanted and shown is not None and shown.ok.any() and self._centre is not None:
                vectors["photos"] = _photo_vector(shown, self._centre)
            for space, vector in vectors.items():
                index = run.index(space)
                scores[space] = np.where(index.known, index.vectors @ vector, -np.inf).astype(np.float32)
            if "attributes" in wanted:
                whole = self._attributes(market)
                if whole[-1].any():
                    vectors["attributes"] = whole[-1]
                    known = whole[:-1].any(axis=1)
                    scores["attributes"] = np.where(known, whole[:-1] @ whole[-1], -np.inf)
            broken = {path: reason for one in told.values() for path, reason in one.broken}
        return Newcomer(vectors, scores, [(int(Path(path).name), reason) for path, reason in broken.items()])

    def encode_models(
        self,
        drafts: Sequence[Mapping[str, Any]],
        photos: Sequence[bytes] = (),
        orders: Sequence[Sequence[int]] | None = None,
    ) -> np.ndarray:
        """(V, d) float32 the model space of V drafts that share their photos, L2-normalised; all in one pass.

        Args:
            drafts: cells of each, see `encode`.
            orders: which photos each draft has, in which order, by their place in `photos`; None: all, as they come.

        Raises:
            VibesError: no model, an unknown attribute, a value that cannot be read, or an encoder that is not at hand.
        """
        self.run.needs_model()
        alone = repr(dict(drafts[0])) if len(drafts) == 1 and orders is None else None
        asked = (alone, tuple(hashlib.sha256(content).digest() for content in photos))
        last = self._last_model
        if alone is not None and asked == last[0]:  # a page asks for its place and for its audience
            return last[1].copy()
        found = self._encode_models(drafts, photos, orders)
        if alone is not None:
            self._last_model = asked, found.copy()
        return found

    def _encode_models(
        self,
        drafts: Sequence[Mapping[str, Any]],
        photos: Sequence[bytes],
        orders: Sequence[Sequence[int]] | None,
    ) -> np.ndarray:
        orders = [range(len(photos))] * len(drafts) if orders is None else orders
        engine, here = self.run.engine, None
        with TemporaryDirectory(prefix="vibes-") as folder:
            market = new_listings(self.run.market, drafts, photos, Path(folder), orders)
            if photos and engine.featurizer.photo_encoder:
                one = one_listing(self.run.market, {}, photos, Path(folder) / "photographed")
                here = self._photos(one, photos).get(engine.featurizer.photo_encoder)
            mine = (
                None
                if here is None
                else _at_rows(here, np.array([n for order in orders for n in order], int))
            )
            features = engine.featurizer.transform(market, mine)
            return np.stack([_unit(one) for one in replace(engine, features=features).encode_listings()])

    def _photos(self, market: Market, contents: Sequence[bytes]) -> dict[str, PhotoVectors]:
        """The photo vectors by each encoder name that the model or the photo space asks for; those of the same photos as
        the last time are taken from there, since what changes between two calls is mostly a value."""
        names = {self.run.manifest.photo_encoder}
        if self.run.has_model:
            names.add(self.run.engine.featurizer.photo_encoder)
        if not len(market.photos):
            return {}
        asked = tuple(hashlib.sha256(content).digest() for content in contents)
        kept, found = self._last_photos, {}
        for name in sorted(filter(None, names)):
            if kept[0] == asked and name in kept[1]:
                found[name] = kept[1][name]
                continue
            parts = [
                embed_photos(market.path, market.photos, self._encoders(part), workers=1)
                for part in name.split(JOIN)
            ]
            found[name] = combine(parts)
        self._last_photos = asked, found
        return found

    @cached_property
    def _centre(self) -> np.ndarray | None:
        """(w,) the mean photo vector of the run's market, from which its photo space is seen."""
        market = self.run.market
        stored = load_photo_center(self.run.folder)
        if stored is not None:
            return stored
        return photo_center(
            load_photo_vectors(market.path, market.photos, self.run.manifest.photo_encoder or None)
        )

    @cached_property
    def _attribute_features(self) -> tuple[Featurizer, Features]:
        market = self.run.market
        featurizer = attribute_featurizer(market)
        return featurizer, featurizer.transform(market, None)

    def _attributes(self, market: Market) -> np.ndarray:
        """(L + 1, d) the attribute space of all listings and, last, of the new one."""
        featurizer, features = self._attribute_features
        together = joined(features, featurizer.transform(market, None))
        return attribute_vectors(featurizer, together, fitted=features.tokens.listings)


def one_listing(market: Market, cells: Mapping[str, Any], photos: Sequence[bytes], folder: Path) -> Market:
    """A market in `folder` of one listing, with the columns of `market`.

    Raises:
        VibesError: an unknown attribute or a value that cannot be read.
    """
    return new_listings(market, [cells], photos, folder, [range(len(photos))])


def new_listings(
    market: Market,
    drafts: Sequence[Mapping[str, Any]],
    photos: Sequence[bytes],
    folder: Path,
    orders: Sequence[Sequence[int]],
) -> Market:
    """A market in `folder` of V drafts, with the columns of `market`; `orders` says which of `photos` each has.

    Raises:
        VibesError: an unknown attribute or a value that cannot be read.
    """
    names = {name for item in market.attributes for name in type_of(item.kind).columns(item.name)}
    strange = sorted({name for cells in drafts for name in cells} - names)
    if strange:
        raise VibesError(f"The market has no attribute '{strange[0]}'; it has: {', '.join(sorted(names))}.")
    ids = [NEW if len(drafts) == 1 else f"{NEW}-{number}" for number in range(len(drafts))]
    columns = {C.LISTING: pd.Series(ids, dtype=market.listings[C.LISTING].dtype)}
    for item in market.attributes:
        for name in type_of(item.kind).columns(item.name):
            read: dict[
                str, Any
            ] = {}  # drafts of one listing differ in a value or two, and reading one takes long
            values = []
            for cells in drafts:
                value = cells.get(name)
                key = f"{type(value).__name__} {value!r}"
                if key not in read:
                    read[key] = read_cell(item, name, value)
                values.append(read[key])
            columns[name] = pd.Series(values, dtype=market.listings[name].dtype)
    (folder / "photos").mkdir(parents=True)
    for number, content in enumerate(photos):
        (folder / "photos" / str(number)).write_bytes(content)
    rows = [
        (listing, place, f"photos/{number}")
        for listing, order in zip(ids, orders, strict=True)
        for place, number in enumerate(order)
    ]
    shots = pd.DataFrame(rows, columns=[C.LISTING, C.POSITION, C.PATH])
    events = market.events.iloc[:0]
    return Market(
        folder, market.config, pd.DataFrame(columns), shots, events, market.actions, market.attributes
    )


def read_cell(attribute: Attribute, name: str, value: Any) -> Any:
    """A value that somebody typed for the column `name` of an attribute, as the market's table holds it; None where it is missing.

    Raises:
        VibesError: it cannot be read.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return type_of(attribute.kind).parse(attribute.typed(value), attribute.label, name)


def _photo_vector(photos: PhotoVectors, centre: np.ndarray) -> np.ndarray:
    """(w,) what `photo_space` gives a listing with these photos in a market with this mean vector."""
    centred = np.asarray(photos.vectors[photos.ok], np.float32) - centre
    return _unit(unit_rows(centred).mean(axis=0))


def _at_rows(photos: PhotoVectors, rows: np.ndarray) -> PhotoVectors:
    """The vectors of photos in other rows (P,)."""
    parts = tuple(_at_rows(part, rows) for part in photos.parts)
    return replace(photos, vectors=photos.vectors[rows], ok=photos.ok[rows], parts=parts)


def _unit(vector: np.ndarray) -> np.ndarray:
    norm = float(np.linalg.norm(vector))
    unit: np.ndarray = vector / norm if norm else vector
    return unit


def load_run_encoder(run: Run, name: str) -> Encoder:
    """Return a photo encoder of a run by its stored name.

    Raises:
        VibesError: the encoder is not at hand.
    """
    return _load_encoder(run.market, name, trained_weights(run.folder, name))


@kept_with(2)
def _load_encoder(market: Market, name: str, weights: Path | None) -> Encoder:
    with needs("Reading photos"):
        from listing_vibes.features.photos.of_market import encoder_of
    return encoder_of(market, name, weights)
