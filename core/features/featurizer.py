"""From a market to the model's input: tokens, reduced photo vectors and reduced text vectors, with all that was fitted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import VibesError
from core.features.photos import PhotoVectors
from core.features.reduce import Reducer
from core.features.text import embed_texts
from core.features.tokens import Tokens, tokenise
from core.features.vocabulary import Vocabulary, fit_vocabulary
from core.market.columns import Columns as C
from core.market.io import atomic_path
from core.market.market import Market


class FeatureConfig(BaseModel):
    """Which parts of a listing and of a history the model is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attributes: bool = True
    photos: int = Field(4, ge=0, le=32, description="photo tokens a listing, 0 = none")
    text: bool = True  # a sentence vector for each text attribute
    words: bool = True  # the set of known words of each text attribute
    meta: bool = True  # action and duration tokens in histories
    bins: int = Field(24, ge=2, le=256, description="quantile bins of a number")


@dataclass(frozen=True, eq=False)
class Features:
    """What the model reads of one market's listings."""

    tokens: Tokens
    photo: np.ndarray  # (P, width) float32, reduced
    text: np.ndarray  # (T, width) float32, reduced


@dataclass(frozen=True, eq=False)
class Featurizer:
    """Everything that was fitted on the training period; turns any market of the same columns into `Features`."""

    config: FeatureConfig
    width: int
    vocabulary: Vocabulary
    photo: Reducer | None
    photo_encoder: str
    text: Reducer | None

    @classmethod
    def fit(
        cls,
        market: Market,
        config: FeatureConfig,
        width: int,
        rows: np.ndarray,
        durations: np.ndarray,
        photos: PhotoVectors | None,
        progress: Callable[[int, int, float], None] | None = None,
    ) -> Featurizer:
        """Fit on the listings `rows` (n,) and the training events' `durations` (seconds)."""
        attributes = market.attributes if config.attributes else []
        vocabulary = fit_vocabulary(
            market.listings,
            attributes,
            rows,
            market.actions if config.meta else [],
            durations if config.meta else durations[:0],
            config.bins,
        )
        chosen = np.zeros(len(market.listings), bool)
        chosen[rows] = True
        photo = None
        if photos is not None and config.photos and photos.ok.any():
            owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)
            known = photos.vectors[photos.ok & chosen[owner]]
            known = known if len(known) > 1 else photos.vectors[photos.ok]
            # Not whitened: that would blow up what tells one photo from all others (room types by nearest neighbour: .978 to .940).
            photo = Reducer.fit(np.asarray(known, np.float32), width)
        text = None
        names = [entry.name for entry in vocabulary.attributes if entry.kind == "text"]
        if config.text and names:
            texts = sorted({t for name in names for t in market.listings[name].iloc[rows].dropna()})
            if len(texts) > 1:
                text = Reducer.fit(embed_texts(texts, _cache(market), progress).vectors, width, whiten=True)
        return cls(
            config, width, vocabulary, photo, photos.encoder if photo is not None and photos else "", text
        )

    def transform(
        self,
        market: Market,
        photos: PhotoVectors | None,
        progress: Callable[[int, int, float], None] | None = None,
    ) -> Features:
        """Tokens and vectors of all listings of `market`.

        Raises:
            VibesError: the photo vectors are of another encoder than those the model was trained with.
        """
        photo_rows, photo = self._photos(market, photos)
        text_rows, text = self._texts(market, progress)
        tokens = tokenise(self.vocabulary, market.listings, photo_rows, text_rows, self.config.words)
        return Features(tokens, photo, text)

    def _photos(self, market: Market, photos: PhotoVectors | None) -> tuple[list[np.ndarray], np.ndarray]:
        empty = np.zeros((0, self.width), np.float32)
        if self.photo is None or photos is None or not len(market.photos):
            return [], empty
        if photos.encoder != self.photo_encoder:
            raise VibesError(
                f"The photos of {market.path} are embedded by '{photos.encoder}', the model was trained on "
                f"'{self.photo_encoder}'; run `vibes photos {market.path} --encoder {self.photo_encoder}`."
            )
        usable = np.flatnonzero(photos.ok)
        owner = market.photos[C.LISTING].map(market.listing_row).to_numpy(int)[usable]
        fresh = np.ones(len(owner), bool)
        fresh[1:] = owner[1:] != owner[:-1]
        first = np.maximum.accumulate(np.where(fresh, np.arange(len(owner)), 0))
        place = (
            np.arange(len(owner)) - first
        )  # position among the listing's usable photos; the table is sorted
        taken = np.flatnonzero(place < self.config.photos)
        rows = [np.full(len(market.listings), -1, np.int32) for _ in range(self.config.photos)]
        for number, index in enumerate(taken):
            rows[place[index]][owner[index]] = number
        return rows, self.photo.transform(np.asarray(photos.vectors[usable[taken]], np.float32))

    def _texts(
        self, market: Market, progress: Callable[[int, int, float], None] | None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        names = [e.name for e in self.vocabulary.attributes if e.kind == "text" and e.name in market.listings]
        if self.text is None or not names:
            return {}, np.zeros((0, self.width), np.float32)
        texts = sorted({t for name in names for t in market.listings[name].dropna()})
        number = {text: place for place, text in enumerate(texts)}
        rows = {name: market.listings[name].map(number).fillna(-1).to_numpy(np.int32) for name in names}
        return rows, self.text.transform(embed_texts(texts, _cache(market), progress).vectors)

    def save(self, run: Path) -> None:
        """Write `vocabulary.json` and `features.safetensors` into a run folder."""
        from safetensors.numpy import save_file

        arrays: dict[str, np.ndarray] = {}
        for name, reducer in (("photo", self.photo), ("text", self.text)):
            if reducer is not None:
                arrays |= {f"{name}.{key}": np.ascontiguousarray(v) for key, v in reducer.to_arrays().items()}
        head = {
            "config": self.config.model_dump(),
            "width": self.width,
            "photo_encoder": self.photo_encoder,
            "vocabulary": self.vocabulary.model_dump(),
        }
        with atomic_path(run / "features.safetensors") as temporary:
            save_file(arrays, temporary)
        with atomic_path(run / "vocabulary.json") as temporary:
            temporary.write_text(json.dumps(head, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, run: Path) -> Featurizer:
        """Read what `save` wrote.

        Raises:
            VibesError: the files are missing or were written by another version.
        """
        from safetensors.numpy import load_file

        try:
            head = json.loads((run / "vocabulary.json").read_text(encoding="utf-8"))
            arrays = load_file(run / "features.safetensors")
            parts: dict[str, Reducer | None] = {}
            for name in ("photo", "text"):
                own = {key.partition(".")[2]: v for key, v in arrays.items() if key.startswith(name + ".")}
                parts[name] = Reducer.from_arrays(own) if own else None
            return cls(
                config=FeatureConfig.model_validate(head["config"]),
                width=int(head["width"]),
                vocabulary=Vocabulary.model_validate(head["vocabulary"]),
                photo=parts["photo"],
                photo_encoder=str(head["photo_encoder"]),
                text=parts["text"],
            )
        except FileNotFoundError as error:
            raise VibesError(
                f"{run} lacks {Path(error.filename).name}; train or embed the run again."
            ) from error
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise VibesError(
                f"{run}/vocabulary.json was written by another version; train the run again."
            ) from error


def _cache(market: Market) -> Path:
    return market.path / ".cache" / "text"
