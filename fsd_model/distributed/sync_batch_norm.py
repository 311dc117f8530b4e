"""Batch normalisation over the utterances of all processes.

`torch.nn.SyncBatchNorm` refuses the CPU and counts the borrowed utterance of an idle process; this one runs
on every backend.

Shapes: B utterances of this process, C channels, x any axes behind them, R processes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fsd_model.distributed.processes import Processes
from fsd_model.errors import InputError


class SyncNorm(_BatchNorm):
    """`nn.BatchNorm1d` to `3d` over the joint batch of all processes.

    Mean, variance and count of each process are exchanged in one message and combined without cancellation
    (Chan et al. 1979); the gradient takes the same way back. In eval mode nothing is sent.

    Attributes:
        processes: the processes that share a batch.
    """

    processes: Processes

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected (B, C) or (B, C, ...), got {input.dim()} axes")

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        map_BCx = input if input.dtype == torch.float64 else input.float()
        mean_C, variance_C, count = self._statistics(map_BCx)
        self._track(mean_C.detach(), variance_C.detach(), count)
        scale_C = torch.rsqrt(variance_C + self.eps)
        if self.weight is not None:
            scale_C = scale_C * self.weight
        shift_C = -mean_C * scale_C
        if self.bias is not None:
            shift_C = shift_C + self.bias
        shape = (1, -1, *[1] * (input.dim() - 2))
        return (map_BCx * scale_C.view(shape) + shift_C.view(shape)).to(input.dtype)

    def _statistics(self, map_BCx: Tensor) -> tuple[Tensor, Tensor, float]:
        """Return mean and population variance (C,) over all processes, and the number of values
        per channel.
        """
        axes = [0, *range(2, map_BCx.dim())]
        variance_C, mean_C = torch.var_mean(map_BCx, axes, correction=0)
        count = 0 if self.processes.idle else map_BCx.numel() // len(mean_C)
        # one message with a gradient: a table that is zero but for the own row, summed over all processes
        own = torch.cat([mean_C, variance_C, mean_C.new_full((1,), count)])
        before, after = self.processes.rank, self.processes.size - self.processes.rank - 1
        table_R = self.processes.total(nn.functional.pad(own[None], (0, 0, before, after)))
        mean_RC, variance_RC, count_R1 = torch.split(table_R, [len(mean_C), len(mean_C), 1], dim=1)
        count_R1 = count_R1.detach()
        total = float(count_R1.sum())
        if not total > 1:
            raise ValueError(f"expected more than 1 value per channel when training, got {total:.0f}")
        # variance of the whole = mean of the variances + variance of the means, weighted by counts
        share_R1 = count_R1 / total
        mean_C = (share_R1 * mean_RC).sum(0)
        variance_C = (share_R1 * (variance_RC + (mean_RC - mean_C).square())).sum(0)
        return mean_C, variance_C, total

    def _track(self, mean_C: Tensor, variance_C: Tensor, count: float) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        weight = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        with torch.no_grad():
            self.running_mean.lerp_(mean_C.to(self.running_mean.dtype), weight)
            self.running_var.lerp_((variance_C * count / (count - 1)).to(self.running_var.dtype), weight)


def synchronise_norms(network: nn.Module, processes: Processes) -> None:
    """Replace every batch norm of a network by a `SyncNorm`, in place: names, weights and hooks stay.

    Raises:
        InputError: a kind of batch norm that cannot be replaced.
    """
    for name, module in network.named_modules():
        if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            module.__class__ = SyncNorm  # in place: names, weights, buffers and hooks stay
            module.processes = processes
        elif isinstance(module, _BatchNorm) and not isinstance(module, SyncNorm):
            raise InputError(
                f"network: `{name}` is a {type(module).__name__}, which several processes cannot share; use"
                " nn.BatchNorm1d, 2d or 3d, or train in one process"
            )
