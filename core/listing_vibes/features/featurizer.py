"""The featurizer: converts a market to the model's input of tokens, reduced photo vectors and reduced text vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.features.content_tokens import (
    TextVectors,
    VectorView,
    distinct_texts,
    fit_photos,
    fit_precomputed,
    gather_views,
    photo_view,
    precomputed_views,
)
from listing_vibes.features.feature_config import FeatureConfig
from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.features.reduce import Reducer
from listing_vibes.features.sequences import Meta
from listing_vibes.features.several_markets import (
    MarketRanks,
    common_attributes,
    comparable_attributes,
    rank_attribute,
    sharing_sentence,
)
from listing_vibes.features.tokens.tabular import ListingTokens, Tokenizer, tokenizer_of
from listing_vibes.features.tokens.vocabulary import Vocabulary, extend_vocabulary
from listing_vibes.features.vector_cache import MEMORY
from listing_vibes.market.attribute_types import Attribute, type_of
from listing_vibes.market.caches import writable_cache
from listing_vibes.market.documents import write_json
from listing_vibes.market.durable import atomic_path
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.progress import Notice, Report, silent

DIGEST_SIZE = 16  # bytes; the probability of a collision among 10^9 listings is 10^-21


@dataclass(frozen=True, eq=False)
class Features:
    """The tokens of listings, with the vectors of their photos and texts."""

    tokens: ListingTokens
    photo: np.ndarray  # (P, width) float32, reduced
    text: np.ndarray  # (T, width) float32, reduced

    def join(self, other: Features) -> Features:
        """Return the features of the listings of both, without computing them again."""
        first, second = self.tokens, other.tokens
        columns = {
            name: np.concatenate([getattr(first, name), getattr(second, name)])
            for name in ("key", "value", "bin", "fraction", "set_member")
        }
        for name, vectors in (("photo", self.photo), ("text", self.text)):
            rows = getattr(second, name)
            shifted = np.where(rows >= 0, rows + len(vectors), -1).astype(rows.dtype)
            columns[name] = np.concatenate([getattr(first, name), shifted])
        for name in ("offset", "set_offset"):
            before, after = getattr(first, name), getattr(second, name)
            columns[name] = np.concatenate([before, before[-1] + after[1:]])
        photo, text = np.concatenate([self.photo, other.photo]), np.concatenate([self.text, other.text])
        return Features(ListingTokens(**columns), photo, text)

    def digests(self) -> np.ndarray:
        """Return (L,) of dtype S16: equal digests of listings mean equal vectors, so that no content is encoded twice."""
        tokens = self.tokens
        sizes = np.diff(tokens.set_offset)  # (T,)
        columns = [*map(np.ascontiguousarray, (tokens.key, tokens.value, tokens.bin, tokens.fraction)), sizes]
        result = np.empty(tokens.listings, f"S{DIGEST_SIZE}")
        for row, (start, end) in enumerate(zip(tokens.offset[:-1], tokens.offset[1:], strict=True)):
            digest = blake2b(digest_size=DIGEST_SIZE)
            for column in columns:
                digest.update(column[start:end].tobytes())
            digest.update(tokens.set_member[tokens.set_offset[start] : tokens.set_offset[end]].tobytes())
            for rows, vectors in ((tokens.photo, self.photo), (tokens.text, self.text)):
                content_rows = rows[start:end]
                digest.update((content_rows >= 0).tobytes())
                digest.update(vectors[content_rows[content_rows >= 0]].tobytes())
            result[row] = digest.digest()
        return result


@dataclass(frozen=True, eq=False)
class Featurizer:
    """Everything that was fitted on the training period; converts markets to `Features`."""

    config: FeatureConfig
    width: int
    vocabulary: Vocabulary
    photo: Reducer | None  # None = no photos
    photo_encoder: str  # "" = no photos
    text: TextVectors | None
    within: MarketRanks | None = None  # for a model of several markets
    vectors: dict[str, Reducer] = field(default_factory=dict)  # by the name of precomputed vectors

    @property
    def tokenizer(self) -> Tokenizer:
        """Return the tokenizer that the configuration names."""
        return tokenizer_of(self.config.tokenisation)

    @property
    def longest_listing(self) -> int:
        """The most tokens of a listing of these columns, `[CLS]` included: of attributes, of vectors of texts, and of photos."""
        config, texts = self.config, sum(entry.kind == "text" for entry in self.vocabulary.attributes)
        attributes = self.tokenizer.most_tokens(self.vocabulary, config.words)
        vectors = config.photos * (self.photo is not None) + len(self.vectors)
        return 1 + attributes + texts * (self.text is not None) + vectors

    @classmethod
    def fit(
        cls,
        markets: Market | Sequence[Market],
        config: FeatureConfig,
        width: int,
        rows: np.ndarray | Sequence[np.ndarray],
        durations: np.ndarray,
        photos: PhotoVectors | Sequence[PhotoVectors | None] | None,
        report: Report = silent,
    ) -> Featurizer:
        """Fit on the listings `rows` (n,) of a market, or of each of several, and on the training events' `durations` (seconds).

        For several markets, a number is read as its rank within the market, and as its amount where all markets with it use the
        same unit; a value (a category, a member of a set, a word) is known where two markets have it.

        Raises:
            VibesError: a market shares no attribute with another, an attribute has two types, units contradict
                each other, or photos have different encoders.
        """
        markets = [markets] if isinstance(markets, Market) else markets
        rows = [rows] if isinstance(rows, np.ndarray) else rows
        photos = list(photos) if isinstance(photos, Sequence) else [photos]
        within, attributes, frames = None, markets[0].attributes, [markets[0].listings]
        if len(markets) > 1:
            shared = common_attributes(markets)
            report(Notice(sharing_sentence(shared, markets)))
            within = MarketRanks.unfitted(shared)
            attributes = comparable_attributes(shared, markets)
            frames = [_rank(market, shared, within) for market in markets]
        parts = [frame.iloc[fitted_rows] for frame, fitted_rows in zip(frames, rows, strict=True)]
        actions = list(dict.fromkeys(action for market in markets for action in market.actions))
        listings = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
        vocabulary = _fit_vocabulary(listings, attributes, actions, config, durations)
        encoder, reducer = fit_photos(markets, config, width, rows, photos)
        caches, names = [text_cache(market) for market in markets], vocabulary.sentences
        text = TextVectors.fit(parts, caches, names, config, width, report)
        precomputed = fit_precomputed(markets[0], config, width, rows[0]) if len(markets) == 1 else {}
        if len(markets) > 1:
            vocabulary = tokenizer_of(config.tokenisation).common(vocabulary, parts)
        return cls._of(config, width, vocabulary, reducer, encoder, text, within, precomputed)

    def extend(
        self,
        market: Market,
        rows: np.ndarray,
        durations: np.ndarray,
        photos: PhotoVectors | None,
        report: Report = silent,
    ) -> Featurizer:
        """Fit what is new in `market`; the existing vocabulary and reducers stay unchanged."""
        config, width, here = self.config, self.width, self.adapt_to(market)
        market = here.view(market)
        listings = market.listings.iloc[rows]
        fresh = _fit_vocabulary(listings, market.attributes, market.actions, config, durations)
        vocabulary = extend_vocabulary(self.vocabulary, fresh, listings)
        encoder, reducer = self.photo_encoder, self.photo
        if reducer is None and not self.vectors:  # The views of precomputed vectors stay after the photos.
            encoder, reducer = fit_photos([market], config, width, [rows], [photos])
        caches, names = [text_cache(market)], vocabulary.sentences
        text = self.text or TextVectors.fit([listings], caches, names, config, width, report)
        precomputed = self.vectors or fit_precomputed(market, config, width, rows)
        return self._of(config, width, vocabulary, reducer, encoder, text, here.within, precomputed)

    @classmethod
    def _of(cls, config: FeatureConfig, width: int, vocabulary: Vocabulary, *fitted: Any) -> Featurizer:
        """Return the featurizer of these parts, the vocabulary with the number of views."""
        result = cls(config, width, vocabulary, *fitted)
        views = (result.photo is not None) + len(result.vectors)
        return replace(result, vocabulary=vocabulary.model_copy(update={"photo_views": max(views, 1)}))

    def transform(self, market: Market, photos: PhotoVectors | None, report: Report = silent) -> Features:
        """Return the tokens and vectors of all listings of `market`.

        Raises:
            VibesError: the photo vectors are from another encoder than in training.
        """
        here = self if self.within is None or self.within.fitted else self.adapt_to(market)
        listings = here.view(market).listings
        text_rows, text = here._texts(listings, text_cache(market), report)
        photo_rows, photo = gather_views(self._views(market, photos), self.width)
        words = self.config.words
        tokens = self.tokenizer.tokenize(self.vocabulary, listings, photo_rows, text_rows, words)
        return Features(tokens, photo, text)

    def adapt_to(self, market: Market) -> Featurizer:
        """Return the featurizer with the ranks of `market`, for a model of several markets; else the featurizer itself."""
        if self.within is None:
            return self
        within = self.within.of(market.shared().listings)
        here = replace(self, within=within)
        rows, vectors = here._texts(here.view(market).listings, text_cache(market), silent)
        used = np.unique([row for of in rows.values() for row in of[of >= 0]])
        text = [vectors[used].mean(axis=0).astype(float).tolist()] if len(used) else []
        return replace(here, within=within.model_copy(update={"text": text}))

    def view(self, market: Market) -> Market:
        """Return `market` with the attribute names of the vocabulary, and with ranks of its numbers for a model of several markets."""
        if self.within is None:
            existing = {entry.name for entry in self.vocabulary.attributes}
            names = {item.name: market.config.shared_name(item.name) for item in market.attributes}
            renamed = {
                name: shared for name, shared in names.items() if name not in existing and shared in existing
            }
            return market.renamed(renamed) if renamed else market
        shared = market.shared()
        within = self.within if self.within.fitted else self.within.of(shared.listings)
        ranks = [rank_attribute(item) for item in shared.attributes if item.name in within.numbers]
        listings = within.add_ranks(shared.listings)
        return replace(shared, listings=listings, attributes=[*shared.attributes, *ranks])

    def meta(self, log: EventLog) -> Meta | None:
        """Return the event features of `log`; None where the model does not read them."""
        if not self.config.meta:
            return None
        return Meta.of(self.vocabulary, log.actions, log.action, log.duration)

    def _views(
        self, market: Market, photos: PhotoVectors | None
    ) -> list[tuple[VectorView | None, Reducer, int]]:
        """Return the views of photos and precomputed vectors, each with its reducer and its most tokens for a listing."""
        views: list[tuple[VectorView | None, Reducer, int]] = []
        if self.photo is not None:
            photos = photos if len(market.photos) else None
            if photos is not None and photos.encoder != self.photo_encoder:
                raise VibesError(
                    f"The photos of {market.path} are embedded by '{photos.encoder}', but the model was trained on "
                    f"'{self.photo_encoder}'; run `vibes embed {market.path} NEW_RUN --encoder {self.photo_encoder}`."
                )
            views.append((photo_view(market, self.config, photos), self.photo, self.config.photos))
        precomputed = precomputed_views(market, self.config, self.vectors)
        return [*views, *((precomputed.get(name), reducer, 1) for name, reducer in self.vectors.items())]

    def _texts(
        self, listings: pd.DataFrame, cache: Path, report: Report
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return for each text attribute the row (L,) of each listing's text, -1 for none, and the vectors of the distinct texts."""
        names = [name for name in self.vocabulary.sentences if name in listings]
        if self.text is None or not names:
            return {}, np.zeros((0, self.width), np.float32)
        texts = distinct_texts(listings, names)
        number = {text: place for place, text in enumerate(texts)}
        rows = {name: listings[name].map(number).fillna(-1).to_numpy(np.int32) for name in names}
        vectors = self.text.transform(texts, cache, report)
        if self.within is not None and self.within.text:
            vectors = vectors - np.asarray(self.within.text[0], np.float32)
        return rows, vectors

    def save(self, run: Path) -> None:
        """Write `vocabulary.json` and `features.safetensors` into a run folder."""
        from safetensors.numpy import save_file

        parts = {_part(number): reducer.to_arrays() for number, reducer in enumerate(self.vectors.values())}
        if self.photo is not None:
            parts["photo"] = self.photo.to_arrays()
        heads: list[dict[str, Any]] = []
        if self.text is not None:
            head, parts["text"] = self.text.state()
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
            "vectors": list(self.vectors),
            "within": None if self.within is None else self.within.model_dump(),
        }
        with atomic_path(run / "features.safetensors") as temporary:
            save_file(arrays, temporary)
        write_json(run / "vocabulary.json", full, ensure_ascii=False)

    @classmethod
    def load(cls, run: Path) -> Featurizer:
        """Load a featurizer from a run folder.

        Raises:
            VibesError: the files are missing, damaged or of another version.
        """
        from safetensors.numpy import load_file

        head_file, arrays_file = run / "vocabulary.json", run / "features.safetensors"
        try:
            head = json.loads(head_file.read_text(encoding="utf-8"))
            parts: dict[str, dict[str, np.ndarray]] = {}
            for name, array in load_file(arrays_file).items():
                part, _, key = name.partition(".")
                parts.setdefault(part, {})[key] = array
            within, texts = head.get("within"), head["texts"]
            return cls(
                config=FeatureConfig.model_validate(head["config"]),
                width=int(head["width"]),
                vocabulary=Vocabulary.model_validate(head["vocabulary"]),
                photo=Reducer.from_arrays(parts["photo"]) if "photo" in parts else None,
                photo_encoder=str(head["photo_encoder"]),
                text=TextVectors.restore(texts[0], parts["text"]) if texts else None,
                within=None if within is None else MarketRanks.model_validate(within),
                vectors={
                    name: Reducer.from_arrays(parts[_part(n)])
                    for n, name in enumerate(head.get("vectors", []))
                },
            )
        except (
            Exception
        ) as error:  # json, pydantic and safetensors raise many types of errors on damaged files
            raise VibesError(
                f"{head_file} and {arrays_file.name} are damaged or of another version ({' '.join(str(error).split())[:200]}); copy the "
                "run again from an intact one, or train it again."
            ) from error


def _rank(market: Market, shared: Sequence[Attribute], within: MarketRanks) -> pd.DataFrame:
    """Return the columns of a market in `shared`, by their shared names, with the ranks of its numbers."""
    listings = market.shared().listings
    columns = [column for item in shared for column in type_of(item.kind).columns(item.name)]
    frame = listings[[name for name in dict.fromkeys(columns) if name in listings]]
    return within.of(frame).add_ranks(frame)


def _fit_vocabulary(
    listings: pd.DataFrame,
    attributes: list[Attribute],
    actions: list[str],
    config: FeatureConfig,
    durations: np.ndarray,
) -> Vocabulary:
    meta = (actions, durations) if config.meta else ([], durations[:0])
    return tokenizer_of(config.tokenisation).fit(listings, attributes if config.attributes else [], *meta)


def _part(number: int) -> str:
    """Return the prefix of the array names of precomputed vectors: vectors, vectors1, vectors2, ..."""
    return f"vectors{number or ''}"


def text_cache(market: Market) -> Path:
    """Return the cache folder of a market's text vectors; of one in memory, that of this process."""
    return writable_cache(market.path) / "text" if market.is_stored else MEMORY
