"""Pre-training, as in Recformer (Li et al. 2023, section 2.3): masked attribute values, and listings that follow each other."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from core.features.sequences import Sequences
from core.features.tokens import TYPE_ATTRIBUTE
from core.model.checkpoint import load_state, save_state
from core.model.embeddings import TokenBatch
from core.model.encoder import mixed_precision
from core.model.listing_model import ListingModel
from core.model.losses import LOSSES
from core.model.settings import Settings
from core.training.examples import exclusions
from core.training.finetune import make_accelerator
from core.training.optimizer import learning_rate, make_optimizer
from core.training.step import StepData

MASKED = 0.15  # of the attribute values, as in BERT
MASKED_WEIGHT = 0.1  # of that loss beside the contrastive one, as in Recformer

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, eq=False)
class Guesses:
    """Tokens whose value was taken away, and what it was."""

    token: np.ndarray  # (m,) numbers of the n flat tokens
    value: np.ndarray  # (m,) value ids


def masked_values(sequences: Sequences, share: float, rng: np.random.Generator) -> tuple[Sequences, Guesses]:
    """`sequences` without a `share` of the single values (categories, flags, numbers, word pieces); their keys stay."""
    maskable = (sequences.type == TYPE_ATTRIBUTE) & (sequences.value > 0)
    token = np.flatnonzero(maskable & (rng.random(len(maskable)) < share))
    value, bins = sequences.value.copy(), sequences.bin.copy()
    value[token] = bins[token] = 0
    return replace(sequences, value=value, bin=bins), Guesses(token, sequences.value[token])


class Pretraining(nn.Module):
    """The model with a head that guesses values; the head is thrown away afterwards."""

    def __init__(self, model: ListingModel) -> None:
        super().__init__()
        self.model = model
        width = model.longformer.config.width
        self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(model.embedder.value.num_embeddings))

    def forward(
        self,
        masked: TokenBatch,
        guesses: Guesses,
        whole: TokenBatch,
        tables: tuple[torch.Tensor, torch.Tensor],
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits (m, V) of the guesses, and the embeddings (B, d) of `masked` and (F, d) of `whole`, L2-normalised."""
        hidden = self.model.hidden(masked, *tables)  # (B, S, d)
        places = masked.place[torch.from_numpy(guesses.token).to(hidden.device)]
        found = self.head(hidden.flatten(0, 1)[places])  # (m, d)
        logits = F.linear(found, self.model.embedder.value.weight, self.bias)
        return logits, F.normalize(hidden[:, 0].float(), dim=-1), self.model(whole, *tables)


def pretraining_loss(
    both: nn.Module,
    data: StepData,
    known: np.ndarray,
    step: int,
    settings: Settings,
    tables: tuple[torch.Tensor, torch.Tensor],
    stream: int = 0,
) -> torch.Tensor:
    """The loss of step number `step`: `batch` pairs of consecutive listings, and `fresh` listings of `known` to guess.

    Pairs are the newest listing of a training history and the very next one. The next listings of the other pairs are
    negatives, but for those of the same user's training period. `stream` tells apart processes that share a step.
    """
    config = settings.training
    rng = np.random.default_rng([data.seed, 3, step, stream])
    device = tables[0].device
    rows = rng.choice(len(data.examples), min(config.batch, len(data.examples)), replace=False)
    before = data.log.listing[data.examples.end[rows] - 1]  # (B,)
    following = data.examples.positive[rows, 0]  # (B,)
    columns, place = np.unique(following, return_inverse=True)
    positive = np.arange(len(columns))[None, :] == place[:, None]  # (B, F)
    negative = ~exclusions(data.examples, data.log, rows, columns, history_too=True) & ~positive
    more = rng.choice(known, min(config.fresh, len(known)), replace=False)
    sequences, guesses = masked_values(data.inputs.listings(np.concatenate([before, more])), MASKED, rng)
    with mixed_precision(config.bf16, device):
        logits, one, other = both(
            TokenBatch(sequences, device), guesses, TokenBatch(data.inputs.listings(columns), device), tables
        )
    scores = one[: len(rows)] @ other.float().T / config.temperature  # (B, F)
    masks = (torch.from_numpy(mask).to(device) for mask in (positive, negative, place))
    loss = LOSSES["next"](scores, *masks)
    if len(guesses.token):
        value = torch.from_numpy(guesses.value.astype(np.int64)).to(device)
        loss = loss + MASKED_WEIGHT * F.cross_entropy(logits.float(), value)
    return loss


def pretrain(
    model: ListingModel,
    data: StepData,
    known: np.ndarray,
    settings: Settings,
    run: Path,
    resume: bool,
    report: Report,
) -> None:
    """Train `model` in place for `pretrain_steps`; `known` (n,) are the listings of the training period.

    `run/.training/pretrain.safetensors` is written every `checkpoint_every` steps and at the end, and `resume` goes on
    from it with the same result.
    """
    config = settings.training
    accelerator = make_accelerator()
    device, rank = accelerator.device, accelerator.process_index
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    whole = Pretraining(model)
    bare_optimizer = make_optimizer(whole, config.learning_rate, config.weight_decay)
    both, optimizer = accelerator.prepare(whole, bare_optimizer)
    tables, step = data.inputs.tensors(device), 0
    state_file = run / ".training" / "pretrain.safetensors"
    if resume and state_file.is_file():
        _, head = load_state(state_file, whole, optimizer)
        step = int(head["step"])
    both.train()
    while step < config.pretrain_steps:
        torch.manual_seed((settings.seed * 1_000_003 + step) * accelerator.num_processes + rank + 500_009)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config.pretrain_steps, config.warmup, config.learning_rate)
        loss = pretraining_loss(both, data, known, step, settings, tables, rank)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(both.parameters(), config.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        report(
            {
                "stage": "pre-training",
                "done": step,
                "total": config.pretrain_steps,
                "loss": float(loss.detach()),
            }
        )
        last = step == config.pretrain_steps
        if (last or step % config.checkpoint_every == 0) and accelerator.is_main_process:
            save_state(state_file, whole, optimizer, {}, {"step": step})
    accelerator.wait_for_everyone()
