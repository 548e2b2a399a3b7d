"""Training in two stages (Recformer, Li et al. 2023, algorithm 1): in the second one the embeddings of listings stay as they are.

In the first half of the steps the bank is encoded each epoch. The second half starts from the best weights of the first, and trains
only the encoding of histories.
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor

from listing_vibes.device import mixed_precision
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.model.checkpoint import Recipe
from listing_vibes.model.inputs import TokenBatch
from listing_vibes.model.model import ListingEncoder, ListingModel, UserEncoder
from listing_vibes.training.batches import Batch
from listing_vibes.training.distributed import launched
from listing_vibes.training.examples import bank_candidates
from listing_vibes.training.optimize import Optimization
from listing_vibes.training.step import contrast, encode_users


class TwoStageModel(ListingModel):
    """A model with a copy of its embedder and listing encoder that encodes bare listings once it is `frozen`."""

    def __init__(
        self, vocabulary: Vocabulary, encoder: ListingEncoder, user_pass: UserEncoder | None
    ) -> None:
        super().__init__(vocabulary, encoder, user_pass)
        self.frozen = True  # in the second stage, and in use
        self.listing_side = ListingModel(vocabulary, type(encoder)(encoder.config), None)
        self.listing_side.requires_grad_(False)
        self.copy_listing_side()

    def copy_listing_side(self) -> None:
        """Make the copy what the model is now."""
        weights = {n: t for n, t in self.state_dict().items() if n.startswith(("embedder.", "longformer."))}
        self.listing_side.load_state_dict(weights)

    @property
    def listing_part(self) -> ListingModel:
        return self.listing_side if self.frozen else self

    def listings(self, batch: TokenBatch, photos: Tensor, texts: Tensor) -> Tensor:
        """Return (B, d) embeddings of bare listings."""
        encode = self.listing_side if self.frozen else self
        return cast(Tensor, encode(batch, photos, texts))


class TwoStage(Recipe):
    """The recipe `two-stage`, with any user encoder."""

    optimization = "listing_vibes.variants.two_stage:TwoStageOptimization"

    def model(self, vocabulary: Vocabulary, model: ListingModel) -> ListingModel:
        kind = type(f"TwoStage{type(model).__name__}", (TwoStageModel, type(model)), {})
        return cast(ListingModel, kind(vocabulary, model.longformer, model.user_pass))


class TwoStageOptimization(Optimization):
    """The loop of steps in two stages, whose number is `state.stage`."""

    model: TwoStageModel

    @property
    def begin(self) -> tuple[int, int]:
        return self.state.stage_step, self.state.stage_epoch

    @property
    def end(self) -> int:
        return max(1, self.planned // 2) if self.state.stage == 1 else int(self.planned)

    def _restored(self) -> None:
        self.model.frozen = self.state.stage == 2

    def _run(self) -> None:
        state = self.state
        while not state.finished:
            self._train_until(self.end)
            if state.stage == 1:
                self._start_second_stage()
            else:
                state.finished = True

    def _is_last(self) -> bool:
        return self.state.stage == 2

    def _bank_is_old(self) -> bool:
        state = self.state
        is_new_epoch = state.stage == 1 and state.batch == 0 and state.bank_step != state.step
        return self.bank is None or is_new_epoch

    def _loss(self, batch: Batch) -> tuple[torch.Tensor, float]:
        return self._frozen_loss(batch) if self.model.frozen else super()._loss(batch)

    def _frozen_loss(self, batch: Batch) -> tuple[torch.Tensor, float]:
        """Return the loss with the bank's vectors for all listings, against negatives of the bank only."""
        data, bank, config, processes = self.drawn, self.bank, self.config, self.processes
        assert bank is not None
        rng = np.random.default_rng([data.seed, 1, self.state.step])
        positives = data.examples.positive[batch.rows]  # (E, P)
        sets = [bank_candidates(positives, data.warm, config.bank_size, rng)]
        with mixed_precision(config.dtype, bank.device):
            users = encode_users(self.model, data, batch, self.tables, processes, data.warm, bank)
        return contrast(data, bank, batch, config, processes, sets, users)

    def _start_second_stage(self) -> None:
        """Continue from the best weights with frozen listings; the checkpoint makes this irreversible."""
        launched().wait_for_everyone()
        self.load_best()
        self.model.frozen = True
        self.average = self._new_average()
        self.optimizer.state.clear()
        state = self.state
        state.stage, state.stage_step, state.stage_epoch = 2, state.step, state.epoch + 1
        state.epoch, state.batch, state.worse = state.epoch + 1, 0, 0
        state.bank_step = state.step
        self.bank = self._encode_bank()
        self._checkpoint()

    def _save_weights(self) -> None:
        model = cast(TwoStageModel, self.evaluated)
        if not model.frozen:
            model.copy_listing_side()
        super()._save_weights()
