"""One training step: histories and fresh listings with gradient, the item bank beside them, InfoNCE over both.

Worked example, the defaults but for `fresh = 1`. The batch of `listing_vibes.training.batches`: E = 3 examples in B = 2 windows
whose events show the listings 3 and 7; the positives are {7, 5}, {5} and {9}, as (E, P) [[7, 5, -1], [5, -1, -1],
[9, -1, -1]]; warm are 3, 5, 7, 8, 9. Say 8 is drawn as fresh negative. Then
- the first softmax compares the fresh candidates 5, 7, 8, 9 (F = C = 4), the second the bank's 3, 5, 7, 8, 9 (C = 5);
- with gradient are encoded 5, 7, 8, 9 and, since histories are read from listing vectors, 3: (5, d), fresh ones first;
- the histories become user (3, d), the scores (3, 4) and (3, 5);
- no listing of a user's own training period is a negative of theirs: 3, 7, 5 not for ann's examples, 7, 9 not for bob's.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from listing_vibes.device import mixed_precision
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.splits import Catalogue, Split
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.losses import LOSSES
from listing_vibes.model.settings import CandidateSet, ResolvedTraining
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.recency import RecentEvents, recency_prior
from listing_vibes.training.bank import ItemBank
from listing_vibes.training.batches import Batch
from listing_vibes.training.candidates import (
    Candidates,
    candidate_masks,
    draw_candidates,
    inclusion_probability,
)
from listing_vibes.training.examples import Examples
from listing_vibes.training.late_interaction import late_scores
from listing_vibes.training.live_photos import LivePhotos
from listing_vibes.training.mix import Mix
from listing_vibes.training.processes import Processes
from listing_vibes.training.towers import Towers


@dataclass(frozen=True, eq=False)
class StepData:
    """What every step of a training reads."""

    examples: Examples
    log: EventLog
    catalogue: Catalogue
    inputs: Inputs
    warm: np.ndarray  # (W,) listings with a training event: cold listings are no negatives
    masked: bool  # what was touched is no negative
    seed: int
    photos: LivePhotos | None = None  # where the photo encoder's last stages train, too
    recent: RecentEvents | None = None  # whose logarithm joins the scores
    baskets: Split | None = (
        None  # where simultaneous training events are sets, see `listing_vibes.training.baskets`
    )
    mix: Mix | None = None  # of several markets: negatives are of the example's own
    live: bool = True  # nor is what is not live, where the history is masked

    @cached_property
    def share(self) -> np.ndarray:
        """(L,) of all positives of the training, how many are each listing."""
        found = self.examples.positive
        counts = np.bincount(found[found >= 0], minlength=self.log.listings)
        if self.mix is not None:
            counts = counts * self.mix.weight[self.mix.market]
        return counts / max(1, counts.sum())

    def same_market(self, rows: np.ndarray, listings: np.ndarray) -> np.ndarray | None:
        """(E, C) bool: which listings (C,) are of the market of each example `rows` (E,); None: there is one market."""
        return None if self.mix is None else self.mix.same(self.examples.positive[rows, 0], listings)

    def catalogue_size(self, rows: np.ndarray) -> float:
        """How many warm listings the market of an example of `rows` (E,) has, on average."""
        if self.mix is None:
            return len(self.warm)
        return self.mix.size(self.examples.positive[rows, 0], self.warm)


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
    config: ResolvedTraining,
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
    candidate_sets = [
        (one, draw_candidates(positives, data.warm, one, rng)) for one in config.candidate_sets(frozen)
    ]
    fresh = candidate_sets[0][1].listing[: candidate_sets[0][1].fresh]  # of a second softmax none are fresh
    seeds = (int(rng.integers(1 << 31)), int(rng.integers(1 << 31)))
    history_listings = data.inputs.listing[ranges(batch.first, batch.end - batch.first)]
    if data.photos is not None:
        draw = np.random.default_rng([data.seed, 3, step])
        shown = np.concatenate([fresh, history_listings])
        tables = data.photos.in_step(model, data.inputs.features, shown, draw), tables[1]
    towers = Towers(model, data.inputs, tables, seeds)
    # Histories read listing vectors with gradient, too: those of the step's listings are encoded once, for both towers.
    encoded = fresh
    if model.reads == "vectors" and not frozen:
        encoded = np.concatenate([fresh, np.setdiff1d(history_listings, fresh)])
    # Every process draws the same candidates and scores against all of them; only the encoding is shared out.
    own = batch
    if processes.world > 1:
        own = batch.part(processes.mine(len(batch.first)), by_event=model.reads != "sequence")
    with mixed_precision(config.dtype, tables[0].device):
        listing = towers.listings(encoded, processes) if len(encoded) else None  # (F or more, d)
        if frozen and bank is not None:
            user = towers.histories(own, data.warm, bank.vectors)  # (E, d)
        else:
            user = towers.histories(own, encoded, listing)
    history: torch.Tensor | None = None
    if LateInteraction.of(config).weight:
        rows, vectors = (data.warm, bank.vectors) if frozen and bank is not None else (encoded, listing)
        assert vectors is not None  # what the histories read
        history = towers.events(own, rows, vectors)  # (R, d)
    slots = int((positives >= 0).sum())
    parts = [
        _softmax(data, bank, own, config, one, candidates, user, listing, history, slots)
        for one, candidates in candidate_sets
    ]
    # Divided by the whole batch, so that the processes' parts add up to the mean.
    loss = torch.stack([part for part, _ in parts]).mean() / len(batch)
    value, *counts = processes.total([float(loss.detach()), *(count for _, count in parts)])
    # A corrected sum stands for the whole catalogue.
    least = data.catalogue_size(batch.rows) if config.logq else 1
    compared = np.maximum(np.array(counts) / len(batch), least)
    return StepLoss(loss, float(value), float(np.exp(np.log(compared).mean())))


def _softmax(
    data: StepData,
    bank: ItemBank | None,
    batch: Batch,
    config: ResolvedTraining,
    chosen: CandidateSet,
    candidates: Candidates,
    user: torch.Tensor,
    listing: torch.Tensor | None,
    history: torch.Tensor | None,
    slots: int,
) -> tuple[torch.Tensor, float]:
    """The sum of the losses of histories `user` (E, d) over one set of candidates, and how many they compare.

    `listing` (F or more, d) are the fresh ones, `history` (R, d) those of the events where these are compared as well,
    `slots` is how many positives all processes have.
    """
    device = user.device
    among = data.same_market(batch.rows, candidates.listing)
    masks = candidate_masks(
        candidates, data.examples, data.log, data.catalogue, batch.rows, data.masked, among, data.live
    )
    # The fresh ones stand first in `listing`; those after them were encoded for the histories alone.
    item = user[:0] if listing is None else listing[: candidates.fresh]  # (F, d)
    if len(candidates.bank_rows):
        assert bank is not None
        item = torch.cat([item, bank.vectors[torch.from_numpy(candidates.bank_rows).to(device)]])  # (C, d)
    # Outside the mixed precision: bfloat16 would round the scores to two digits.
    if history is None:
        scores = user @ item.T / config.temperature  # (E, C)
    else:
        late, events = LateInteraction.of(config), ranges(batch.first, batch.end - batch.first)  # (R,)
        unwanted = ~data.log.wanted[events] if data.log.some_unwanted else None
        itself = None if late.itself else data.log.listing[events][:, None] == candidates.listing  # (R, C)
        scores = late_scores(user, item, history, batch, late.weight, unwanted, itself) / config.temperature
    if data.recent is not None:
        # A prior over the classes inside the softmax (Menon et al. 2021, arXiv 2007.07314, section 4.2), here one that
        # moves with time: what it tells the model need not learn, and what the model learns goes beside it.
        recent = data.recent.counts(data.examples.at[batch.rows], candidates.listing)  # (E, C)
        scores = scores + torch.from_numpy(recency_prior(recent)).to(device)
    positive, negative, first = (torch.from_numpy(mask).to(device) for mask in masks)
    if config.logq:
        q = inclusion_probability(candidates, data.share, slots, len(data.warm), chosen)
        scores = scores - torch.from_numpy(np.log(q)).to(device, torch.float32)
    if not len(batch):
        return scores.sum(), 0.0  # nothing, but a part of the backward pass
    loss = LOSSES[config.loss]()(scores, positive, negative, first) * len(batch)
    return loss, float((masks[0] | masks[1]).sum())
