"""The user encoders, which encode a history as a vector: one class per file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator

from listing_vibes.registry import Registry

if TYPE_CHECKING:  # Pages describe user encoders without loading torch.
    from listing_vibes.features.tokens.vocabulary import Vocabulary
    from listing_vibes.model.config import EncoderConfig
    from listing_vibes.model.model import ListingModel


class HistoryEncoding(ABC):
    """One way to encode a history: `listing_vectors.py` in this folder is `history = "listing-vectors"`."""

    #: Whether a history is one row of tokens, rather than one vector per listing.
    reads_tokens: ClassVar[bool]

    @abstractmethod
    def model(self, vocabulary: Vocabulary, config: EncoderConfig) -> ListingModel:
        """Return an untrained model with this user encoder."""


#: All user encoders by name.
USER_ENCODERS = Registry(__name__, HistoryEncoding, "user encoder")

#: The name of a user encoder, in pydantic models.
History = Annotated[str, AfterValidator(USER_ENCODERS.known)]
