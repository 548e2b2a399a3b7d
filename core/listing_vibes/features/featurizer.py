"""The featurizer: converts a market to the model's input of tokens, reduced photo vectors and reduced text vectors."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.config import FeatureConfig
from listing_vibes.features.market_ranks import MarketRanks, rank_name
from listing_vibes.features.photos.photo_tokens import fit_photos, gather_photos
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.features.precomputed_vectors import fit_vectors, with_vectors
from listing_vibes.features.reduce import Reducer
from listing_vibes.features.sequences import Meta
from listing_vibes.features.texts.views import TextVectorsView, readable
from listing_vibes.features.tokens.tabular import Tokens, tokenise
from listing_vibes.features.tokens.vocabulary import Vocabulary, extend_vocabulary, fit_vocabulary
from listing_vibes.features.tokens.wordpiece import LISTING_TOKENS, fit_pieces, tokenise_pieces
from listing_vibes.market.caches import writable_cache
from listing_vibes.market.documents import write_json
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.progress import Report

__all__ = ["FeatureConfig", "Features", "Featurizer", "distinct_texts", "text_cache"]


@dataclass(frozen=True, eq=False)
class Features:
    """The model's input for one market's listings."""

    tokens: Tokens
    photo: np.ndarray  # (P, width) float32, reduced
    text: np.ndarray  # (T, width) float32, reduced


@dataclass(frozen=True, eq=False)
class Featurizer:
    """Everything that was fitted on the training period; converts markets to `Features`."""

    config: FeatureConfig
    width: int
    vocabulary: Vocabulary
    photo_reducers: list[Reducer]  # one for each view: an encoder, or all encoders concatenated
    photo_encoder: str  # several: their names joined by "+"; "" = no photos
    texts: list[TextVectorsView]
    within: MarketRanks | None = None  # for a model of several markets
    vectors: dict[str, Reducer] = field(default_factory=dict)  # by the name of precomputed vectors

    @property
    def photo(self) -> Reducer | None:
        """The reducer of the first photo encoder; None where the model reads no photos."""
        return self.photo_reducers[0] if self.photo_reducers else None

    @property
    def longest_listing(self) -> int:
        """The most tokens of a listing, `[CLS]` included.

        No listing of these columns has more: an attribute has one token (a text one for each view
        and one for its words), word pieces are at most `LISTING_TOKENS`, and photos at most `photo_tokens` for each encoder.
        """
        config, texts = self.config, sum(entry.kind == "text" for entry in self.vocabulary.attributes)
        if config.tokenisation == "wordpiece":
            attributes = LISTING_TOKENS if self.vocabulary.attributes else 0
        else:
            attributes = len(self.vocabulary.attributes) - texts + texts * config.words
        return (
            1
            + attributes
            + texts * len(self.texts)
            + config.photo_tokens * len(self.photo_reducers)
            + len(self.vectors)
        )

    @classmethod
    def fit(
        cls,
        market: Market,
        config: FeatureConfig,
        width: int,
        rows: np.ndarray,
        durations: np.ndarray,
        photos: PhotoVectors | None,
        report: Report | None = None,
    ) -> Featurizer:
        """Fit on the listings `rows` (n,) and the training events' `durations` (seconds)."""
        vocabulary = _vocabulary(market, config, rows, durations)
        reducers = fit_photos(market, config, width, rows, photos)
        views = _text_views(market, config, width, rows, vocabulary, report)
        encoder = photos.encoder if photos is not None and reducers else ""
        precomputed = fit_vectors(market, config, width, rows)
        vocabulary = _sized(vocabulary, config, reducers, views, precomputed)
        return cls(config, width, vocabulary, reducers, encoder, views, None, precomputed)

    def extend(
        self,
        market: Market,
        rows: np.ndarray,
        durations: np.ndarray,
        photos: PhotoVectors | None,
        report: Report | None = None,
    ) -> Featurizer:
        """Fit what is new in `market`; the existing vocabulary and reducers stay unchanged."""
        config, width, here = self.config, self.width, self.adapt_to(market)
        market = here.view(market)
        fresh = _vocabulary(market, config, rows, durations)
        vocabulary = extend_vocabulary(self.vocabulary, fresh, market.listings.iloc[rows])
        # The views of precomputed vectors stay after those of the photos.
        reducers = self.photo_reducers
        if not reducers and not self.vectors:
            reducers = fit_photos(market, config, width, rows, photos)
        views = self.texts or _text_views(market, config, width, rows, vocabulary, report)
        encoder = self.photo_encoder or (photos.encoder if photos is not None and reducers else "")
        precomputed = self.vectors or fit_vectors(market, config, width, rows)
        vocabulary = _sized(vocabulary, config, reducers, views, precomputed)
        return Featurizer(config, width, vocabulary, reducers, encoder, views, here.within, precomputed)

    def transform(
        self, market: Market, photos: PhotoVectors | None, report: Report | None = None
    ) -> Features:
        """Return the tokens and vectors of all listings of `market`.

        Raises:
            VibesError: the photo vectors are from another encoder than in training.
        """
        here = self if self.within is None or self.within.fitted else self.adapt_to(market)
        config, vocabulary = self.config, self.vocabulary
        names = vocabulary.sentences
        listings = here.view(market).listings
        text_rows, text = here._texts(listings, names, text_cache(market), report)
        photo_rows, photo = self._photos(market, photos)
        if self.vectors:
            photo_rows = photo_rows or [[] for _ in self.photo_reducers]
            photo_rows, photo = with_vectors(market, self.vectors, photo_rows, photo)
        if config.tokenisation == "wordpiece":
            tokens = tokenise_pieces(vocabulary, listings, photo_rows, text_rows)
        else:
            tokens = tokenise(vocabulary, listings, photo_rows, text_rows, config.words)
        return Features(tokens, photo, text)

    def adapt_to(self, market: Market) -> Featurizer:
        """Return the featurizer with the ranks of `market`, for a model of several markets; else the featurizer itself."""
        if self.within is None:
            return self
        within = self.within.of(market.shared().listings)
        here = replace(self, within=within)
        rows, vectors = here._texts(
            here.view(market).listings, self.vocabulary.sentences, text_cache(market), None
        )
        means = [vectors[mine].mean(axis=0) for mine in (_used(view) for view in rows) if len(mine)]
        text = [mean.astype(float).tolist() for mean in means] if len(means) == len(self.texts) else []
        return replace(here, within=within.model_copy(update={"text": text}))

    def view(self, market: Market) -> Market:
        """Return `market` with the attribute names of the vocabulary, and with ranks of its numbers for a model of several markets."""
        existing = {entry.name for entry in self.vocabulary.attributes}
        if self.within is None:
            names = {
                attribute.name: market.config.shared_name(attribute.name) for attribute in market.attributes
            }
            names = {
                shared: name for shared, name in names.items() if shared not in existing and name in existing
            }
            return market.renamed(names) if names else market
        shared = market.shared()
        within = self.within if self.within.fitted else self.within.of(shared.listings)
        ranks = [
            replace(attribute, name=rank_name(attribute.name), label=rank_name(attribute.label), unit="")
            for attribute in shared.attributes
            if attribute.name in within.numbers
        ]
        return replace(
            shared, listings=within.add_ranks(shared.listings), attributes=[*shared.attributes, *ranks]
        )

    def meta(self, log: EventLog) -> Meta | None:
        """Return the event features of `log`; None where the model does not read them."""
        if not self.config.meta:
            return None
        return Meta.of(self.vocabulary, log.actions, log.action, log.duration)

    def _photos(
        self, market: Market, photos: PhotoVectors | None
    ) -> tuple[list[list[np.ndarray]], np.ndarray]:
        if not self.photo_reducers or photos is None or not len(market.photos):
            return [], np.zeros((0, self.width), np.float32)
        if photos.encoder != self.photo_encoder:
            raise VibesError(
                f"The photos of {market.path} are embedded by '{photos.encoder}', but the model was trained on "
                f"'{self.photo_encoder}'; run `vibes embed {market.path} NEW_RUN --encoder {self.photo_encoder}`."
            )
        rows, vectors = gather_photos(market, self.config, self.photo_reducers, photos)
        return rows, vectors if rows else np.zeros((0, self.width), np.float32)

    def _texts(
        self, listings: pd.DataFrame, names: list[str], cache: Path, report: Report | None
    ) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
        """Return for each view and text attribute the row (L,) of each listing's text, and the vectors of all views, concatenated."""
        names = [name for name in names if name in listings]
        if not self.texts or not names:
            return [], np.zeros((0, self.width), np.float32)
        texts = distinct_texts(listings, names)
        number = {text: place for place, text in enumerate(texts)}
        rows = {name: listings[name].map(number).fillna(-1).to_numpy(np.int32) for name in names}
        shifted = [
            {name: np.where(of >= 0, of + view * len(texts), -1) for name, of in rows.items()}
            for view in range(len(self.texts))
        ]
        vectors = [view.transform(texts, cache, report) for view in self.texts]
        if self.within is not None and self.within.text:
            vectors = [
                of - np.asarray(mean, np.float32) for of, mean in zip(vectors, self.within.text, strict=True)
            ]
        return shifted, np.concatenate(vectors)

    def save(self, run: Path) -> None:
        """Write `vocabulary.json` and `features.safetensors` into a run folder."""
        from safetensors.numpy import save_file

        parts = {_part("photo", n): reducer.to_arrays() for n, reducer in enumerate(self.photo_reducers)}
        parts |= {_part("vectors", n): reducer.to_arrays() for n, reducer in enumerate(self.vectors.values())}
        heads: list[dict[str, Any]] = []
        for number, view in enumerate(self.texts):
            head, parts[_part("text", number)] = view.state()
            heads.append(head)
        arrays = {
            f"{part}.{key}": np.ascontiguousarray(value)
            for part, of in parts.items()
            for key, value in of.items()
        }
        full = {
            "config": self.config.model_dump(),
            "width": self.width,
            "photo_encoder": self.photo_encoder,
            "vocabulary": self.vocabulary.model_dump(),
            "texts": heads,
        } | ({"vectors": list(self.vectors)} if self.vectors else {})
        if self.within is not None:
            full["within"] = self.within.model_dump()
        with atomic_path(run / "features.safetensors") as temporary:
            save_file(arrays, temporary)
        write_json(run / "vocabulary.json", full, ensure_ascii=False)

    @classmethod
    def load(cls, run: Path) -> Featurizer:
        """Load a featurizer from a run folder.

        Raises:
            VibesError: the files are missing or were written by another version.
        """
        try:
            head = json.loads((run / "vocabulary.json").read_text(encoding="utf-8"))
            parts: dict[str, dict[str, np.ndarray]] = {}
            for name, array in _arrays(run / "features.safetensors").items():
                part, _, key = name.partition(".")
                parts.setdefault(part, {})[key] = array
            photos = sum(part.startswith("photo") for part in parts)
            return cls(
                config=FeatureConfig.model_validate(head["config"]),
                width=int(head["width"]),
                vocabulary=Vocabulary.model_validate(head["vocabulary"]),
                photo_reducers=[Reducer.from_arrays(parts[_part("photo", n)]) for n in range(photos)],
                photo_encoder=str(head["photo_encoder"]),
                texts=[
                    TextVectorsView.restore(of, parts[_part("text", n)]) for n, of in enumerate(head["texts"])
                ],
                within=MarketRanks.model_validate(head["within"]) if "within" in head else None,
                vectors={
                    name: Reducer.from_arrays(parts[_part("vectors", n)])
                    for n, name in enumerate(head.get("vectors", []))
                },
            )
        except FileNotFoundError as error:
            raise VibesError(
                f"{run} lacks {Path(error.filename).name}; train or embed the run again."
            ) from error
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise VibesError(
                f"{run}/vocabulary.json was written by another version; train the run again."
            ) from error


def _vocabulary(market: Market, config: FeatureConfig, rows: np.ndarray, durations: np.ndarray) -> Vocabulary:
    attributes = market.attributes if config.attributes else []
    actions = market.actions if config.meta else []
    durations = durations if config.meta else durations[:0]
    if config.tokenisation == "wordpiece":
        return fit_pieces(market.listings, attributes, rows, actions, durations)
    return fit_vocabulary(market.listings, attributes, rows, actions, durations)


def _text_views(
    market: Market,
    config: FeatureConfig,
    width: int,
    rows: np.ndarray,
    vocabulary: Vocabulary,
    report: Report | None,
) -> list[TextVectorsView]:
    names = [name for name in vocabulary.sentences if name in market.listings]
    texts = distinct_texts(market.listings.iloc[rows], names) if config.text and names else []
    if len(texts) < 2:
        return []
    cache = text_cache(market)
    views = readable(config.text_views, texts)
    return [TextVectorsView.fit(view, texts, width, cache, report=report) for view in views]


def _sized(
    vocabulary: Vocabulary,
    config: FeatureConfig,
    reducers: list[Reducer],
    views: list[TextVectorsView],
    precomputed: dict[str, Reducer],
) -> Vocabulary:
    sizes = {"photo_views": max(len(reducers) + len(precomputed), 1), "text_views": max(len(views), 1)}
    return vocabulary.model_copy(update=sizes)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a featurizer's file.

    Raises:
        FileNotFoundError: the file does not exist.
        VibesError: it is damaged.
    """
    from safetensors.numpy import load_file

    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path))
    try:
        result: dict[str, np.ndarray] = load_file(path)
        strange = [
            n for n, array in result.items() if array.dtype.kind != "f" or not np.isfinite(array).all()
        ]
        if strange:
            raise ValueError(f"{strange[0]} is not an array of finite numbers")
        return result
    except Exception as error:  # the errors of safetensors are not ValueErrors
        raise VibesError(
            f"{path} is damaged ({' '.join(str(error).split())[:200]}); copy the run again from an undamaged source, or train "
            "it again."
        ) from error


def _part(name: str, number: int) -> str:
    """Return the prefix of a view's array names: photo, photo1, photo2, ..."""
    return f"{name}{number or ''}"


def _used(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Return the rows of vectors that a view's attributes use."""
    result = np.concatenate([np.zeros(0, np.int32), *rows.values()])
    return np.unique(result[result >= 0])


def distinct_texts(listings: pd.DataFrame, names: list[str]) -> list[str]:
    """Return the distinct texts of the columns `names`, in order."""
    return sorted({text for name in names for text in listings[name].dropna()})


def text_cache(market: Market) -> Path:
    """Return the cache folder of a market's text vectors."""
    return writable_cache(market.path) / "text"
