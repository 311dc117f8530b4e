"""Several processes that train one model together, over `torch.distributed`.

The caller of the trial function starts them, and either initialises the default process group or describes it
in the environment as torchrun does (`joined`). Every process draws the same batches and computes its share of
each; gradients and the statistics of batch norm are summed over all processes. The training equals that of
one process except for rounding, and a checkpoint of any number of processes can be resumed by any other
number.

All processes need the same configuration and data. Random layers of a custom network, such as dropout, draw
in each process separately.
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
    """Yield this process's parts of a batch.

    Sizes of micro-batches differ by at most one utterance, so that no small one is left over.

    Args:
        rows_B: rows of the batch.
        micro_batch: utterances computed at once, over all processes; None for the whole batch.
        processes: the processes that share each micro-batch.

    Yields:
        Rows, and their fraction of the batch: 0 with a borrowed row where this process has none.
    """
    count = 1 if micro_batch is None else math.ceil(len(rows_B) / micro_batch)
    for micro_M in np.array_split(rows_B, count):
        own_M = processes.share(micro_M)
        yield (own_M if len(own_M) else micro_M[:1]), len(own_M) / len(rows_B)


Rows = NDArray[np.int64]


class Processes:
    """The processes of a training, seen from one of them; with one process each method returns its argument.

    Args:
        rank: number of this process, from 0.
        size: how many there are.

    Attributes:
        idle: whether this process has no utterance of the present micro-batch. It runs on a borrowed one,
            since batch norm needs all processes; its results have weight 0.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size
        self.idle = False

    def __deepcopy__(self, memo: Any) -> Processes:
        return self  # copies of a network, as a moving average, meet in the same group

    def share(self, rows_B: Rows) -> Rows:
        """Return this process's rows of a micro-batch; none where there are fewer rows than processes."""
        return np.array_split(rows_B, self.size)[self.rank]

    def total(self, part: Tensor) -> Tensor:
        """Return the sum over all processes, with its gradient; every process must call it in the
        same order.
        """
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
        """Return the maximum of each metric over all processes, so every process reports the same value."""
        if self.size == 1:
            return dict(metrics)
        values = torch.tensor(list(metrics.values()), dtype=torch.float64, device=device)
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return dict(zip(metrics, values.tolist(), strict=True))

    def require_same(self, what: str, device: torch.device) -> None:
        """Raise if the processes differ.

        Raises:
            InputError: in every process, if one has another text.
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
        """Seed torch for this process, so that random layers draw differently in each."""
        if self.size > 1:
            mixed = np.random.SeedSequence([*numbers, self.rank]).generate_state(1)
            torch.manual_seed(int(mixed[0]))


def _sum(part: Tensor) -> Tensor:
    whole: Tensor = all_reduce(part, group=None)  # type: ignore[no-untyped-call]  # its default may be a closed group
    return whole


ALONE = Processes()


def processes_of_this_training() -> Processes:
    """Return the processes of the initialised `torch.distributed` group; `ALONE` without one, or for one
    process.
    """
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        return Processes(dist.get_rank(), dist.get_world_size())
    return ALONE


@contextmanager
def joined() -> Iterator[None]:
    """Join the process group that the environment describes (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT),
    then leave.

    Does nothing where it describes none, or where the caller has initialised the group.
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
    """Return the GPU of this process among the visible ones: the one it has set, else by its local rank."""
    current, local = torch.cuda.current_device(), int(os.environ.get("LOCAL_RANK", "0"))
    return local if current == 0 and local < torch.cuda.device_count() else current
