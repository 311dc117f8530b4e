"""Several processes that train one model together, over `torch.distributed`.

Whoever calls the trial function starts them, and either initialises the default process group or describes it
in the environment as torchrun does (`joined`). Every process draws the same batches and computes its share of
each; gradients and the statistics of batch norm are summed over all of them. So the training is that of one
process but for rounding, and a state saved by any number of processes is resumed by any other number.

The processes must be given the same configuration and data. Random layers of a network of one's own, such as
dropout, draw for each process by itself.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist
from torch.distributed.nn.functional import all_reduce

from fsd_model.errors import InputError


def parts(rows_B: Rows, micro_batch: int | None, processes: Processes) -> Iterator[tuple[Rows, float]]:
    """What this process computes of a batch, part by part.

    Micro-batches differ by one utterance at most, so that none is left with a few.

    Args:
        rows_B: of the batch.
        micro_batch: utterances that are computed at once, over all processes; None is all of them.
        processes: who shares each micro-batch.

    Yields:
        Rows, and their share of the batch: 0 with a borrowed row where none is this process's.
    """
    count = 1 if micro_batch is None else math.ceil(len(rows_B) / micro_batch)
    for micro_M in np.array_split(rows_B, count):
        own_M = processes.share(micro_M)
        yield (own_M if len(own_M) else micro_M[:1]), len(own_M) / len(rows_B)


Rows = NDArray[np.int64]


class Processes:
    """The processes of a training, seen from one of them. Alone, each method gives back what it was given.

    Args:
        rank: number of this process, from 0.
        size: how many there are.

    Attributes:
        idle: this process has no utterance of the present micro-batch and runs along on a borrowed one, since
            all meet in the normalisation; what it computes counts nothing.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size
        self.idle = False

    def __deepcopy__(self, memo: Any) -> Processes:
        return self  # copies of a network, as a moving average, meet in the same group

    def share(self, rows_B: Rows) -> Rows:
        """The rows of a micro-batch that are this process's; none where there are fewer than processes."""
        return np.array_split(rows_B, self.size)[self.rank]

    def total(self, part: Tensor) -> Tensor:
        """The sum over all processes, with its gradient; every process must call it in the same order."""
        return part if self.size == 1 else _sum(part)

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace every gradient by its sum over all processes, in one message."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view(gradient.shape))

    def take_from_first(self, state: Iterable[Tensor]) -> None:
        """Overwrite tensors with those of process 0, so that all begin with the same weights."""
        if self.size > 1:
            for tensor in state:
                whole = tensor.detach().contiguous()
                dist.broadcast(whole, 0)
                tensor.detach().copy_(whole)

    def largest(self, metrics: Mapping[str, float], device: torch.device) -> dict[str, float]:
        """Each metric's largest value over the processes: what was measured, told alike by all."""
        if self.size == 1:
            return dict(metrics)
        values = torch.tensor(list(metrics.values()), dtype=torch.float64, device=device)
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return dict(zip(metrics, values.tolist(), strict=True))

    def require_same(self, what: str, device: torch.device) -> None:
        """Check that all processes say the same.

        Raises:
            InputError: in every process, where one says something else.
        """
        if self.size == 1:
            return
        number = int.from_bytes(sha256(what.encode()).digest()[:7])
        bounds = torch.tensor([number, -number], dtype=torch.int64, device=device)
        dist.all_reduce(bounds, dist.ReduceOp.MAX)
        if int(bounds[0]) != -int(bounds[1]):
            raise InputError(
                "the processes of this training have different configurations, data or checkpoints; give all"
                " of them the same params, the same corpus and the same folder to resume from"
            )

    def seed(self, *numbers: int) -> None:
        """Seed torch for this process alone, so that random layers do not draw the same in each."""
        if self.size > 1:
            mixed = np.random.SeedSequence([*numbers, self.rank]).generate_state(1)
            torch.manual_seed(int(mixed[0]))


def _sum(part: Tensor) -> Tensor:
    whole: Tensor = all_reduce(part, group=None)  # type: ignore[no-untyped-call]  # its default may be a closed group
    return whole


ALONE = Processes()


def processes_of_this_training() -> Processes:
    """As `torch.distributed` was initialised by the caller; `ALONE` where it was not, or for one process."""
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        return Processes(dist.get_rank(), dist.get_world_size())
    return ALONE


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that the environment describes (RANK, WORLD_SIZE, MASTER_ADDR and _PORT); leave.

    Nothing happens where it describes none, or where the caller has initialised the process group.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not dist.is_available() or dist.is_initialized():
        yield
        return
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def own_gpu() -> int:
    """The GPU of this process among those it sees: the one it has set, else by its number on the host."""
    current, local = torch.cuda.current_device(), int(os.environ.get("LOCAL_RANK", "0"))
    return local if current == 0 and local < torch.cuda.device_count() else current
