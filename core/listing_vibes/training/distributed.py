"""The processes of one training under `accelerate launch` or `torchrun`: each takes its part, all end with the same weights.

The batch is that of one process: each encodes a part of its histories and listings, all score against all listings, and the
loss and the gradients are summed. Where there is one process nothing is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor
from torch import distributed as dist

from listing_vibes.device import CPU, device, keep_freed_memory, place

#: How long the processes wait for one of them, which may embed all photos of a large market.
PATIENCE = timedelta(days=7)


def launched() -> PartialState:
    """Return what `accelerate launch` or `torchrun` says of the processes, joined at the first call."""
    return PartialState(cpu=device().type != "cuda", timeout=PATIENCE)


@contextmanager
def reproducible() -> Iterator[None]:
    """Let the same seed give the same weights on several threads, too; afterwards torch is as before."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=device().type != "cpu")
    memory.fill_uninitialized_memory = False  # nothing here reads memory that was never written
    keep_freed_memory()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        memory.fill_uninitialized_memory = fill


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is, and where it trains."""

    rank: int = 0
    world: int = 1
    device: torch.device = CPU

    @classmethod
    def launched(cls) -> Processes:
        """Return the processes that were launched: one a GPU (NCCL), or on CPUs (gloo)."""
        state = launched()
        where = torch.device(state.device) if state.num_processes > 1 else device()
        return cls(state.process_index, state.num_processes, where)

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def mine(self, count: int) -> np.ndarray:
        """Return which of `count` pieces of work are this process's: every `world`-th, so that sorted work is shared evenly."""
        return np.arange(self.rank, count, self.world)

    def gather(self, own: Tensor, count: int) -> Tensor:
        """Return rows `mine(count)` of every process, (m, d), as all (count, d) in order, with gradient."""
        if self.world == 1:
            return own
        if torch.is_grad_enabled() and not own.requires_grad:
            own = own.detach().requires_grad_()  # a process without rows takes part in the backward pass, too
        from torch.distributed.nn.functional import all_gather

        most = -(-count // self.world)
        padded = torch.cat([own, own.new_zeros((most - len(own), *own.shape[1:]))])
        parts = all_gather(padded) if own.requires_grad else self._gather_values(padded)
        return torch.stack(list(parts), dim=1).flatten(0, 1)[
            :count
        ]  # row i is number i // world of process i % world

    def _gather_values(self, padded: Tensor) -> list[Tensor]:
        parts = [torch.empty_like(padded) for _ in range(self.world)]
        dist.all_gather(parts, padded)
        return parts

    def total(self, values: Any) -> np.ndarray:
        """Return the sum of each of `values` (n,) over the processes, float64."""
        own = np.asarray(values, np.float64)
        if self.world == 1:
            return own
        summed = place(own, self.device)
        dist.all_reduce(summed)
        return summed.cpu().numpy()

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add up the gradients of the processes."""
        if self.world == 1:
            return
        for parameter in parameters:
            if parameter.requires_grad:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                dist.all_reduce(parameter.grad)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            dist.barrier()
