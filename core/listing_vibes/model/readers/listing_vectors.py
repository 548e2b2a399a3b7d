"""A causal pass of the encoder's layers over listing vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from listing_vibes.model.readers import Reader

if TYPE_CHECKING:  # a page says how a history is read, for which torch need not be loaded
    import torch

    from listing_vibes.features.tokens.vocabulary import Vocabulary
    from listing_vibes.model.config import EncoderConfig
    from listing_vibes.model.user_pass import CausalPass, Newest


class ListingVectors(Reader):
    """Each listing alone, then `listing_vibes.model.user_pass.UserPass`."""

    sentence = "each listing alone through the Longformer, then a causal pass over the vectors"

    def user_pass(self, vocabulary: Vocabulary, config: EncoderConfig) -> CausalPass:
        from listing_vibes.model.user_pass import UserPass

        return UserPass(vocabulary, config)

    def fast(self, made: CausalPass, dtype: torch.dtype) -> Newest:
        from listing_vibes.model.fast.model import FastUserPass
        from listing_vibes.model.user_pass import UserPass

        assert isinstance(made, UserPass)
        return FastUserPass(made, dtype)
