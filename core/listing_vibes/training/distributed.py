"""Distributed training under `accelerate launch` or `torchrun`: each process computes a part, and all have the same weights.

The batch is the same as with one process: each process encodes a part of its histories and listings and scores against all
listings, and the loss and the gradients are summed. A single process communicates nothing.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor
from torch import distributed as dist
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from listing_vibes.device import CPU, device, keep_freed_memory, place

#: The timeout of processes that wait for one, which may embed all photos of a large market.
PATIENCE = timedelta(days=7)


def launched() -> PartialState:
    """Return the state of `accelerate`, which joins the launched processes on the first call."""
    return PartialState(cpu=device().type != "cuda", timeout=PATIENCE)


@contextmanager
def reproducible() -> Iterator[None]:
    """Make a seed reproducible on several threads within the block."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=device().type != "cpu")
    memory.fill_uninitialized_memory = False  # This code never reads uninitialized memory.
    keep_freed_memory()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        memory.fill_uninitialized_memory = fill


@dataclass(frozen=True)
class Processes:
    """The rank, the number of processes and the device of this process."""

    rank: int = 0
    world: int = 1
    device: torch.device = CPU

    @classmethod
    def launched(cls) -> "Processes":
        """Return the rank, number and device of the processes that `torchrun` started; without it, one process on the set device."""
        state = launched()
        where = torch.device(state.device) if state.num_processes > 1 else device()
        return cls(state.process_index, state.num_processes, where)

    @property
    def is_main(self) -> bool:
        """Return whether this process writes files."""
        return self.rank == 0

    def mine(self, count: int) -> np.ndarray:
        """Return which of `count` items this process computes: every `world`-th, so that sorted work is balanced."""
        return np.arange(self.rank, count, self.world)

    def gather(self, part: Tensor, count: int) -> Tensor:
        """Return all rows (count, d) in order, with gradient, from the rows `mine(count)` (m, d) of every process."""
        if self.world == 1:
            return part
        from torch.distributed.nn.functional import all_gather

        if torch.is_grad_enabled():  # A process without rows also takes part in the backward pass.
            part = part if part.requires_grad else part.detach().requires_grad_()
        most = -(-count // self.world)
        padded = torch.cat([part, part.new_zeros((most - len(part), *part.shape[1:]))])
        # Row i is number i // world of process i % world.
        return torch.stack(list(all_gather(padded)), dim=1).flatten(0, 1)[:count]

    def total(self, value: float) -> float:
        """Return the sum of `value` over the processes."""
        if self.world == 1:
            return value
        summed = place(np.array([value], np.float64), self.device)
        dist.all_reduce(summed)
        return float(summed)

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sum the gradients over the processes, in one message, since each has the latency of both processes."""
        if self.world == 1:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [cast(Tensor, parameter.grad) for parameter in trained]
        summed = parameters_to_vector(gradients)
        dist.all_reduce(summed)
        vector_to_parameters(summed, gradients)
