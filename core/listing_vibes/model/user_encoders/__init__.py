"""The user encoders, which encode a history as a vector: one class per file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator

from listing_vibes.registry import Registry

if TYPE_CHECKING:  # Pages describe user encoders without loading torch.
    from listing_vibes.features.tokens.vocabulary import Vocabulary
    from listing_vibes.model.encoder_config import EncoderConfig
    from listing_vibes.model.model import ListingModel
    from listing_vibes.model.settings import Settings


class HistoryEncoding(ABC):
    """One way to encode a history: `listing_vectors.py` in this folder is `history = "listing-vectors"`.

    The defaults are those of a pass over the vectors of listings.
    """

    #: Whether each listing of a history has a vector, to which late interaction can compare.
    has_listing_vectors: ClassVar[bool] = True
    #: The class that makes the batches of an epoch, as "module:Class".
    batches: ClassVar[str] = "listing_vibes.training.batches:WindowBatches"

    @abstractmethod
    def model(self, vocabulary: Vocabulary, config: EncoderConfig) -> ListingModel:
        """Return an untrained model with this user encoder."""

    def row_tokens(self, listing: int, settings: Settings) -> int:
        """Return the tokens of the row in which a `listing` of so many tokens is encoded."""
        return listing

    def positions(self, listing: int, settings: Settings) -> int:
        """Return the token positions that a market needs whose longest listing has `listing` tokens."""
        return listing

    def history_tokens(self, settings: Settings) -> int:
        """Return the most tokens of a history that is one row; a history of vectors has no such limit."""
        return 2**31 - 1


#: All user encoders by name.
USER_ENCODERS = Registry(
    __name__, HistoryEncoding, "user encoder", elsewhere={"cls": "listing_vibes.variants.cls:Cls"}
)

#: The name of a user encoder, in pydantic models.
History = Annotated[str, AfterValidator(USER_ENCODERS.known)]
