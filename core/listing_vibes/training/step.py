"""One training step and its data: histories and fresh listings with gradient, and the item bank, with InfoNCE over both.

Worked example with the defaults except `fresh = 1`. The batch of `listing_vibes.training.batches`: E = 3 examples in B = 2 windows
whose events are on the listings 3 and 7; the positives are {7, 5}, {5} and {9}, as (E, P) [[7, 5, -1], [5, -1, -1],
[9, -1, -1]]; warm are 3, 5, 7, 8, 9. Let 8 be sampled as fresh negative. Then
- the first softmax compares the fresh candidates 5, 7, 8, 9 (C = 4), the second the bank's 3, 5, 7, 8, 9 (C = 5);
- 5, 7, 8, 9 and, since histories are encoded from listing vectors, 3 are encoded with gradient: (5, d), fresh ones first;
- the histories are encoded as users (3, d), and the scores are (3, 4) and (3, 5);
- listings of a user's training period are not negatives: 3, 7, 5 in ann's examples, 7, 9 in bob's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from listing_vibes.device import mixed_precision
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.features.photos.photo_vectors import PhotoVectors
from listing_vibes.features.sequences import Meta
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, Split
from listing_vibes.model.inputs import Inputs, Tables, TokenBatch
from listing_vibes.model.losses import LOSSES
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import ResolvedTraining
from listing_vibes.progress import Report, silent
from listing_vibes.scoring.late_interaction import LEAST_COSINE, LateInteraction
from listing_vibes.scoring.recency import RecentEvents, log_counts
from listing_vibes.training.batches import Batch, Mix
from listing_vibes.training.distributed import Processes
from listing_vibes.training.examples import (
    Candidates,
    Examples,
    bank_candidates,
    exclusions,
    fresh_candidates,
    inclusion_probability,
    make_examples,
    shuffled_baskets,
)


class FrozenPhotos:
    """Photo vectors that training leaves as they are; a source that trains its encoder overrides all methods."""

    def attach(self, model: ListingModel) -> None:
        """Give `model` the parts of the encoder that train with it."""

    def renew(self, model: ListingModel, processes: Processes, step: int, every: int) -> None:
        """Encode all photos by the current weights if `every` steps have passed since the last time."""

    def current(self, inputs: Inputs) -> Inputs:
        """Return the inputs with the vectors of the last `renew`."""
        return inputs

    def encoded(self, model: ListingModel, inputs: Inputs, processes: Processes) -> Inputs:
        """Return the inputs with the vectors by the weights of `model`."""
        return inputs

    def in_step(
        self, model: ListingModel, inputs: Inputs, table: Tensor, listings: np.ndarray, seed: list[int]
    ) -> Tensor:
        """Return the vectors (P, d) of a step, for the `listings` (n,) with gradient where the encoder trains."""
        return table

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint stores."""
        return {}

    def restore(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Restore `state`."""

    def embed(
        self,
        market: Market,
        featurizer: Featurizer,
        model: ListingModel,
        photos: PhotoVectors | None,
        report: Report = silent,
    ) -> tuple[Featurizer, PhotoVectors | None]:
        """Return the photo vectors of the market by the trained encoder, and the featurizer that reads them."""
        return featurizer, photos


def with_photos(inputs: Inputs, table: Tensor) -> Inputs:
    """Return the inputs with the photo vectors `table` (P, d)."""
    return replace(inputs, features=replace(inputs.features, photo=table.cpu().numpy()))


@dataclass(frozen=True, eq=False)
class StepData:
    """The data of the steps of a training."""

    examples: Examples
    log: EventLog
    catalogue: Catalogue
    inputs: Inputs
    warm: np.ndarray  # (W,) listings with a training event, since cold listings are not negatives
    masked: bool  # whether listings of the history are excluded from the negatives
    seed: int
    live: bool = True  # whether inactive listings also are, if `masked`
    photos: FrozenPhotos = field(default_factory=FrozenPhotos)
    recent: RecentEvents | None = None  # whose logarithm is added to the scores
    baskets: Split | None = None  # if simultaneous training events are sets
    mix: Mix | None = None  # of several markets, whose negatives are of the same market

    @cached_property
    def share(self) -> np.ndarray:
        """Return (L,) the share of each listing among all positives of the training."""
        positive = self.examples.positive
        counts = np.bincount(positive[positive >= 0], minlength=self.log.listings)
        if self.mix is not None:
            counts = counts * self.mix.weight[self.mix.market]
        return np.asarray(counts / max(1, counts.sum()))

    def masks(self, listing: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return positives (E, C) bool, negatives (E, C) bool and the column (E,) of the very next listing, for the examples `rows`
        and the sorted candidates `listing` (C,).

        A listing of the user's training future is never a negative. If the history is `masked`, neither is a listing of the history
        nor, with `live`, one that is not active at the moment; nor is a listing of another market.
        """
        targets = self.examples.positive[rows]  # (E, P)
        negative = ~exclusions(self.examples, self.log, rows, listing, history_too=self.masked)
        if self.mix is not None:
            negative &= self.mix.market[targets[:, :1]] == self.mix.market[listing]
        if self.masked and self.live:
            negative &= self.catalogue.live(self.examples.at[rows][:, None], listing)
        column = np.where(targets >= 0, np.searchsorted(listing, targets), -1)
        row, slot = np.nonzero(column >= 0)
        positive = np.zeros(negative.shape, bool)
        positive[row, column[row, slot]] = True
        negative[row, column[row, slot]] = False
        return positive, negative, column[:, 0]

    def in_epoch(self, epoch: int) -> "StepData":
        """Return the data of an epoch, in which baskets that are sets have a random order.

        Each event is also predicted from the earlier ones of its basket, and the first one of a basket from earlier baskets, so that
        over the epochs any part of a basket predicts any other member. Otherwise a market with one large basket per user would
        have hardly any examples. Queries predict the next basket from earlier ones as before.
        """
        if self.baskets is None:
            return self
        rng = np.random.default_rng([self.seed, 4, epoch])
        order = shuffled_baskets(self.log, self.baskets.train, rng)
        columns = {name: getattr(self.log, name)[order] for name in ("listing", "action", "duration")}
        log, meta = replace(self.log, **columns), self.inputs.meta
        if meta is not None:
            meta = Meta(meta.action[order], meta.duration[order])
        return replace(
            self,
            log=log,
            inputs=replace(self.inputs, listing=self.inputs.listing[order], meta=meta),
            examples=make_examples(log, self.baskets, self.examples.positive.shape[1], within=True),
        )

    def with_buckets(self, number: int) -> "StepData":
        """Return the data with the hash buckets of values of single markets in random order number `number`.

        With a constant order the model would learn that "bucket 37" is a popular seller, but in another market it is a different
        one. The order changes with each encoding of the item bank, so that histories, candidates and bank agree, and a bucket only
        shows that two listings share a value, which transfers.
        """
        if self.mix is None or not self.mix.buckets:
            return self
        rng = np.random.default_rng([self.seed, 5, number])
        features = self.inputs.features
        last = max(int(features.tokens.value.max(initial=0)), *(sum(ids) for ids in self.mix.buckets))
        table = np.arange(1 + last)
        for first, count in self.mix.buckets:
            table[first : first + count] = first + rng.permutation(count)
        value = table[features.tokens.value].astype(features.tokens.value.dtype)
        features = replace(features, tokens=replace(features.tokens, value=value))
        return replace(self, inputs=replace(self.inputs, features=features))


def step_loss(
    model: ListingModel,
    data: StepData,
    bank: Tensor | None,
    batch: Batch,
    step: int,
    config: ResolvedTraining,
    tables: Tables,
    processes: Processes | None = None,
) -> tuple[Tensor, float]:
    """Return the loss of a batch at step `step` as a mean over its examples; negatives are seeded by the step.

    Each process encodes a part of the histories and of the listings, and scores against all listings. The `bank` (W, d) has the
    embeddings of the warm listings, without gradient.

    Returns:
        The part of the loss of this process, and the loss over all processes.
    """
    processes = processes or Processes()
    rng = np.random.default_rng([data.seed, 1, step])
    positives = data.examples.positive[batch.rows]  # (E, P)
    fresh = fresh_candidates(positives, data.warm, config.fresh, rng)
    sets = [fresh]
    if config.bank_size:
        sets.append(bank_candidates(positives, data.warm, config.bank_size, rng))
    events = data.inputs.listing[ranges(batch.first, batch.end - batch.first)]
    read = np.concatenate([fresh.listing, events])
    photos = data.photos.in_step(model, data.inputs, tables[0], read, [data.seed, 3, step])
    tables = photos, tables[1]
    with mixed_precision(config.dtype, tables[0].device):
        # Fresh listings come first; the others are those of histories, also with gradient.
        rows = np.concatenate([fresh.listing, np.setdiff1d(model.listings_read(events), fresh.listing)])
        vectors = encode_with_gradient(model, data.inputs, rows, tables, processes)
        users = encode_users(model, data, batch, tables, processes, rows, vectors)
    return contrast(data, bank, batch, config, processes, sets, users)


@dataclass(frozen=True, eq=False)
class EncodedUsers:
    """The users of the part of a batch that this process has, and the listings of their histories."""

    batch: Batch
    user: Tensor  # (E, d)
    place: np.ndarray  # (L,) the row of each listing in `vectors`, -1 for none
    vectors: Tensor  # (n, d) of listings, first those of the candidates without `bank_rows`


def encode_users(
    model: ListingModel,
    data: StepData,
    batch: Batch,
    tables: Tables,
    processes: Processes,
    rows: np.ndarray,
    vectors: Tensor,
) -> EncodedUsers:
    """Return the users of this process's part of a batch, with gradient, from the `vectors` (n, d) of the listings `rows` (n,)."""
    local = batch if processes.world == 1 else batch.part(processes.mine(len(batch.first)))
    place = np.full(data.log.listings, -1, np.int32)  # (L,)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    if not len(local):
        return EncodedUsers(local, tables[0].new_zeros((0, model.width)), place, vectors)
    user = model.encode_examples(data.inputs, local.first, local.end, local.place, place, vectors, tables)
    return EncodedUsers(local, user, place, vectors)


def contrast(
    data: StepData,
    bank: Tensor | None,
    batch: Batch,
    config: ResolvedTraining,
    processes: Processes,
    sets: Sequence[Candidates],
    users: EncodedUsers,
) -> tuple[Tensor, float]:
    """Return the mean loss of `users` over the softmaxes `sets`, as `step_loss`.

    It is outside of mixed precision, since bfloat16 would round the scores to two digits.
    """
    local, vectors, late, history = users.batch, users.vectors, LateInteraction.of(config), None
    if late.weight:
        event_places = users.place[data.inputs.listing[ranges(local.first, local.end - local.first)]]
        history = vectors[torch.from_numpy(event_places.astype(np.int64)).to(vectors.device)]  # (R, d)
    slots = int((data.examples.positive[batch.rows] >= 0).sum())
    parts = []
    for candidates in sets:
        if candidates.bank_rows is None:
            item = vectors[: len(candidates.listing)]  # (C, d)
        else:
            assert bank is not None
            item = bank[torch.from_numpy(candidates.bank_rows).to(vectors.device)]
        scores = _scores(data, local, candidates, users.user, item, history, late) / config.temperature
        parts.append(_loss(data, local, candidates, scores, config, slots))
    # Divided by the size of the full batch, so that the sum over processes is the mean.
    loss = torch.stack(parts).mean() / len(batch)
    return loss, processes.total(float(loss.detach()))


def encode_with_gradient(
    model: ListingModel, inputs: Inputs, rows: np.ndarray, tables: Tables, processes: Processes
) -> Tensor:
    """Return the vectors (F, d) of the listings `rows` (F,), of which each process encodes a part."""
    share = rows[processes.mine(len(rows))]
    if len(share):
        vectors = model.listings(TokenBatch(inputs.listings(share), tables[0].device), *tables)
    else:
        vectors = tables[0].new_zeros((0, model.width))
    return processes.gather(vectors.float(), len(rows))


def _scores(
    data: StepData,
    batch: Batch,
    candidates: Candidates,
    user: Tensor,
    item: Tensor,
    history: Tensor | None,
    late: LateInteraction,
) -> Tensor:
    """Return scores (E, C): cosines of users (E, d) and items (C, d), and with late interaction those of `history` (R, d)."""
    scores = user @ item.T
    if history is None:
        return scores
    events = ranges(batch.first, batch.end - batch.first)  # (R,)
    like = history @ item.T  # (R, C)
    if not late.itself:
        is_itself = torch.from_numpy(data.log.listing[events][:, None] == candidates.listing)
        like = like.masked_fill(is_itself.to(like.device), LEAST_COSINE)
    event = greatest_so_far(like.detach(), batch.end - batch.first)  # (R, C)
    return scores + late.weight * like.gather(0, event[torch.from_numpy(batch.place).to(event.device)])


@torch.no_grad()
def greatest_so_far(values: Tensor, count: np.ndarray) -> Tensor:
    """Return (R, C) int64: for each event and column, the row of the maximum of `values` (R, C) in its window up to the event.

    `count` (B,) has the number of events of each window. `cummax` would need windows that are padded to the longest.
    """
    best = values.clone()
    row = torch.arange(len(values), device=values.device)[:, None].repeat(1, values.shape[1])
    begin = np.cumsum(count) - count  # (B,)
    for place in range(1, int(count.max(initial=0))):
        now = torch.from_numpy(begin[count > place] + place).to(values.device)
        better = best[now - 1] > best[now]
        best[now] = torch.where(better, best[now - 1], best[now])
        row[now] = torch.where(better, row[now - 1], row[now])
    return row


def _loss(
    data: StepData, batch: Batch, candidates: Candidates, scores: Tensor, config: ResolvedTraining, slots: int
) -> Tensor:
    """Return the sum of the losses of `scores` (E, C); the full batch has `slots` positives."""
    if not len(batch):
        return scores.sum()  # 0, but part of the backward pass
    device, masks = scores.device, data.masks(candidates.listing, batch.rows)
    if data.recent is not None:
        # A prior over the classes inside the softmax (Menon et al. 2021, arXiv 2007.07314, section 4.2), here one that
        # changes over time, so that the model learns what recency does not explain.
        recent = data.recent.counts(data.examples.at[batch.rows], candidates.listing)  # (E, C)
        scores = scores + torch.from_numpy(log_counts(recent)).to(device)
    if config.logq:
        q = inclusion_probability(candidates, data.share, slots, len(data.warm))
        scores = scores - torch.from_numpy(np.log(q)).to(device, torch.float32)
    positive, negative, first = (torch.from_numpy(mask).to(device) for mask in masks)
    return LOSSES[config.loss]()(scores, positive, negative, first) * len(batch)
