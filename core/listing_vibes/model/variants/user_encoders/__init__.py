"""How a history becomes a vector: one class in one file for each user encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator

from listing_vibes.registry import Registry

if TYPE_CHECKING:  # a page says how a history is read, for which torch need not be loaded
    from listing_vibes.features.tokens.vocabulary import Vocabulary
    from listing_vibes.model.config import EncoderConfig
    from listing_vibes.model.model import ListingModel


class HistoryEncoding(ABC):
    """One way to encode a history: `listing_vectors.py` in this folder is `history = "listing-vectors"`."""

    #: Whether it reads a history as one row of tokens; else as one vector a listing.
    reads_tokens: ClassVar[bool]
    #: How it makes a user's vector, as the end of a sentence.
    sentence: ClassVar[str]

    @abstractmethod
    def model(self, vocabulary: Vocabulary, config: EncoderConfig) -> ListingModel:
        """Return an untrained model that encodes histories so."""


#: All of them by name.
USER_ENCODERS = Registry(__name__, HistoryEncoding, "user encoder")

#: The name of one, in pydantic models.
History = Annotated[str, AfterValidator(USER_ENCODERS.known)]
