"""One training step: histories and fresh listings with gradient, the item bank beside them, InfoNCE over both."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from core.market.log import EventLog, ranges
from core.market.splits import Catalogue
from core.model.config import History
from core.model.embeddings import TokenBatch
from core.model.encoder import mixed_precision
from core.model.inputs import Inputs
from core.model.listing_model import ListingModel
from core.model.losses import LOSSES
from core.model.settings import TrainingConfig
from core.model.windows import ReadoutBatch, VectorBatch
from core.training.bank import ItemBank
from core.training.batches import Batch
from core.training.columns import Columns, column_masks, draw_columns, inclusion
from core.training.dropout import thinned
from core.training.examples import Examples


class BothSides(nn.Module):
    """Histories and listings in one forward pass, so that a distributed wrapper sees each weight once a step."""

    def __init__(self, model: ListingModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        histories: TokenBatch | ReadoutBatch | VectorBatch,
        listings: TokenBatch | None,
        photos: torch.Tensor,
        texts: torch.Tensor,
        bank: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(B, d) or, for windows, (R, d), and the listings, (F, d) or None; all L2-normalised.

        Listing vectors of the histories are read from `listings`, or from `bank` (W, d) where it is given.
        """
        listing = None if listings is None else self.model.listings(listings, photos, texts)
        if isinstance(histories, ReadoutBatch | VectorBatch):
            return self.model.prefixes(histories, photos, texts, listing if bank is None else bank), listing
        return self.model(histories, photos, texts), listing


@dataclass(frozen=True, eq=False)
class StepData:
    """What every step of a training reads."""

    examples: Examples
    log: EventLog
    catalogue: Catalogue
    inputs: Inputs
    warm: np.ndarray  # (W,) listings with a training event: cold listings are no negatives
    masked: bool
    seed: int

    @cached_property
    def share(self) -> np.ndarray:
        """(L,) of all positives of the training, how many are each listing."""
        found = self.examples.positive
        counts = np.bincount(found[found >= 0], minlength=self.log.listings)
        return counts / max(1, counts.sum())


@dataclass(frozen=True, eq=False)
class StepLoss:
    """What a step gives."""

    loss: torch.Tensor
    candidates: float  # how many listings a row compares, on average; ln of it is the loss of a model that knows nothing


def step_loss(
    both: nn.Module,
    data: StepData,
    bank: ItemBank | None,
    batch: Batch,
    step: int,
    config: TrainingConfig,
    tables: tuple[torch.Tensor, torch.Tensor],
    history: History = "cls",
    frozen: bool = False,
) -> StepLoss:
    """The loss of a batch at step number `step`, averaged over its examples; the same step draws the same negatives.

    `tables` are the photo and text vectors on the device. With `frozen`, the second of two stages, listing vectors of
    the histories are those of the bank.
    """
    rng = np.random.default_rng([data.seed, 1, step])
    device = tables[0].device
    positives = data.examples.positive[batch.rows]  # (E, P)
    candidate_sets = [(one, draw_columns(positives, data.warm, one, rng)) for one in config.softmaxes]
    fresh = candidate_sets[0][1].listing[: candidate_sets[0][1].fresh]  # of a second softmax none are fresh
    known = data.warm if frozen else None
    histories, encoded = _histories(data, batch, fresh, known, history, config, rng, device)
    listings = None
    if len(encoded):
        listings = TokenBatch(thinned(data.inputs.listings(encoded), config.token_dropout, rng), device)
    with mixed_precision(config.bf16, device):
        user, listing = both(histories, listings, *tables, bank.vectors if frozen and bank else None)
    user = user.float()  # (B or R, d)
    if history != "cls":
        user = user[torch.from_numpy(batch.place).to(device)]  # (E, d)
    losses = [
        _softmax_loss(data, bank, batch, one, columns, user, listing) for one, columns in candidate_sets
    ]
    candidates = float(np.exp(np.mean(np.log([max(found.candidates, 1.0) for found in losses]))))
    return StepLoss(torch.stack([found.loss for found in losses]).mean(), candidates)


def _softmax_loss(
    data: StepData,
    bank: ItemBank | None,
    batch: Batch,
    config: TrainingConfig,
    columns: Columns,
    user: torch.Tensor,
    listing: torch.Tensor | None,
) -> StepLoss:
    """The loss of histories `user` (E, d) over one set of candidates; `listing` (F or more, d) are the fresh ones."""
    device = user.device
    masks = column_masks(columns, data.examples, data.log, data.catalogue, batch.rows, data.masked)
    item = user[:0] if listing is None else listing[: columns.fresh].float()  # (F, d)
    if len(columns.stale):
        assert bank is not None
        item = torch.cat([item, bank.vectors[torch.from_numpy(columns.stale).to(device)]])  # (C, d)
    # Outside the mixed precision: bfloat16 would round the scores to two digits.
    scores = user @ item.T / config.temperature  # (E, C)
    positive, negative, first = (torch.from_numpy(mask).to(device) for mask in masks)
    candidates = float((masks[0] | masks[1]).sum()) / max(1, len(batch))
    if config.logq:
        slots = int((data.examples.positive[batch.rows] >= 0).sum())
        q = inclusion(columns, data.share, slots, len(data.warm), config)
        scores = scores - torch.from_numpy(np.log(q)).to(device, torch.float32)
        candidates = max(
            candidates, float(len(data.warm))
        )  # the corrected sum stands for the whole catalogue
    return StepLoss(LOSSES[config.loss](scores, positive, negative, first), candidates)


def _histories(
    data: StepData,
    batch: Batch,
    fresh: np.ndarray,
    known: np.ndarray | None,
    history: History,
    config: TrainingConfig,
    rng: np.random.Generator,
    device: torch.device,
) -> tuple[TokenBatch | ReadoutBatch | VectorBatch, np.ndarray]:
    """The histories of a batch, and the listings to encode: `fresh`, for listing vectors also those of the histories.

    Where the vectors of the listings `known` (W,) are at hand the histories number those.
    """
    inputs, first, end = data.inputs, batch.first, batch.end
    if history == "cls":
        return TokenBatch(thinned(inputs.histories(first, end), config.token_dropout, rng), device), fresh
    if history == "readout":
        blocks = thinned(inputs.blocks(first, end), config.token_dropout, rng)
        return ReadoutBatch(blocks, end - first, device), fresh
    told = inputs.listing[ranges(first, end - first)]
    encoded = np.concatenate([fresh, np.setdiff1d(told, fresh)]) if known is None else fresh
    numbered = encoded if known is None else known
    number = np.full(data.log.listings, -1, np.int64)
    number[numbered] = np.arange(len(numbered))
    return VectorBatch.of(inputs, first, end, number[inputs.listing], device), encoded
