"""One training step: histories and fresh listings with gradient, the item bank beside them, InfoNCE over both."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from core.market.log import EventLog
from core.market.splits import Catalogue
from core.model.embeddings import TokenBatch
from core.model.encoder import Inputs, ListingModel, encode_listings
from core.model.losses import LOSSES
from core.model.settings import TrainingConfig
from core.training.examples import Examples, exclusions, live_columns


class BothSides(nn.Module):
    """Histories and listings in one forward pass, so that a distributed wrapper sees each weight once a step."""

    def __init__(self, model: ListingModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, histories: TokenBatch, listings: TokenBatch, photos: torch.Tensor, texts: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, d) and (F, d), both L2-normalised."""
        return self.model(histories, photos, texts), self.model(listings, photos, texts)


@dataclass(eq=False)
class ItemBank:
    """Embeddings of all warm listings (listings with a training event), re-encoded every N steps, without gradient."""

    rows: np.ndarray  # (W,) listing rows
    vectors: torch.Tensor  # (W, d) float32

    @classmethod
    def encode(cls, model: nn.Module, inputs: Inputs, rows: np.ndarray, width: int, **options) -> "ItemBank":
        """Encode the listings `rows` afresh."""
        vectors = torch.from_numpy(encode_listings(model, inputs, rows, width, **options))
        return cls(rows, vectors.to(options.get("device", "cpu")))


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


def step_loss(
    both: nn.Module,
    data: StepData,
    bank: ItemBank | None,
    rows: np.ndarray,
    step: int,
    config: TrainingConfig,
    photos: torch.Tensor,
    texts: torch.Tensor,
) -> torch.Tensor:
    """The loss of the examples `rows` (B,) at step number `step`; the same step draws the same negatives.

    Columns are the batch's positives and `fresh` further warm listings, encoded with gradient, then the bank's
    listings that are not among them: every listing stands there once, so popular ones are no commoner negatives.
    """
    rng = np.random.default_rng([data.seed, 1, step])
    device = photos.device
    positive = data.examples.positive[rows]  # (B, P)
    drawn = rng.choice(data.warm, min(config.fresh, len(data.warm)), replace=False)
    fresh = np.union1d(positive[positive >= 0], drawn)  # (F,)
    columns, stale = fresh, None
    if bank is not None and config.bank_size:
        kept = np.flatnonzero(~np.isin(bank.rows, fresh, assume_unique=True))
        if len(kept) > config.bank_size:
            kept = np.sort(rng.choice(kept, config.bank_size, replace=False))
        columns, stale = (
            np.concatenate([fresh, bank.rows[kept]]),
            bank.vectors[torch.from_numpy(kept).to(device)],
        )
    negative = ~exclusions(data.examples, data.log, rows, columns, history_too=data.masked)
    if data.masked:
        negative &= live_columns(data.catalogue, data.examples.at[rows], columns)
    is_positive = (positive[:, :, None] == columns[None, None, :]).any(1)  # (B, C)
    negative &= ~is_positive
    first = np.searchsorted(fresh, positive[:, 0])  # fresh is sorted and comes first
    histories = TokenBatch(data.inputs.histories(data.examples.start[rows], data.examples.end[rows]), device)
    listings = TokenBatch(data.inputs.listings(fresh), device)
    user, item = both(histories, listings, photos, texts)  # (B, d), (F, d)
    item = item.float() if stale is None else torch.cat([item.float(), stale])  # (C, d)
    with torch.autocast(device.type, enabled=False):  # bfloat16 would round the scores to two digits
        scores = user.float() @ item.T / config.temperature  # (B, C)
    masks = (torch.from_numpy(mask).to(device) for mask in (is_positive, negative, first))
    return LOSSES[config.loss](scores, *masks)
