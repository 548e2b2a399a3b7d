"""How a history becomes a vector: one class in one file a reader."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator

from listing_vibes.registry import Registry

if TYPE_CHECKING:
    import torch

    from listing_vibes.features.tokens.vocabulary import Vocabulary
    from listing_vibes.model.config import EncoderConfig
    from listing_vibes.model.user_pass import CausalPass, Newest

#: sequence: one row of tokens, newest listing first, its `[CLS]` is the embedding (Recformer, Li et al. 2023).
#: vectors: each listing alone through the Longformer, then a causal pass over one vector a listing.
Reads = Literal["sequence", "vectors"]


class Reader(ABC):
    """One way to read a history: `listing_vectors.py` in this folder is `history = "listing-vectors"`."""

    #: What the reader feeds on.
    reads: ClassVar[Reads] = "vectors"
    #: How it makes a user's vector, as the end of a sentence.
    sentence: ClassVar[str]

    def user_pass(self, vocabulary: Vocabulary, config: EncoderConfig) -> CausalPass | None:
        """The pass over listing vectors, untrained; None of a reader of tokens."""
        return None

    def fast(self, made: CausalPass, dtype: torch.dtype) -> Newest:
        """The pass `made` for inference in `dtype`: what is asked for is `newest` alone."""
        return made


#: All readers by name.
READERS = Registry(__name__, Reader, "reader of histories")

#: The name of a reader, in pydantic models.
History = Annotated[str, AfterValidator(READERS.known)]
