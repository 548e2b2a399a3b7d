"""Pre-training, as in Recformer (Li et al. 2023, section 2.3): masked attribute values, and listings that follow each other."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from listing_vibes.device import mixed_precision
from listing_vibes.errors import VibesError
from listing_vibes.features.sequences import Sequences
from listing_vibes.features.tokens.tabular import TYPE_ATTRIBUTE
from listing_vibes.model.checkpoint import load_state, save_state
from listing_vibes.model.dropout import Draw
from listing_vibes.model.embeddings import TokenBatch
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.losses import LOSSES
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Notice, Report, Trained
from listing_vibes.training.checkpoints import Checkpoints
from listing_vibes.training.codes import redrawn
from listing_vibes.training.examples import exclusions
from listing_vibes.training.optimizer import CLIP, learning_rate, make_optimizer
from listing_vibes.training.processes import Processes
from listing_vibes.training.step import StepData
from listing_vibes.training.token_chance import token_uniforms

MASKED = 0.15  # of the attribute values, as in BERT
MASKED_WEIGHT = 0.1  # of that loss beside the contrastive one, as in Recformer


@dataclass(frozen=True, eq=False)
class MaskedTokens:
    """Tokens whose value was taken away, and what it was."""

    token: np.ndarray  # (m,) numbers of the n flat tokens
    value: np.ndarray  # (m,) value ids


def mask_values(sequences: Sequences, share: float, chance: np.ndarray) -> tuple[Sequences, MaskedTokens]:
    """`sequences` without a `share` of the single values (categories, flags, numbers, word pieces); their keys stay.

    `chance` (n,) in [0, 1) decides for each token.
    """
    maskable = (sequences.type == TYPE_ATTRIBUTE) & (sequences.value > 0)
    token = np.flatnonzero(maskable & (chance < share))
    value, bins = sequences.value.copy(), sequences.bin.copy()
    value[token] = bins[token] = 0
    return replace(sequences, value=value, bin=bins), MaskedTokens(token, sequences.value[token])


class Pretraining(nn.Module):
    """The model with a head that guesses values; the head is thrown away afterwards."""

    def __init__(self, model: ListingModel) -> None:
        super().__init__()
        self.model = model
        width = model.longformer.config.width
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(model.embedder.value.num_embeddings))

    def predict_masked(
        self, batch: TokenBatch, token: np.ndarray, tables: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (m, V) of the values of `token` (m,), and the embeddings (B, d) of the listings, L2-normalised."""
        hidden = self.model.hidden(batch, *tables)  # (B, S, d)
        places = batch.place[torch.from_numpy(token).to(hidden.device)]
        found = self.head(hidden.flatten(0, 1)[places])  # (m, d)
        logits = F.linear(found, self.model.embedder.value.weight, self.bias)
        return logits.float(), F.normalize(hidden[:, 0].float(), dim=-1)


def pretraining_loss(
    whole: Pretraining,
    data: StepData,
    known: np.ndarray,
    step: int,
    settings: Resolved,
    tables: tuple[torch.Tensor, torch.Tensor],
    processes: Processes | None = None,
) -> torch.Tensor:
    """The loss of step number `step`: `batch` pairs of consecutive listings, and `fresh` listings of `known` to guess.

    Pairs are the newest listing of a training history and the very next one. The next listings of the other pairs are
    negatives, but for those of the same user's training period. Of several markets pairs are drawn as often as `market_mix` says. Each process reads its part of the listings, and the
    sum of what they find is the loss.
    """
    processes = processes or Processes()
    config = settings.training
    rng = np.random.default_rng([data.seed, 3, step])
    device = tables[0].device
    share = None if data.mix is None else data.mix.shares(data.examples.positive[:, 0])
    there = len(data.examples) if share is None else np.count_nonzero(share)
    rows = rng.choice(len(data.examples), min(config.batch, there), replace=False, p=share)
    before = data.log.listing[data.examples.end[rows] - 1]  # (B,)
    following = data.examples.positive[rows, 0]  # (B,)
    candidates, place = np.unique(following, return_inverse=True)
    if len(rows) < processes.world:
        raise VibesError(
            f"{processes.world} processes share {len(rows)} pairs of listings a step; raise training.batch "
            f"({config.batch}) or launch fewer."
        )
    more = rng.choice(known, min(config.fresh, len(known)), replace=False)
    seeds = rng.integers(1 << 31, size=3)
    listings = np.concatenate([before, more])
    mine = processes.mine(len(listings))
    pairs = mine[mine < len(rows)]  # of this process, they come first
    read = data.inputs.listings(listings[mine])
    sequences, guesses = mask_values(read, MASKED, token_uniforms(read, mine, int(seeds[0])))
    own = candidates[processes.mine(len(candidates))]
    with mixed_precision(config.dtype, device):
        with _draw(mine, seeds[1]).active():
            logits, one = whole.predict_masked(TokenBatch(sequences, device), guesses.token, tables)
        with _draw(own, seeds[2]).active():
            other = (
                whole.model(TokenBatch(data.inputs.listings(own), device), *tables) if len(own) else one[:0]
            )
    scores = (
        one[: len(pairs)] @ processes.gather(other.float(), len(candidates)).T / config.temperature
    )  # (B, F)
    positive = np.arange(len(candidates))[None, :] == place[pairs, None]  # (B, F)
    negative = ~exclusions(data.examples, data.log, rows[pairs], candidates, history_too=True)
    among = data.same_market(rows[pairs], candidates)
    negative = negative if among is None else negative & among
    masks = (torch.from_numpy(mask).to(device) for mask in (positive, negative, place[pairs]))
    loss = LOSSES["next"]()(scores, *masks) * (len(pairs) / len(rows)) if len(pairs) else scores.sum()
    count = max(1.0, processes.total([len(guesses.token)])[0])
    value = torch.from_numpy(guesses.value.astype(np.int64)).to(device)
    return loss + MASKED_WEIGHT * F.cross_entropy(logits, value, reduction="sum") / count


def _draw(rows: np.ndarray, seed: np.integer) -> Draw:
    return Draw(torch.from_numpy(rows.astype(np.int32)), int(seed))


def pretrain(
    model: ListingModel,
    data: StepData,
    known: np.ndarray,
    settings: Resolved,
    run: Path,
    resume: bool,
    report: Report,
) -> None:
    """Train `model` in place for `pretrain_steps`; `known` (n,) are the listings of the training period.

    Of several markets codes are drawn anew every `bank_every` steps (see `listing_vibes.training.codes`).

    `run/.training/pretrain.safetensors` is written as `listing_vibes.training.checkpoints` says and at the end, and `resume` goes on
    from it with the same result.
    """
    config = settings.training
    processes = Processes.launched()
    device = processes.device
    whole = Pretraining(model).to(device)
    optimizer = make_optimizer(whole, config.learning_rate)
    tables, step = data.inputs.tensors(device), 0
    state_file = run / ".training" / "pretrain.safetensors"
    if resume and state_file.is_file():
        _, head = load_state(state_file, whole, optimizer)
        step = int(head["step"])
        report(Notice(f"The interrupted pre-training goes on from step {step} of {config.pretrain_steps}."))

    def save() -> None:
        save_state(state_file, whole, optimizer, {}, {"step": step})

    whole.train()
    coded = data
    checkpoints = Checkpoints(config.checkpoint_every, save if processes.main else None, report)
    with checkpoints.handle_signals():
        while step < config.pretrain_steps:
            if coded is data or step % config.bank_every == 0:
                coded = redrawn(data, step // config.bank_every)
            torch.manual_seed(settings.seed * 1_000_003 + step + 500_009)  # dropout of attention
            rate = learning_rate(step, config.pretrain_steps, config.warmup, config.learning_rate)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = pretraining_loss(whole, coded, known, step, settings, tables, processes)
            loss.backward()
            processes.sum_gradients(whole.parameters())
            torch.nn.utils.clip_grad_norm_(whole.parameters(), CLIP)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            total = float(processes.total([float(loss.detach())])[0])
            report(Trained(step, config.pretrain_steps, total, what="pre-training"))
            checkpoints.after_step(step)
        if processes.main:
            save()
    processes.wait()
