"""Single-stage fine-tuning: InfoNCE against an item bank that is re-encoded every N steps, early stopping, resumable."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs

from core.errors import VibesError
from core.market.splits import Split
from core.model.checkpoint import load_state, save_state, save_weights
from core.model.encoder import ListingModel, mixed_precision
from core.model.settings import Settings
from core.training.examples import epoch_batches
from core.training.step import BothSides, ItemBank, StepData, step_loss

#: Called with a dictionary after every step and validation; what it prints is its own affair.
Report = Callable[[dict[str, Any]], None]


@dataclass
class Progress:
    """Where a training stands; part of every checkpoint."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # of the epoch, the next to come
    best: float = -1.0
    best_step: int = 0
    worse: int = 0  # validations since the best one
    bank_step: int = -1  # step at which the bank was last encoded
    finished: bool = False


def learning_rate(step: int, planned: int, warmup: int, peak: float) -> float:
    """Linear warm-up, then a cosine down to a twentieth of the peak at the last planned step."""
    if step < warmup:
        return peak * (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, planned - warmup))
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))


def finetune(
    model: ListingModel,
    data: StepData,
    split: Split,
    settings: Settings,
    run: Path,
    validate: Callable[[ListingModel], float],
    resume: bool,
    report: Report,
) -> Progress:
    """Train `model` in place and leave the weights of the best validation in `run/model.safetensors`.

    A checkpoint `run/.training/state.safetensors` is written every `checkpoint_every` steps; with `resume` the
    training goes on from it and ends with the same weights as one that was never stopped.

    Raises:
        VibesError: nothing to train on, or the loss is no longer a number.
    """
    config = settings.training
    if not len(data.examples):
        raise VibesError(
            "No user has two different listings in the training period, so there is nothing to learn from; "
            "bring more events or a later end of training."
        )
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(),
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        step_scheduler_with_optimizer=False,
    )
    device = accelerator.device
    # Sums in a fixed order, so that the same seed gives the same weights on several threads, too.
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    width = model.longformer.config.width
    optimizer = torch.optim.AdamW(
        _groups(model, config.weight_decay), lr=config.learning_rate, betas=(0.9, 0.98)
    )
    both, optimizer = accelerator.prepare(BothSides(model), optimizer)
    photos, texts = data.inputs.tensors(device)
    lengths = data.inputs.history_lengths(data.examples.start, data.examples.end)
    world, rank = accelerator.num_processes, accelerator.process_index

    def batches(epoch: int) -> list[np.ndarray]:
        found = epoch_batches(
            data.examples, lengths, config.batch, config.histories_per_user, settings.seed, epoch
        )
        return found[: len(found) // world * world] if len(found) >= world else found * world

    progress, bank = Progress(), None
    state_file, log_file = run / ".training" / "state.safetensors", run / "train.jsonl"
    if resume and state_file.is_file():
        extra, head = load_state(state_file, model, optimizer)
        progress = Progress(**head)
        if "bank" in extra:
            bank = ItemBank(data.warm, extra["bank"].to(device))
    lines = _Lines(log_file, progress.step, accelerator.is_main_process)
    planned = min(config.max_steps, config.max_epochs * len(batches(0)) // world)
    started, begun = time.monotonic(), progress.step
    both.train()
    while not progress.finished and progress.epoch < config.max_epochs:
        todo = batches(progress.epoch)[rank::world]
        while progress.batch < len(todo) and not progress.finished:
            if config.bank_size and (bank is None or progress.step - progress.bank_step >= config.bank_every):
                bank = ItemBank.encode(model, data.inputs, data.warm, width, bf16=config.bf16, device=device)
                progress.bank_step = progress.step
            torch.manual_seed(
                (settings.seed * 1_000_003 + progress.step) * world + rank
            )  # dropout, so that resuming is exact
            rate = learning_rate(progress.step, planned, config.warmup, config.learning_rate)
            for group in optimizer.param_groups:
                group["lr"] = rate
            with mixed_precision(config.bf16, device):
                loss = step_loss(both, data, bank, todo[progress.batch], progress.step, config, photos, texts)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise VibesError(
                    f"The loss became {value} at step {progress.step}; lower training.learning_rate "
                    f"({config.learning_rate}) and train again."
                )
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(both.parameters(), config.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            progress.step += 1
            progress.batch += 1
            spent = time.monotonic() - started
            entry: dict[str, Any] = {
                "step": progress.step,
                "epoch": progress.epoch,
                "loss": value,
                "rate": rate,
            }
            left = spent / (progress.step - begun) * max(planned - progress.step, 0)
            report({**entry, "planned": planned, "eta_s": left, "best": progress.best})
            lines.write(entry)
            progress.finished = progress.step >= planned
            inside = progress.batch < len(todo)  # the end of an epoch validates anyway
            if (inside and progress.step % config.validate_every == 0) or progress.finished:
                _validate(progress, model, validate, run, config.patience, report, lines, accelerator)
            if progress.step % config.checkpoint_every == 0 and accelerator.is_main_process:
                _checkpoint(state_file, model, optimizer, bank, progress)
        if not progress.finished:
            progress.epoch, progress.batch = progress.epoch + 1, 0
            _validate(progress, model, validate, run, config.patience, report, lines, accelerator)
    progress.finished = True
    if accelerator.is_main_process:
        if not (run / "model.safetensors").is_file():
            save_weights(run / "model.safetensors", model)
        _checkpoint(state_file, model, optimizer, None, progress)
    accelerator.wait_for_everyone()
    return progress


def _groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices of linear layers; none for biases, norms and embedding tables."""
    decayed: list[torch.nn.Parameter] = []
    plain: list[torch.nn.Parameter] = []
    tables = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and id(parameter) not in tables and not name.endswith("slope")
        (decayed if is_matrix else plain).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def _validate(
    progress: Progress,
    model: ListingModel,
    validate: Callable[[ListingModel], float],
    run: Path,
    patience: int,
    report: Report,
    lines: "_Lines",
    accelerator: Accelerator,
) -> None:
    recall = validate(model)
    better = recall > progress.best or math.isnan(recall)  # nothing to validate on: the last weights stay
    if better:
        progress.best, progress.best_step, progress.worse = float(np.nan_to_num(recall)), progress.step, 0
        if accelerator.is_main_process:
            save_weights(run / "model.safetensors", model)
    else:
        progress.worse += 1
        progress.finished = progress.finished or progress.worse >= patience
    entry = {"step": progress.step, "epoch": progress.epoch, "validation recall@30": recall}
    report({**entry, "best": progress.best, "best_step": progress.best_step})
    lines.write(entry)


def _checkpoint(
    path: Path,
    model: ListingModel,
    optimizer: torch.optim.Optimizer,
    bank: ItemBank | None,
    progress: Progress,
) -> None:
    extra = {"bank": bank.vectors} if bank is not None else {}
    save_state(path, model, optimizer, extra, vars(progress))


class _Lines:
    """`train.jsonl`, one line a step; on resuming, lines after the checkpoint are dropped."""

    def __init__(self, path: Path, step: int, main: bool) -> None:
        self.path, self.main, kept = path, main, []
        if not main:
            return
        if step and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line)["step"] <= step:
                        kept.append(line)
                except (ValueError, KeyError):  # the line that was being written when the process was killed
                    break
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def write(self, entry: dict[str, Any]) -> None:
        if self.main:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
