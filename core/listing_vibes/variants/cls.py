"""Recformer's user encoder `cls` (Li et al. 2023): the `[CLS]` of one sequence with the tokens of all listings, newest first."""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.model.encoder_config import EncoderConfig
from listing_vibes.model.inputs import Inputs, Tables, TokenBatch
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import Settings
from listing_vibes.model.user_encoders import HistoryEncoding
from listing_vibes.training.batches import Batch, Draw, Epoch, group_rows
from listing_vibes.training.examples import Examples
from listing_vibes.variants.sliding_window import SlidingWindowEncoder

#: The maximum number of examples per user in an epoch.
EXAMPLES_PER_USER = 10
#: Up to so many tokens of histories a step stores all activations, about 40 KB per token in `mini`. Steps of a large market have four
#: times as many, and use gradient checkpointing (Chen et al. 2016, arXiv 1604.06174).
TOKENS_KEPT = 256 * 512


class Cls(HistoryEncoding):
    """One row of tokens for a history, whose length the positions of the listing encoder limit."""

    has_listing_vectors = False
    batches = "listing_vibes.variants.cls:HistoryBatches"

    def model(self, vocabulary: Vocabulary, config: EncoderConfig) -> ListingModel:
        return ClsModel(vocabulary, SlidingWindowEncoder(config), None)

    def row_tokens(self, listing: int, settings: Settings) -> int:
        return listing + 2 * settings.features.meta

    def positions(self, listing: int, settings: Settings) -> int:
        """Return those of `training.max_listings` such listings, but at most the preset's, beyond which the oldest are left out."""
        item, most = self.row_tokens(listing, settings), self.history_tokens(settings)
        return max(item, min(most, 1 + settings.training.max_listings * (item - 1)))  # with one `[CLS]`

    def history_tokens(self, settings: Settings) -> int:
        # The limit comes from the settings, not from the resolved number of positions, which may be larger.
        return settings.requested_encoder_config().max_tokens


class ClsModel(ListingModel):
    """A model without a user encoder of its own: a history is a row of tokens of the listing encoder."""

    history_rows = "tokens"
    history_batch = 4096

    def listings_read(self, events: np.ndarray) -> np.ndarray:
        return events[:0]

    def encode_examples(
        self,
        inputs: Inputs,
        first: np.ndarray,
        end: np.ndarray,
        place: np.ndarray,
        number: np.ndarray,
        vectors: Tensor,
        tables: Tables,
    ) -> Tensor:
        """Return the vectors (E, d) of the histories `first[e] : end[e]`, with gradient."""

        def encode(part: slice) -> Tensor:
            batch = TokenBatch(inputs.histories(first[part], end[part]), tables[0].device)
            return cast(Tensor, self(batch, *tables))

        each = max(1, TOKENS_KEPT // max(1, int(inputs.history_lengths(first, end).max())))
        if each >= len(first):
            return encode(slice(None))
        parts = [slice(low, low + each) for low in range(0, len(first), each)]
        return torch.cat([checkpoint(encode, part, use_reentrant=False) for part in parts])

    def history_batches(
        self,
        inputs: Inputs,
        start: np.ndarray,
        end: np.ndarray,
        listings: np.ndarray | None,
        encode: Callable[[np.ndarray], np.ndarray],
    ) -> tuple[Callable[[np.ndarray], Tensor], np.ndarray]:
        device = self.embedder.key.weight.device
        tables = inputs.tensors(device)

        def embed(chosen: np.ndarray) -> Tensor:
            return cast(
                Tensor, self(TokenBatch(inputs.histories(start[chosen], end[chosen]), device), *tables)
            )

        return embed, inputs.history_lengths(start, end)


class HistoryBatches:
    """The batches of an epoch with a row for each example: at most `EXAMPLES_PER_USER` of a user, sampled for each epoch."""

    def passes(self, examples: Examples, inputs: Inputs) -> float:
        """Return 1: an epoch is a pass."""
        return 1.0

    def epoch(
        self,
        examples: Examples,
        inputs: Inputs,
        batch: int,
        listings: int,
        rng: np.random.Generator,
        draw: Draw | None = None,
    ) -> Epoch:
        """Return an epoch of batches of at most `batch` histories."""
        lengths = inputs.history_lengths(examples.start, examples.end)
        order = np.lexsort((rng.random(len(examples)), examples.user))
        user = examples.user[order]
        among_own = np.arange(len(order)) - np.searchsorted(user, user, side="left")
        chosen = rng.permutation(order[among_own < EXAMPLES_PER_USER])
        if draw is not None:
            chosen = draw(chosen, examples.positive[chosen, 0], rng)
        chosen, bounds = group_rows(chosen, lengths, len(chosen) // (batch * 32), batch, None, 0, rng)
        first, end = examples.start[chosen], examples.end[chosen]

        def make(g: slice) -> Batch:
            each = g.stop - g.start
            return Batch(chosen[g], first[g], end[g], np.arange(each), np.ones(each, np.int64))

        return Epoch(first, end, bounds, make)
