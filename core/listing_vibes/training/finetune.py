"""Fine-tuning: InfoNCE over fresh listings and an item bank, in one stage or two, early stopping, resumable."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from listing_vibes.errors import VibesError
from listing_vibes.model.checkpoint import load_state, load_weights, save_state, save_weights
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Notice, Report, Trained, Validated
from listing_vibes.training.bank import ItemBank
from listing_vibes.training.baskets import in_epoch
from listing_vibes.training.batches import Batch, Plan, history_batches, share_read, window_batches
from listing_vibes.training.checkpoints import Checkpoints
from listing_vibes.training.codes import redrawn
from listing_vibes.training.guard import check_bank, check_finite, check_loss
from listing_vibes.training.optimizer import CLIP, learning_rate, make_optimizer, set_rate
from listing_vibes.training.processes import Processes
from listing_vibes.training.state import Lines, TrainingState
from listing_vibes.training.step import StepData, step_loss

#: Recall@30 of a model on validation, and its smooth form.
Validate = Callable[[ListingModel], tuple[float, float]]

#: Histories an epoch from one user, at most, of a reader of sequences.
HISTORIES_PER_USER = 10
#: Before the names of the averaged weights in a checkpoint.
AVERAGE = "average/"


def finetune(
    model: ListingModel,
    data: StepData,
    settings: Resolved,
    run: Path,
    validate: Validate | None,
    resume: bool,
    report: Report,
    carried: str = "",
) -> TrainingState:
    """Train `model` in place and leave the weights of the best validation in `run/model.safetensors`.

    Without `validate` (nothing to validate on) they are the last weights.

    `single-stage`: the bank is re-encoded every `bank_every` steps, or as often as takes a quarter of the time.
    `two-stage` (Recformer, Li et al. 2023, algorithm 1): in the first half of the steps the bank is re-encoded each
    epoch; the second half begins from the best weights of the first, whose listing embeddings are frozen, as positives,
    as negatives and in the finished run, and trains the encoding of histories alone.

    A model that begins from trained weights (`carried` says what these know) is validated before its first step, so that they
    stay where no step betters them.

    A checkpoint `run/.training/state.safetensors` is written every `checkpoint_every` steps, every minute, and when SIGTERM or
    Ctrl-C ends the training; with `resume` it goes on from there and ends with the same weights as one that was never stopped.

    Raises:
        VibesError: nothing to train on, the loss is no longer a number, or the training collapsed.
    """
    if not len(data.examples):
        raise VibesError(
            "No user has two different listings in the training period, so there is nothing to learn from; "
            "bring more events or a later end of training."
        )
    return _Finetuning(model, data, settings, run, validate, report, resume).train(carried)


class _Finetuning:
    def __init__(
        self,
        model: ListingModel,
        data: StepData,
        settings: Resolved,
        run: Path,
        validate: Validate | None,
        report: Report,
        resume: bool,
    ) -> None:
        self.model, self.settings, self.config = model, settings, settings.training
        self.source = self.data = data  # as it comes, and as the epoch reads it
        self.coded: tuple[StepData, int, StepData] | None = None
        self.run, self.validate, self.report = run, validate, report
        self.processes = Processes.launched()
        self.device = self.processes.device
        model.to(self.device)
        config = self.config
        self.optimizer = make_optimizer(model, config.learning_rate, config.rate_of_values)
        self.tables = data.inputs.tensors(self.device)
        self.state, self.bank = TrainingState(), None
        self.state_file = run / ".training" / "state.safetensors"
        kept: dict[str, torch.Tensor] = {}
        if resume and self.state_file.is_file():
            kept, head = load_state(self.state_file, model, self.optimizer)
            self.state = TrainingState(**head)
            if "bank" in kept:
                self.bank = ItemBank(data.warm, kept["bank"].to(self.device))
            if data.photos is not None and "photos" in kept:
                data.photos.table = kept["photos"].to(self.device)
        model.frozen = self.state.stage == 2
        self.average = self._new_average()
        averaged = {n.removeprefix(AVERAGE): tensor for n, tensor in kept.items() if n.startswith(AVERAGE)}
        if self.average is not None and averaged:
            self.average.load_state_dict(averaged)
        self.lines = Lines(run / "train.jsonl", self.state.step, self.processes.main)
        batches = self.batches(0)
        self.epochs = self._epochs()
        self.planned = min(self.config.max_steps, self.epochs * len(batches))  # by the schedule
        self.until = min(self.planned, self.config.stop_after or self.planned)  # steps made, at most
        self.checkpoints = Checkpoints(
            config.checkpoint_every, self._checkpoint if self.processes.main else None, report
        )
        if resume:
            report(Notice(f"The interrupted training goes on from step {self.state.step} of {self.until}."))
        self.bank_every = self._steps_for(batches, self.data.warm, self.config.bank_every)
        everything = np.arange(data.log.listings)  # what a validation encodes, at most
        self.least_between = self._steps_for(batches, everything, 1)

    @property
    def two_stage(self) -> bool:
        return self.config.recipe == "two-stage"

    @property
    def reads_bank(self) -> bool:
        """Whether the steps of this stage read vectors of the item bank; in stage 2 all listings are as they stand there."""
        return self.state.stage == 2 or self.config.needs_bank

    @property
    def stage_end(self) -> int:
        """The step at which this stage ends, at the latest."""
        return max(1, self.planned // 2) if self.two_stage and self.state.stage == 1 else self.planned

    @property
    def stopping(self) -> int:
        """The step at which this stage stops: its end, or before it where so many steps were asked for."""
        return min(self.stage_end, self.until)

    @property
    def validate_every(self) -> int:
        """Steps between two validations: as configured, or fewer where few are planned. A small market has its best
        weights early, between two coarse ones. Of a large one a validation encodes more than many steps do, so that many
        lie between two."""
        often = min(self.config.validate_every, max(1, self.planned // self.config.validations))
        return max(often, self.least_between)

    @property
    def patience(self) -> int:
        """Steps without a better validation before stopping."""
        return self.config.patience * max(self.config.validate_every, self.least_between)

    @property
    def evaluated(self) -> ListingModel:
        """The model that is validated and saved: the average of the last steps' weights, or the weights as they are."""
        return self.model if self.average is None else cast(ListingModel, self.average.module)

    def _new_average(self) -> AveragedModel | None:
        """An exponential moving average of the weights: a step is noisy, and what it upsets the next one mends."""
        decay = self.config.average
        return AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay else None

    def _epochs(self) -> int:
        """How many epochs read the log `max_epochs` times: where users have more events than an epoch takes of one, each reads
        only a part of it, and a few users with hundreds would be trained on for less than a warm-up."""
        config, data = self.config, self.source
        if self.model.reads == "sequence":
            return config.max_epochs
        share = share_read(data.examples, data.inputs.max_listings)
        return round(config.max_epochs / share)

    def batches(self, epoch: int) -> Plan:
        """Those of an epoch, of whose `data` they are numbers."""
        config, seed = self.config, self.settings.seed
        self.data = in_epoch(self.source, epoch)
        examples, inputs = self.data.examples, self.data.inputs
        if self.model.reads == "sequence":
            lengths = inputs.history_lengths(examples.start, examples.end)
            return history_batches(
                examples, lengths, config.batch, HISTORIES_PER_USER, seed, epoch, self.data.mix
            )
        return window_batches(
            examples,
            inputs,
            config.batch,
            config.window_listings,
            seed,
            epoch,
            self.data.mix,
        )

    def train(self, carried: str = "") -> TrainingState:
        state = self.state
        self.begun, self.started = state.step, time.monotonic()
        self.model.train()
        if carried and not state.step:
            self.lines.write({"step": 0, "carried": carried})
            self._validate()
        with self.checkpoints.handle_signals():
            while not state.finished:
                self._stage()
                if self.two_stage and state.stage == 1:
                    self._second_stage()
                else:
                    state.finished = True
            if self.processes.main:
                if not (self.run / "model.safetensors").is_file():
                    self._save()
                self._checkpoint(bank=False)
        self.processes.wait()
        return state

    def _stage(self) -> None:
        """Train until this stage is over."""
        state = self.state
        over = state.step >= self.stopping or state.worse >= self.patience
        while not over and state.epoch - state.stage_epoch < self.epochs:
            todo = self.batches(state.epoch)
            while state.batch < len(todo) and not over:
                self._step(todo[state.batch])
                over = state.step >= self.stopping
                if state.step % self.validate_every == 0 or over:
                    over = self._validate() or over
                state.finished = over and not (self.two_stage and state.stage == 1)
                self.checkpoints.after_step(state.step)
            if not over:
                state.epoch, state.batch = state.epoch + 1, 0
        if not over:
            self._validate()

    def _step(self, batch: Batch) -> None:
        state, config = self.state, self.config
        self._refresh_photos()
        if self.reads_bank and self._bank_is_old():
            state.bank_step = state.step
            self.bank = self._encode_bank()
            check_bank(state, self.bank, config)
        # Dropout of attention, so that resuming is exact.
        torch.manual_seed(self.settings.seed * 1_000_003 + state.step)
        stage_step = state.step - state.stage_step
        rate = learning_rate(
            stage_step, self.stage_end - state.stage_step, config.warmup, config.learning_rate
        )
        set_rate(self.optimizer, rate)
        now = step_loss(
            self.model, self._coded(), self.bank, batch, state.step, config, self.tables,
            frozen=state.stage == 2, processes=self.processes,
        )  # fmt: skip
        if now.loss.requires_grad:  # a process may have no history of a small batch
            now.loss.backward()
        self.processes.sum_gradients(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update_parameters(self.model)
        state.step += 1
        state.batch += 1
        check_loss(state, now.value, now.candidates, config)
        entry: dict[str, Any] = {
            "step": state.step,
            "epoch": state.epoch,
            "loss": now.value,
            "rate": rate,
        }
        spent = time.monotonic() - self.started
        left = spent / (state.step - self.begun) * max(self.until - state.step, 0)
        self.report(Trained(state.step, self.until, now.value, left))
        self.lines.write(entry)

    def _steps_for(self, batches: Plan, rows: np.ndarray, at_least: int) -> int:
        """Steps between two encodings of the listings `rows`: `at_least`, or more where so many would take the time."""
        inputs, warm = self.data.inputs, self.data.warm
        history_tokens = inputs.history_lengths(batches.first, batches.end).sum() / len(batches)
        fresh = min(self.config.fresh, len(warm)) * inputs.listing_lengths(warm).mean()
        return ItemBank.steps_between(inputs, rows, history_tokens + fresh, at_least)

    def _bank_is_old(self) -> bool:
        state = self.state
        if self.bank is None:
            return True
        if self.two_stage:
            return state.stage == 1 and state.batch == 0 and state.bank_step != state.step
        return state.step - state.bank_step >= self.bank_every

    def _refresh_photos(self) -> None:
        """Photo vectors that train are encoded anew where the bank is, and before it."""
        photos, state = self.data.photos, self.state
        if photos is None:
            return
        if photos.table is None or state.step - state.photo_step >= self.bank_every:
            photos.refresh(self.model, self.processes)
            state.photo_step = state.step

    def _coded(self) -> StepData:
        """The data as read since the bank was last encoded."""
        drawn = self.state.bank_step if self.reads_bank else self.state.step // self.bank_every
        if self.coded is None or self.coded[:2] != (self.data, drawn):
            self.coded = (self.data, drawn, redrawn(self.data, max(drawn, 0)))
        return self.coded[2]

    def _encode_bank(self) -> ItemBank:
        width, inputs = self.model.longformer.config.width, self._coded().inputs
        return ItemBank.encode(
            self.model,
            inputs if self.data.photos is None else self.data.photos.inputs(inputs),
            self.data.warm,
            width,
            self.processes,
            dtype=self.config.dtype,
        )

    def _validate(self) -> bool:
        """Measure, keep the weights where they are the best so far, and say whether patience is at its end."""
        state = self.state
        if self.validate is None:
            state.best_step = state.step
            if self.processes.main:
                self._save()
            return False
        recall, smooth = self.validate(self.evaluated)
        check_finite("validation", smooth, state.step, self.config)
        if smooth > state.best_smooth:
            state.best, state.best_smooth = recall, smooth
            state.best_step, state.worse = state.step, 0
            if self.processes.main:
                self._save()
        else:
            state.worse = state.step - max(state.best_step, state.stage_step)
        entry = {
            "step": state.step,
            "epoch": state.epoch,
            "validation recall@30": recall,
            "validation smooth recall@30": smooth,  # what the weights are kept by
        }
        self.report(Validated(state.step, recall, smooth, state.best_step, state.best_smooth))
        self.lines.write(entry)
        return state.worse >= self.patience

    def _second_stage(self) -> None:
        """From the best weights so far, with their listings frozen; the checkpoint makes it a point of no return."""
        self.processes.wait()
        load_weights(self.run / "model.safetensors", self.model)
        self.model.frozen = True
        self.average = self._new_average()
        self.optimizer.state.clear()
        state = self.state
        state.stage, state.stage_step, state.stage_epoch = 2, state.step, state.epoch + 1
        state.epoch, state.batch, state.worse, state.above = state.epoch + 1, 0, 0, 0
        state.bank_step = state.step
        self.bank = self._encode_bank()
        if self.processes.main:
            self._checkpoint()

    def _save(self) -> None:
        if not self.evaluated.frozen:
            self.evaluated.sync_listing_side()
        save_weights(self.run / "model.safetensors", self.evaluated)

    def _checkpoint(self, bank: bool = True) -> None:
        extra = {"bank": self.bank.vectors} if bank and self.bank is not None else {}
        if bank and self.data.photos is not None and self.data.photos.table is not None:
            extra["photos"] = self.data.photos.table
        if bank and self.average is not None:
            extra |= {AVERAGE + name: tensor for name, tensor in self.average.state_dict().items()}
        save_state(self.state_file, self.model, self.optimizer, extra, vars(self.state))
