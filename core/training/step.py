"""One training step: histories and fresh listings with gradient, the item bank beside them, InfoNCE over both."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from core.market.log import EventLog, ranges
from core.market.splits import Catalogue
from core.model.encoder import mixed_precision
from core.model.inputs import Inputs
from core.model.listing_model import ListingModel
from core.model.losses import LOSSES
from core.model.settings import TrainingConfig
from core.scoring.baselines import RecentPopularity
from core.training.bank import ItemBank
from core.training.batches import Batch
from core.training.columns import Columns, column_masks, draw_columns, inclusion
from core.training.examples import Examples
from core.training.live_photos import LivePhotos
from core.training.processes import Processes
from core.training.sides import Sides


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
    photos: LivePhotos | None = None  # where the photo encoder's last stages train, too
    recent: RecentPopularity | None = None  # whose logarithm joins the scores

    @cached_property
    def share(self) -> np.ndarray:
        """(L,) of all positives of the training, how many are each listing."""
        found = self.examples.positive
        counts = np.bincount(found[found >= 0], minlength=self.log.listings)
        return counts / max(1, counts.sum())


@dataclass(frozen=True, eq=False)
class StepLoss:
    """What a step gives."""

    loss: torch.Tensor  # this process's part of the sum
    value: float  # the sum
    candidates: float  # how many listings a row compares, on average; ln of it is the loss of a model that knows nothing


def step_loss(
    model: ListingModel,
    data: StepData,
    bank: ItemBank | None,
    batch: Batch,
    step: int,
    config: TrainingConfig,
    tables: tuple[torch.Tensor, torch.Tensor],
    frozen: bool = False,
    processes: Processes | None = None,
) -> StepLoss:
    """The loss of a batch at step number `step`, averaged over its examples; the same step draws the same negatives.

    `tables` are the photo and text vectors on the device. With `frozen`, the second of two stages, listing vectors of
    the histories are those of the bank. Each process takes its part of the histories and encodes its part of the
    listings; all of them score against all listings.
    """
    processes = processes or Processes()
    rng = np.random.default_rng([data.seed, 1, step])
    positives = data.examples.positive[batch.rows]  # (E, P)
    candidate_sets = [(one, draw_columns(positives, data.warm, one, rng)) for one in config.softmaxes]
    fresh = candidate_sets[0][1].listing[: candidate_sets[0][1].fresh]  # of a second softmax none are fresh
    seeds = (int(rng.integers(1 << 31)), int(rng.integers(1 << 31)))
    told = data.inputs.listing[ranges(batch.first, batch.end - batch.first)]
    if data.photos is not None:
        draw = np.random.default_rng([data.seed, 3, step])
        shown = np.concatenate([fresh, told])
        tables = data.photos.in_step(model, data.inputs.features, shown, draw), tables[1]
    sides = Sides(model, data.inputs, tables, config.token_dropout, seeds)
    encoded = fresh
    if model.history == "listing-vectors" and not frozen:
        encoded = np.concatenate([fresh, np.setdiff1d(told, fresh)])
    own = batch
    if processes.world > 1:
        own = batch.part(processes.mine(len(batch.first)), by_event=model.history != "cls")
    with mixed_precision(config.bf16, tables[0].device):
        listing = sides.listings(encoded, processes) if len(encoded) else None  # (F or more, d)
        if frozen and bank is not None:
            user = sides.histories(own, data.warm, bank.vectors)  # (E, d)
        else:
            user = sides.histories(own, encoded, listing)
    slots = int((positives >= 0).sum())
    parts = [_softmax(data, bank, own, one, columns, user, listing, slots) for one, columns in candidate_sets]
    loss = torch.stack([part for part, _ in parts]).mean() / len(batch)
    value, *counts = processes.total([float(loss.detach()), *(count for _, count in parts)])
    # A corrected sum stands for the whole catalogue.
    least = [len(data.warm) if one.logq else 1 for one in config.softmaxes]
    compared = np.maximum(np.array(counts) / len(batch), least)
    return StepLoss(loss, float(value), float(np.exp(np.log(compared).mean())))


def _softmax(
    data: StepData,
    bank: ItemBank | None,
    batch: Batch,
    config: TrainingConfig,
    columns: Columns,
    user: torch.Tensor,
    listing: torch.Tensor | None,
    slots: int,
) -> tuple[torch.Tensor, float]:
    """The sum of the losses of histories `user` (E, d) over one set of candidates, and how many they compare.

    `listing` (F or more, d) are the fresh ones, `slots` is how many positives all processes have.
    """
    device = user.device
    masks = column_masks(columns, data.examples, data.log, data.catalogue, batch.rows, data.masked)
    item = user[:0] if listing is None else listing[: columns.fresh]  # (F, d)
    if len(columns.stale):
        assert bank is not None
        item = torch.cat([item, bank.vectors[torch.from_numpy(columns.stale).to(device)]])  # (C, d)
    # Outside the mixed precision: bfloat16 would round the scores to two digits.
    scores = user @ item.T / config.temperature  # (E, C)
    if data.recent is not None:
        # A prior over the classes inside the softmax (Menon et al. 2021, arXiv 2007.07314, section 4.2), here one that
        # moves with time: what it tells the model need not learn, and what the model learns goes beside it.
        recent = data.recent.counts(data.examples.at[batch.rows], columns.listing)  # (E, C)
        scores = scores + torch.from_numpy(np.log1p(recent)).to(device)
    positive, negative, first = (torch.from_numpy(mask).to(device) for mask in masks)
    if config.logq:
        q = inclusion(columns, data.share, slots, len(data.warm), config)
        scores = scores - torch.from_numpy(np.log(q)).to(device, torch.float32)
    if not len(batch):
        return scores.sum(), 0.0  # nothing, but a part of the backward pass
    loss = LOSSES[config.loss](scores, positive, negative, first) * len(batch)
    return loss, float((masks[0] | masks[1]).sum())
