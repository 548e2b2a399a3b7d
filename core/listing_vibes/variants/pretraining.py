"""Pre-training as in Recformer (Li et al. 2023, section 2.3): masked attribute values, and pairs of consecutive listings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from listing_vibes.device import mixed_precision
from listing_vibes.errors import VibesError
from listing_vibes.features.sequences import Sequences
from listing_vibes.features.tokens.tabular import TYPE_ATTRIBUTE
from listing_vibes.market.log import ranges
from listing_vibes.model.checkpoint import load_state, save_state
from listing_vibes.model.inputs import Tables, TokenBatch
from listing_vibes.model.losses import LOSSES
from listing_vibes.model.model import ListingModel
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Notice, Report, Trained
from listing_vibes.training.checkpoints import Checkpoints
from listing_vibes.training.distributed import Processes, launched
from listing_vibes.training.optimize import learning_rate, make_optimizer, take_step
from listing_vibes.training.step import StepData, encode_with_gradient

MASKED = 0.15  # share of the attribute values, as in BERT
MASKED_WEIGHT = 0.1  # weight of this loss relative to the contrastive one, as in Recformer


def mask_values(sequences: Sequences, share: float, chance: np.ndarray) -> tuple[Sequences, np.ndarray]:
    """Mask a `share` of the single values (categories, flags, numbers, word pieces) of `sequences`; keys stay.

    Returns also the indexes (m,) of the masked tokens. `chance` (n,) in [0, 1) decides for each token. transformers' collator masks word ids of a tokenizer, but a token here has several
    columns.
    """
    maskable = (sequences.type == TYPE_ATTRIBUTE) & (sequences.value > 0)
    token = np.flatnonzero(maskable & (chance < share))
    value, bins = sequences.value.copy(), sequences.bin.copy()
    value[token] = bins[token] = 0
    return replace(sequences, value=value, bin=bins), token


class Pretraining(nn.Module):
    """The model with a head that predicts values, which is discarded after pre-training."""

    def __init__(self, model: ListingModel) -> None:
        super().__init__()
        self.model = model
        self.head = nn.Sequential(nn.Linear(model.width, model.width), nn.GELU(), nn.LayerNorm(model.width))
        self.bias = nn.Parameter(torch.zeros(model.embedder.value.num_embeddings))

    def predict_masked(self, batch: TokenBatch, token: np.ndarray, tables: Tables) -> tuple[Tensor, Tensor]:
        """Return the logits (m, V) of the values of `token` (m,), and the L2-normalized embeddings (B, d) of the listings."""
        hidden = self.model.hidden(batch, *tables)  # (B, S, d)
        place = batch.place[torch.from_numpy(token).to(hidden.device)]
        predicted = self.head(hidden.flatten(0, 1)[place])  # (m, d)
        logits = F.linear(predicted, self.model.embedder.value.weight, self.bias)
        return logits.float(), F.normalize(hidden[:, 0].float(), dim=-1)


def pretraining_loss(
    pretraining: Pretraining,
    data: StepData,
    pool: np.ndarray,
    step: int,
    settings: Resolved,
    tables: Tables,
    processes: Processes,
) -> Tensor:
    """Return the loss of step `step`: `batch` pairs of consecutive listings, and `fresh` masked listings of `pool`.

    Pairs are the newest listing of a training history and the next one. The next listings of other pairs are negatives, except
    those of the same user's training period. Pairs of several markets are sampled by `market_mix`. Each process encodes a part of
    the listings, and the loss is the sum of theirs.
    """
    config, device = settings.training, tables[0].device
    rng = np.random.default_rng([data.seed, 3, step])
    examples = replace(data.examples, positive=data.examples.positive[:, :1])
    share = None if data.mix is None else data.mix.shares(examples.positive[:, 0])
    drawable = len(examples) if share is None else np.count_nonzero(share)
    rows = rng.choice(len(examples), min(config.batch, drawable), replace=False, p=share)
    before = data.log.listing[examples.end[rows] - 1]  # (B,)
    candidates = np.unique(examples.positive[rows])
    if len(rows) < processes.world:
        raise VibesError(
            f"{processes.world} processes share {len(rows)} pairs of listings a step; raise training.batch "
            f"({config.batch}) or launch fewer."
        )
    more = rng.choice(pool, min(config.fresh, len(pool)), replace=False)
    listings = np.concatenate([before, more])
    own_rows = processes.mine(len(listings))
    pairs = own_rows[own_rows < len(rows)]  # pairs of this process, which come first
    length = data.inputs.listing_lengths(listings)  # Every process samples for all tokens and takes its part.
    tokens = ranges((np.cumsum(length) - length)[own_rows], length[own_rows])
    chance = rng.random(int(length.sum()))[tokens]
    sequences = data.inputs.listings(listings[own_rows])
    masked, token = mask_values(sequences, MASKED, chance)
    with mixed_precision(config.dtype, device):
        logits, first = pretraining.predict_masked(TokenBatch(masked, device), token, tables)
        second = encode_with_gradient(pretraining.model, data.inputs, candidates, tables, processes)
    scores = first[: len(pairs)] @ second.T / config.temperature  # (B, C)
    masks = replace(data, examples=examples, masked=True, live=False).masks(candidates, rows[pairs])
    masked_scores = (scores, *(torch.from_numpy(mask).to(device) for mask in masks))
    loss = LOSSES["next"]()(*masked_scores) * (len(pairs) / len(rows)) if len(pairs) else scores.sum()
    count = max(1.0, processes.total(len(token)))
    value = torch.from_numpy(sequences.value[token].astype(np.int64)).to(device)
    return loss + MASKED_WEIGHT * F.cross_entropy(logits, value, reduction="sum") / count


def pretrain(
    model: ListingModel,
    data: StepData,
    pool: np.ndarray,
    settings: Resolved,
    run: Path | None,
    resume: bool,
    report: Report,
) -> None:
    """Train `model` in place for `pretrain_steps`; `pool` (n,) are the listings of the training period.

    `run/.training/pretrain.safetensors` is written as in `listing_vibes.training.checkpoints` and at the end, and `resume`
    continues from it with the same result.
    """
    config = settings.training
    processes = Processes.launched()
    pretraining = Pretraining(model).to(processes.device)
    optimizer = make_optimizer(pretraining, config.learning_rate)
    tables, step = data.inputs.tensors(processes.device), 0
    file = None if run is None else run / ".training" / "pretrain.safetensors"
    if resume and file is not None and file.is_file():
        _, head = load_state(file, pretraining, optimizer)
        step = int(head["step"])
        report(Notice(f"The interrupted pre-training continues from step {step} of {config.pretrain_steps}."))

    def save() -> None:
        if file is not None:
            save_state(file, pretraining, optimizer, {}, {"step": step})

    pretraining.train()
    drawn = data.with_buckets(step // config.bank_every)
    checkpoints = Checkpoints(
        config.checkpoint_every, save if file is not None and processes.is_main else None, report
    )
    with checkpoints.handle_signals():
        while step < config.pretrain_steps:
            if step % config.bank_every == 0:
                drawn = data.with_buckets(step // config.bank_every)
            torch.manual_seed(settings.seed * 1_000_003 + step + 500_009 + 7919 * processes.rank)  # dropout
            loss = pretraining_loss(pretraining, drawn, pool, step, settings, tables, processes)
            loss.backward()
            processes.sum_gradients(pretraining.parameters())
            rate = learning_rate(step, config.pretrain_steps, config.warmup, config.learning_rate)
            take_step(optimizer, pretraining, rate)
            step += 1
            total = processes.total(float(loss.detach()))
            report(Trained(step, config.pretrain_steps, total, what="pre-training"))
            checkpoints.after_step(step)
        if processes.is_main:
            save()
    launched().wait_for_everyone()
