"""A trained model over one market, which encodes listings and histories as vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.errors import VibesError, needs
from listing_vibes.features.featurizer import Features, Featurizer
from listing_vibes.features.market_summary import shared_attributes
from listing_vibes.features.photos.photo_vectors import PhotoVectors, load_photo_vectors
from listing_vibes.features.tokens.tabular import ListingTokens
from listing_vibes.market.fingerprint import file_sha256
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved
from listing_vibes.model.user_encoders import USER_ENCODERS
from listing_vibes.progress import Report, silent
from listing_vibes.run.manifest import (
    DERIVED,
    METADATA,
    check_loaded,
    damaged,
    is_sound,
    map_arrays,
    read_header,
    read_note,
    save_arrays,
)

if TYPE_CHECKING:
    import torch

    from listing_vibes.model.inputs import Inputs
    from listing_vibes.model.model import ListingModel

#: The permitted types of weights.
FLOATS = ("F16", "BF16", "F32", "F64")


@dataclass(frozen=True, eq=False)
class Engine:
    """The model, the featurizer and the features of a market; needs torch."""

    model: ListingModel
    featurizer: Featurizer
    features: Features
    settings: Resolved

    @classmethod
    def load(
        cls,
        run: Path,
        market: Market,
        settings: Resolved,
        photos: PhotoVectors | None = None,
        adapt: bool = False,
    ) -> Engine:
        """Return the model of the run folder `run` over `market`.

        Args:
            adapt: adapt the featurizer of a model of several markets to this market, see `Featurizer.adapt_to`.

        Raises:
            VibesError: the run has no model, torch is not installed, the photos have no vectors yet, or an attribute has another
                type than in training.
        """
        if not (run / "model.safetensors").is_file():
            raise VibesError(f"{run} has no trained model; train one with `vibes train {market.path} RUN`.")
        with needs("This"):
            from listing_vibes.device import device
            from listing_vibes.model.checkpoint import build_model, load_weights
        check_loaded(run, "model.safetensors", "vocabulary.json", "features.safetensors")
        featurizer = Featurizer.load(run)
        if adapt:
            featurizer = featurizer.adapt_to(market)
        features = None
        if photos is None and is_sound(run, DERIVED) and not (adapt and featurizer.within):
            features = load_prepared(run, market.fingerprint)
        if features is None or features.tokens.listings != len(market.listings):
            if photos is None and featurizer.photo is not None:
                photos = load_photo_vectors(market.path, market.photos, featurizer.photo_encoder)
                if photos is None and len(market.photos):
                    raise VibesError(
                        f"The photos of {market.path}, which the model of {run} reads, have no vectors yet; run "
                        f"`vibes embed {market.path} NEW_RUN --encoder {featurizer.photo_encoder}`."
                    )
            shared_attributes(market, featurizer, run)  # Otherwise a set could be parsed as a text.
            features = featurizer.transform(market, photos)
        check_model(run / "model.safetensors", featurizer, settings)
        model = build_model(featurizer.vocabulary, settings)
        load_weights(run / "model.safetensors", model)
        if not all(bool(part.isfinite().all()) for part in model.parameters()):
            raise damaged(run / "model.safetensors", "it contains NaN or infinity")
        model.to(device()).eval()
        return cls(model, featurizer, features, settings)

    @property
    def precision(self) -> str:
        """Return the precision in which vectors are computed, as `listing_vibes.model.encoder.precision_name` names it."""
        from listing_vibes.model.encoder import precision_name

        return precision_name(self._dtype, self.model)

    def in_float32(self) -> Engine:
        """Return the same engine in float32, for differences that are too small for 16 bits."""
        return replace(self, settings=self.settings.model_copy(update={"inference": "float32"}))

    @property
    def _dtype(self) -> torch.dtype:
        """Return the type of matrix products."""
        from listing_vibes.model.encoder import inference_dtype

        return inference_dtype(self.settings.inference, self.model)

    def inputs(self, log: EventLog) -> Inputs:
        """Return the inputs for histories of `log`."""
        return make_inputs(self.featurizer, self.features, log, self.settings)

    def encode_listings(self, report: Report = silent, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the L2-normalized vectors (L, d) of all listings of the market, or of `rows` (n,) only."""
        from listing_vibes.model.encoder import encode_listings

        rows = np.arange(self.features.tokens.listings) if rows is None else rows
        inputs = make_inputs(self.featurizer, self.features, None, self.settings)
        return encode_listings(self.model, inputs, rows, report=report, dtype=self._dtype)

    def encode_histories(
        self, log: EventLog, start: np.ndarray, end: np.ndarray, listings: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the L2-normalized vectors (Q, d) of the histories `start[q] : end[q]` of `log`.

        Unwanted events are ignored; a history without other events is 0.

        Args:
            listings: embeddings (L, d) float32 of all listings; None encodes those of the histories again.
        """
        from listing_vibes.model.encoder import encode_histories

        log, start, end = self._truncate(*log.select_positive(start, end))
        inputs = self.inputs(log)
        return encode_histories(self.model, inputs, start, end, listings=listings, dtype=self._dtype)

    def _truncate(
        self, log: EventLog, start: np.ndarray, end: np.ndarray
    ) -> tuple[EventLog, np.ndarray, np.ndarray]:
        """Return a log with only the events of these histories that the model reads, and their bounds.

        Preparing all events of a large log would take most of the time of a single request.
        """
        first = np.maximum(start, end - self.settings.training.max_listings)
        count = end - first
        if 2 * int(count.sum()) > len(log):
            return log, start, end
        part = log.histories(ranges(first, count), count)
        return part, part.start[:-1], part.start[1:]


def make_inputs(
    featurizer: Featurizer, features: Features, log: EventLog | None, settings: Resolved
) -> Inputs:
    """Return the inputs for the listings of `features` and the histories of `log` (None: no histories)."""
    from listing_vibes.model.inputs import Inputs

    limit = USER_ENCODERS[settings.history]().history_tokens(settings)
    listing, meta = (np.zeros(0, np.int32), None) if log is None else (log.listing, featurizer.meta(log))
    return Inputs(features, listing, meta, settings.training.max_listings, limit)


def check_model(weights: Path, featurizer: Featurizer, settings: Resolved) -> None:
    """Compare the header of the weights with the vocabulary and the settings, without reading the weights.

    Raises:
        VibesError: the weights are not floating point, or the vocabulary or the settings are of another model.
    """
    try:
        tensors = [item for name, item in read_header(weights)[0].items() if name != METADATA]
    except Exception as error:  # Almost any, see `read_header`.
        raise damaged(weights, error) from error
    if others := {tensor["dtype"] for tensor in tensors} - set(FLOATS):
        raise damaged(weights, f"it has {', '.join(sorted(others))}, not floating point")
    sizes = [math.prod(tensor["shape"]) for tensor in tensors]
    encoder, vocabulary = settings.encoder_config(), featurizer.vocabulary
    claimed = [vocabulary.total, *(entry.size for entry in vocabulary.attributes)]
    claimed += [value for value in vars(encoder).values() if type(value) is int]
    fits = max(claimed) <= max(sum(sizes), 1) and vocabulary.total >= 1 and encoder.layers <= len(tensors)
    if not fits or featurizer.width != encoder.width:
        raise VibesError(
            f"{weights} does not match run.toml and vocabulary.json of its folder, which describe another model; copy the run again "
            "from an intact one, or train it again."
        )


def save_prepared(run: Path, features: Features, fingerprint: str) -> None:
    """Write the `features` of the market with this fingerprint into the run folder with their embeddings."""
    arrays = {f"tokens.{name}": array for name, array in vars(features.tokens).items()}
    arrays |= {"photo": features.photo, "text": features.text}
    save_arrays(run / DERIVED, arrays, f"{fingerprint} {weights_digest(run)}")


def weights_digest(run: Path) -> str:
    """Return the sha256 of the weights in a run folder; "" without weights."""
    path = run / "model.safetensors"
    return file_sha256(path) if path.is_file() else ""


def embedded_with(run: Path) -> str:
    """Return the `weights_digest` of the weights that computed the embeddings in a run folder; "" if unknown."""
    return read_note(run / DERIVED).partition(" ")[2]


def load_prepared(run: Path, fingerprint: str) -> Features | None:
    """Return the features in a run folder; None if there are none, or they are of another state of the market.

    They are memory-mapped, so that the processes of a machine share them and unused photo vectors are not read.
    """
    if read_note(run / DERIVED).partition(" ")[0] != fingerprint:
        return None
    try:
        arrays = map_arrays(run / DERIVED)
        tokens = ListingTokens(
            **{field.name: arrays[f"tokens.{field.name}"] for field in fields(ListingTokens)}
        )
        return Features(tokens, arrays["photo"], arrays["text"])
    except Exception:  # The file is damaged or of another version, so features are computed again.
        return None
