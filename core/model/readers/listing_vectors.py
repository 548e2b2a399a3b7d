"""A causal pass of the encoder's layers over listing vectors."""

import torch

from core.features.tokens.vocabulary import Vocabulary
from core.model.config import EncoderConfig
from core.model.readers import Reader
from core.model.user_pass import CausalPass, Newest, UserPass


class ListingVectors(Reader):
    """Each listing alone, then `core.model.user_pass.UserPass`."""

    sentence = "each listing alone through the Longformer, then a causal pass over the vectors"

    def user_pass(self, vocabulary: Vocabulary, config: EncoderConfig) -> CausalPass:
        return UserPass(vocabulary, config)

    def fast(self, made: CausalPass, dtype: torch.dtype) -> Newest:
        from core.model.fast.model import FastUserPass

        assert isinstance(made, UserPass)
        return FastUserPass(made, dtype)
