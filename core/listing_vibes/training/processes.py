"""The processes of one training under `accelerate launch` or `torchrun`: each takes its part, all end with the same.

A step of several processes is the step of one: the batch is the same, each process encodes a part of its histories and
listings, and the loss and the gradients are summed. Where there is one process nothing is sent.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor
from torch import distributed as dist

from listing_vibes.device import device, place
from listing_vibes.packed.machine import keep_memory

#: How long the processes wait for one of them, which may embed all photos of a large market; one that fails ends them all at once.
PATIENCE = timedelta(days=7)


def launched() -> PartialState:
    """What `accelerate launch` or `torchrun` says of the processes, joined at the first call."""
    return PartialState(cpu=device().type != "cuda", timeout=PATIENCE)


@contextmanager
def settings_of_torch() -> Iterator[None]:
    """Leaves torch as it was before a training, for whoever goes on in the same process, such as a notebook."""
    fixed, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(fixed, warn_only=warns)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is."""

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @classmethod
    def launched(cls) -> "Processes":
        """The processes that were launched: one a GPU (NCCL), or on CPUs (gloo); sums are made in a fixed order."""
        where = device()
        state = launched()
        if state.num_processes > 1:
            where = torch.device(state.device)
        # So that the same seed gives the same weights on several threads, too.
        torch.use_deterministic_algorithms(True, warn_only=where.type != "cpu")
        keep_memory()
        # Nothing here reads what nobody wrote.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        return cls(state.process_index, state.num_processes, where)

    @property
    def main(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def mine(self, count: int) -> np.ndarray:
        """Which of `count` pieces of work are this process's: every `world`-th, so that sorted work is shared evenly."""
        return np.arange(self.rank, count, self.world)

    def gather(self, own: Tensor, count: int) -> Tensor:
        """Rows `mine(count)` of every process, (m, d), to all of them, (count, d), in order, with gradient."""
        if self.world == 1:
            return own
        if torch.is_grad_enabled() and not own.requires_grad:
            own = own.detach().requires_grad_()  # a process without rows takes part in the backward pass, too
        found: Tensor = _Gather.apply(own, count, self)
        return found

    def total(self, values: Any) -> np.ndarray:
        """The sum of each of `values` (n,) over the processes, float64."""
        mine = np.asarray(values, np.float64)
        if self.world == 1:
            return mine
        summed = place(mine, self.device)
        dist.all_reduce(summed)
        return summed.cpu().numpy()

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add up what each process found, as if one had found it all; what no process used keeps no gradient."""
        if self.world == 1:
            return
        trained = [p for p in parameters if p.requires_grad]
        used = torch.tensor([p.grad is not None for p in trained], dtype=torch.int32, device=self.device)
        dist.all_reduce(used, dist.ReduceOp.MAX)
        trained = [p for p, some in zip(trained, used.tolist(), strict=True) if some]
        found = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        flat = torch.cat([g.flatten() for g in found])
        dist.all_reduce(flat)
        for p, g in zip(trained, flat.split([g.numel() for g in found]), strict=True):
            p.grad = g.view_as(p)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, count: int, processes: Processes) -> Tensor:
        ctx.processes = processes
        most = -(-count // processes.world)
        padded = own.new_zeros((most, *own.shape[1:]))
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in range(processes.world)]
        dist.all_gather(parts, padded)
        return torch.stack(parts, dim=1).flatten(0, 1)[
            :count
        ]  # row i is number i // world of process i % world

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        whole = gradients[0].contiguous()
        dist.all_reduce(whole)
        return whole[ctx.processes.rank :: ctx.processes.world], None, None
