"""The loop of training steps: InfoNCE over fresh listings and an item bank, early stopping, resumable; AdamW with weight
decay for matrices only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from listing_vibes.device import place
from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import PREFIX
from listing_vibes.model.checkpoint import load_state, load_weights, save_state, save_weights
from listing_vibes.model.encoder import encode_listings
from listing_vibes.model.model import ListingModel, TokenEmbedder
from listing_vibes.model.settings import Resolved
from listing_vibes.model.user_encoders import USER_ENCODERS
from listing_vibes.progress import Notice, Report, Trained, Validated
from listing_vibes.registry import load
from listing_vibes.training.batches import Batch, Epoch, WindowBatches
from listing_vibes.training.checkpoints import Checkpoints, TrainingLog, TrainingState
from listing_vibes.training.distributed import Processes, launched
from listing_vibes.training.step import StepData, step_loss

WEIGHT_DECAY = 0.01
#: The share of the learning rate of trained photo encoder stages.
PHOTO_RATE = 0.1
#: The maximum gradient norm.
CLIP = 1.0
#: A function that returns recall@30 of a model on validation, and smooth recall@30.
Validate = Callable[[ListingModel], tuple[float, float]]
WEIGHTS = "model.safetensors"
#: The prefix of the averaged weights in a checkpoint.
AVERAGE = "average/"
#: The mean cosine of listings above which embeddings have collapsed.
ALIKE = 0.995


def make_optimizer(model: nn.Module, rate: float, value_rate: float = 1.0) -> torch.optim.AdamW:
    """Return AdamW with weight decay for the matrices of linear layers, but not for biases, norms and embedding tables.

    Each group has a `share` of the learning rate: `PHOTO_RATE` for the stages of a photo encoder, `value_rate` for the tables of
    attribute values.
    """
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    values = {id(m.value.weight) for m in model.modules() if isinstance(m, TokenEmbedder)}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}  # by share and weight decay
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and id(parameter) not in tables and not name.endswith("slope")
        if name.startswith(PREFIX):
            key = (PHOTO_RATE, 0.0)
        elif id(parameter) in values:
            key = (value_rate, 0.0)
        else:
            key = (1.0, WEIGHT_DECAY if is_matrix else 0.0)
        groups.setdefault(key, []).append(parameter)
    settings: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": decay, "share": share}
        for (share, decay), parameters in groups.items()
    ]
    return torch.optim.AdamW(settings, lr=rate, betas=(0.9, 0.98), fused=True)


def take_step(optimizer: torch.optim.Optimizer, model: nn.Module, rate: float) -> None:
    """Clip the gradients and update the weights with the learning rate times each group's share."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def learning_rate(step: int, planned: int, warmup: int, peak: float) -> float:
    """Return the learning rate: a linear warm-up, then a cosine decay to a twentieth of the peak at the last planned step.

    It is the cosine of `transformers.get_cosine_with_min_lr_schedule_with_warmup`, which however has a rate of 0 in its first step,
    increases after the last planned step, and has a state to store in every checkpoint.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, planned - warmup))
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))


class Optimization:
    """A training of `model` in place, which keeps the weights of the best validation: in `run/model.safetensors`, or in memory.

    Without `validate` these are the last weights.

    The bank is encoded every `bank_every` steps, or less often if that would take over a quarter of the time.

    With a folder `run`, a checkpoint `run/.training/state.safetensors` is written every `checkpoint_every` steps, every minute, and when SIGTERM or
    Ctrl-C ends the training; `resume` continues from it, with the same final weights as without the interruption.

    Raises:
        VibesError: there are no examples; in `train`, the loss is not finite, or the embeddings collapsed.
    """

    def __init__(
        self,
        model: ListingModel,
        data: StepData,
        settings: Resolved,
        run: Path | None,
        validate: Validate | None,
        resume: bool,
        report: Report,
    ) -> None:
        if not len(data.examples):
            raise VibesError(
                "No user has two different listings in the training period, so there is nothing to learn from; "
                "add events or set a later end of training."
            )
        self.model, self.settings, self.config = model, settings, settings.training
        self.data, self.run, self.validate, self.report = data, run, validate, report
        self.processes = Processes.launched()
        model.to(self.processes.device)
        config = self.config
        self.optimizer = make_optimizer(model, config.learning_rate, config.value_rate)
        self.tables = data.inputs.tensors(self.processes.device)
        self.state = TrainingState()
        self.bank: torch.Tensor | None = None  # (W, d) embeddings of the warm listings, without gradient
        self.best: dict[str, torch.Tensor] | None = None  # the weights, in memory
        self.state_file = None if run is None else run / ".training" / "state.safetensors"
        tensors: dict[str, torch.Tensor] = {}
        if resume and self.state_file is not None and self.state_file.is_file():
            tensors, head = load_state(self.state_file, model, self.optimizer)
            self.state = TrainingState(**head)
            if "bank" in tensors:
                self.bank = tensors["bank"].to(self.processes.device)
            data.photos.restore(tensors, self.processes.device)
        self._restored()
        self.average = self._new_average()
        averaged = {n.removeprefix(AVERAGE): t for n, t in tensors.items() if n.startswith(AVERAGE)}
        if self.average is not None and averaged:
            self.average.load_state_dict(averaged)
        writes = run is not None and self.processes.is_main
        self.log = TrainingLog(run / "train.jsonl" if run is not None and writes else None, self.state.step)
        self.drawn = data  # the data of the steps between two encodings of the bank
        self.batches: WindowBatches = load(USER_ENCODERS[settings.history].batches)()
        first = self._start_epoch(0)
        self.epochs = round(config.max_epochs / self.batches.passes(data.examples, data.inputs))
        self.planned = min(config.max_steps, self.epochs * len(first))  # steps of the learning rate schedule
        self.until = min(self.planned, config.stop_after or self.planned)  # maximum number of steps
        self.bank_every = self._steps_between(first, data.warm, config.bank_every)
        # In a large market a validation encodes more listings than many steps do.
        least = self._steps_between(first, np.arange(data.log.listings), 1)
        # A small market has its best weights early, so it is validated more often.
        often = min(config.validate_every, max(1, self.planned // config.validations))
        self.validate_every = max(often, least)
        self.patience = config.patience * max(config.validate_every, least)  # in steps
        self.checkpoints = Checkpoints(config.checkpoint_every, self._checkpoint if writes else None, report)
        if resume:
            report(Notice(f"The interrupted training continues from step {self.state.step} of {self.until}."))

    @property
    def begin(self) -> tuple[int, int]:
        """Return the first step and the first epoch of the learning rate schedule."""
        return 0, 0

    @property
    def end(self) -> int:
        """Return the last step of the learning rate schedule."""
        return int(self.planned)

    def _restored(self) -> None:
        """Prepare the model for the restored state, before its weights are averaged."""

    @property
    def evaluated(self) -> ListingModel:
        """Return the model that is validated and saved, with averaged weights unless averaging is off."""
        return self.model if self.average is None else cast(ListingModel, self.average.module)

    def train(self, coverage: str = "") -> TrainingState:
        """Run the remaining steps.

        A model with a warm start (`coverage` of its weights) is validated before its first step, so that these weights stay if no
        step improves on them.
        """
        state = self.state
        self.first_step, self.started = state.step, time.monotonic()
        self.model.train()
        if coverage and not state.step:
            self.log.write({"step": 0, "carried": coverage})
            self._validate()
        with self.checkpoints.handle_signals():
            self._run()
            if not self._has_weights():
                self._save_weights()
            self._save_state({})
        launched().wait_for_everyone()
        return state

    def _run(self) -> None:
        """Take all remaining steps."""
        if not self.state.finished:
            self._train_until(self.planned)
            self.state.finished = True

    def _train_until(self, last: int) -> None:
        """Take steps until the step `last`, or until validation has not improved for long."""
        state, last = self.state, min(last, self.until)
        over = state.step >= last or state.worse >= self.patience
        while not over and state.epoch - self.begin[1] < self.epochs:
            epoch = self._start_epoch(state.epoch)
            while state.batch < len(epoch) and not over:
                self._step(epoch[state.batch])
                over = state.step >= last
                if state.step % self.validate_every == 0 or over:
                    over = self._validate() or over
                state.finished = over and self._is_last()
                self.checkpoints.after_step(state.step)
            if not over:
                state.epoch, state.batch = state.epoch + 1, 0
        if not over:
            self._validate()

    def _is_last(self) -> bool:
        """Return whether the training ends with these steps."""
        return True

    def _start_epoch(self, epoch: int) -> Epoch:
        """Return the batches of an epoch, which index its data."""
        config, rng = self.config, np.random.default_rng([self.settings.seed, epoch])
        self.epoch_data = self.data.in_epoch(epoch)
        self.drawn_at = -1
        examples, inputs = self.epoch_data.examples, self.epoch_data.inputs
        draw = None if self.data.mix is None else self.data.mix.draw
        return self.batches.epoch(examples, inputs, config.batch, config.window_listings, rng, draw)

    def _steps_between(self, epoch: Epoch, rows: np.ndarray, at_least: int) -> int:
        """Return the number of steps between two encodings of the listings `rows`, at least `at_least`.

        Training on a token costs about as much as encoding three, so encoding listings with as many tokens as all of these steps
        takes a quarter of the time.
        """
        inputs, warm = self.data.inputs, self.data.warm
        history_tokens = float(inputs.history_lengths(epoch.first, epoch.end).sum()) / len(epoch)
        fresh = min(self.config.fresh, len(warm)) * float(inputs.listing_lengths(warm).mean())
        return max(at_least, math.ceil(float(inputs.listing_lengths(rows).sum()) / (history_tokens + fresh)))

    def _step(self, batch: Batch) -> None:
        state, config = self.state, self.config
        self._refresh()
        # The seed of dropout, so that resuming is exact.
        torch.manual_seed(self.settings.seed * 1_000_003 + state.step + 7919 * self.processes.rank)
        first, _ = self.begin
        rate = learning_rate(state.step - first, self.end - first, config.warmup, config.learning_rate)
        loss, value = self._loss(batch)
        if loss.requires_grad:  # A process may have no history of a small batch.
            loss.backward()
        self.processes.sum_gradients(self.model.parameters())
        take_step(self.optimizer, self.model, rate)
        if self.average is not None:
            self.average.update_parameters(self.model)
        state.step += 1
        state.batch += 1
        check_finite("loss", value, state.step, config.learning_rate)
        spent = time.monotonic() - self.started
        left = spent / (state.step - self.first_step) * max(self.until - state.step, 0)
        self.report(Trained(state.step, self.until, value, left))
        self.log.write({"step": state.step, "epoch": state.epoch, "loss": value, "rate": rate})

    def _loss(self, batch: Batch) -> tuple[torch.Tensor, float]:
        """Return the loss of a step, see `listing_vibes.training.step.step_loss`."""
        config, tables = self.config, self.tables
        return step_loss(
            self.model, self.drawn, self.bank, batch, self.state.step, config, tables, self.processes
        )

    def _refresh(self) -> None:
        """Update all inputs without gradient: the bank, vectors of trained photos, the buckets of several markets."""
        state = self.state
        self.data.photos.renew(self.model, self.processes, state.step, self.bank_every)
        renew = self.config.bank_size > 0 and self._bank_is_old()
        if renew:
            state.bank_step = state.step
        draw = state.bank_step if self.config.bank_size else state.step // self.bank_every
        if self.drawn_at != draw:
            self.drawn, self.drawn_at = self.epoch_data.with_buckets(max(draw, 0)), draw
        if renew:
            self.bank = self._encode_bank()
            cosine = float(self.bank.mean(0).square().sum())  # the mean over all pairs of listings
            if state.step - self.begin[0] > self.config.warmup and cosine > ALIKE:
                raise VibesError(
                    f"The training collapsed: at step {state.step} listing embeddings have a mean cosine of {cosine:.4f}. If almost all "
                    "listings have the same values, add columns that differ; otherwise lower training.learning_rate "
                    f"({self.config.learning_rate}) or raise training.fresh ({self.config.fresh}), and train again in another folder."
                )

    def _bank_is_old(self) -> bool:
        return self.bank is None or self.state.step - self.state.bank_step >= self.bank_every

    @torch.no_grad()
    def _encode_bank(self) -> torch.Tensor:
        """Return the embeddings (W, d) of the warm listings, of which each process encodes a part."""
        inputs, warm = self.data.photos.current(self.drawn.inputs), self.data.warm
        rows = warm[self.processes.mine(len(warm))]
        part = encode_listings(self.model, inputs, rows, dtype=self.config.dtype)
        return self.processes.gather(place(part, self.processes.device), len(warm))

    def _validate(self) -> bool:
        """Validate, save the weights if they are the best so far, and return whether to stop early."""
        state = self.state
        if self.validate is None:
            state.best_step = state.step
            self._save_weights()
            return False
        recall, smooth = self.validate(self.evaluated)
        check_finite("validation", smooth, state.step, self.config.learning_rate)
        if smooth > state.best_smooth:
            state.best, state.best_smooth = recall, smooth
            state.best_step, state.worse = state.step, 0
            self._save_weights()
        else:
            state.worse = state.step - max(state.best_step, self.begin[0])
        self.report(Validated(state.step, recall, smooth, state.best_step, state.best_smooth))
        self.log.write(
            {
                "step": state.step,
                "epoch": state.epoch,
                "validation recall@30": recall,
                "validation smooth recall@30": smooth,  # the selection criterion
            }
        )
        return state.worse >= self.patience

    def _new_average(self) -> AveragedModel | None:
        """Return an exponential moving average of the weights, which reduces the noise of single steps."""
        decay = self.config.average
        return AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None

    def _has_weights(self) -> bool:
        """Return whether weights are kept."""
        return self.best is not None or (self.run is not None and (self.run / WEIGHTS).is_file())

    def _save_weights(self) -> None:
        """Keep the weights: one process writes them into the folder; without one, each has them in memory."""
        if self.run is None:
            self.best = {
                name: tensor.detach().clone() for name, tensor in self.evaluated.state_dict().items()
            }
        elif self.processes.is_main:
            save_weights(self.run / WEIGHTS, self.evaluated)

    def load_best(self) -> ListingModel:
        """Return the model with the weights that are kept."""
        if self.run is None:
            self.model.load_state_dict(self.best or {})
        else:
            load_weights(self.run / WEIGHTS, self.model)
        return self.model

    def _checkpoint(self) -> None:
        tensors = {} if self.bank is None else {"bank": self.bank}
        tensors |= self.data.photos.state()
        if self.average is not None:
            tensors |= {AVERAGE + name: tensor for name, tensor in self.average.state_dict().items()}
        self._save_state(tensors)

    def _save_state(self, tensors: dict[str, torch.Tensor]) -> None:
        if self.state_file is not None and self.processes.is_main:
            save_state(self.state_file, self.model, self.optimizer, tensors, vars(self.state))


def check_finite(what: str, value: float, step: int, learning_rate: float) -> None:
    """Check that the `value` of `what` after `step` steps is finite.

    Raises:
        VibesError: it is not finite, so no later value will be.
    """
    if not math.isfinite(value):
        raise VibesError(
            f"The {what} became {value} at step {step}; lower training.learning_rate ({learning_rate}) and train again."
        )
