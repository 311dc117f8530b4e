"""One update of a training, recorded once as a CUDA graph and then replayed: one launch instead of hundreds.

Everything in a recorded update is a tensor operation of the device on memory that stays where it is. What
differs between two updates (row numbers, masks, weights of the losses, temperature, margin, learning rate) is
copied into one tensor before each replay. The features lie on the device (`features.device_cache`).

The first updates run eagerly on a side stream, as torch requires before a capture; they are updates of the
training like any other. Batches of another size, as the last one of an epoch, run eagerly too. Weights,
moments and counters are those of the optimiser and network, so checkpoints are the same as without a graph.

Experimental: tested on a CPU, where a recorder of the tests replays the recorded operations, and with fake
tensors of a GPU; no GPU has run it. It stays if `make bench-gpu` (under 10 minutes) shows at least 2 times
the updates per second of the eager training. The same run measures PyTorch's own recording,
`torch.compile(mode="reduce-overhead")`: where that is as fast, this module is deleted.

Shapes: B utterances of a batch, M masks of an utterance.

Source: docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs, whole-network capture.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fsd_model.distillation.total_loss import Scalars
from fsd_model.errors import InputError
from fsd_model.features.device_cache import ready_for
from fsd_model.networks.attention_resnet import NetworkConfig
from fsd_model.training.optim import fill_gradients, set_learning_rate
from fsd_model.training.trainer import Trainer

WARM_UP = 3
_SCALARS = 6  # those of `Scalars`, and the learning rate


class Recorder(Protocol):
    """Records and replays work on a device."""

    def lane(self) -> AbstractContextManager[None]:
        """Enter the stream on which work runs before it may be recorded."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record the device operations of `work` without running them; return what replays them."""


class CudaRecorder:
    """`torch.cuda.CUDAGraph`, each with memory of its own. Not run on a GPU yet.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def lane(self) -> Iterator[None]:
        """Enter a side stream, in order with the work before and after on the present one."""
        present = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(present)
        with torch.cuda.stream(self._stream):
            yield
        present.wait_stream(self._stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Recorder.record`.

        Raises:
            InputError: CUDA does not record this work.
            torch.OutOfMemoryError: as in eager work.
        """
        graph, present = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._device)
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                work()
        except RuntimeError as error:
            torch.cuda.set_stream(present)  # a capture that ends in an error does not go back to it
            cause = error if isinstance(error, torch.OutOfMemoryError) else error.__context__
            if isinstance(cause, torch.OutOfMemoryError):
                raise cause from None
            reason = str(error).splitlines()[0]
            raise InputError(
                f"runtime.cuda_graph: CUDA could not record an update ({reason}); leave it out"
            ) from error
        return graph.replay


def record_updates(trainer: Trainer) -> None:
    """Let a trainer replay a recorded update; where that is impossible, warn and change nothing."""
    if obstacle := _obstacle(trainer):
        print(f"warning: runtime.cuda_graph: {obstacle}; updates run without it", file=sys.stderr)
        return
    trainer.distiller.cache_weights = False
    trainer.runner = RecordedUpdate(trainer, CudaRecorder(trainer.device))


def _obstacle(trainer: Trainer) -> str:
    """Return why the updates of a trainer cannot be recorded, or ""."""
    config = trainer.config
    obstacles = {
        f"needs a GPU, got device {trainer.device}": trainer.device.type != "cuda",
        "runtime.micro_batch cannot be recorded": config.runtime.micro_batch is not None,
        "distill.teacher: ema cannot be recorded": config.distill.teacher == "ema",
        "a custom network cannot be recorded": not isinstance(config.network, NetworkConfig),
        "augmentation of waveforms cannot be recorded": config.augment.changes_waveforms,
        "several processes cannot be recorded": trainer.processes.size > 1,
        "needs runtime.resident: true": trainer.device not in trainer.data.train.resident,
    }
    return next((text for text, there in obstacles.items() if there), "")


class RecordedUpdate:
    """Computes the updates of a training, by replay where it can; a `training.trainer.UpdateRunner`.

    Args:
        trainer: its train features are resident on the device.
        recorder: records and replays on that device.
    """

    def __init__(self, trainer: Trainer, recorder: Recorder) -> None:
        data, size = trainer.data, min(trainer.config.batch_size, len(trainer.data.train.labels_N))
        device = trainer.device
        self._recorder = recorder
        self._data, self._distiller, self._optimiser = data, trainer.distiller, trainer.optimiser
        self._size, self._device = size, device
        self._masks = data.mask_spans(np.zeros(1, dtype=np.int64), 0).shape[1]
        self._numbers = torch.zeros(
            size + _SCALARS + 2 * size * self._masks, dtype=torch.float64, device=device
        )
        self._warm_up = WARM_UP
        self._replay: Callable[[], None] | None = None
        self._moment: Tensor | None = None

    def step(
        self,
        rows_B: NDArray[np.int64],
        epoch: int,
        scalars: Scalars,
        rate: float,
        eager_update: Callable[[], Tensor],
    ) -> Tensor:
        """Compute one update.

        Args:
            rows_B: training rows.
            epoch: counted from 0.
            scalars, rate: scalars of the loss, and learning rate.
            eager_update: computes the same without a recording.

        Returns:
            Total, hard, soft and feature loss before the update, (4,).

        Raises:
            InputError: CUDA does not record this update.
        """
        if len(rows_B) != self._size or self._warm_up > 0:
            self._warm_up -= len(rows_B) == self._size
            with self._recorder.lane():
                return eager_update()
        if self._replay is None or self._present_moment() is not self._moment:
            self._replay = self._record()
        set_learning_rate(self._optimiser, rate)  # for the saved state; the recorded one reads `_numbers`
        spans_BM2 = self._data.mask_spans(rows_B, epoch)
        numbers = np.concatenate([rows_B, [*astuple(scalars), rate], spans_BM2.ravel()])
        self._numbers.copy_(ready_for(self._device, numbers), non_blocking=True)
        self._replay()
        return self._terms_4.clone()

    def _record(self) -> Callable[[], None]:
        """Record on the optimiser's present moments; a loaded checkpoint, or a stack, replaces them."""
        self._moment = self._present_moment()
        group = self._optimiser.param_groups[0]
        kept = {name: group[name] for name in ("lr", "capturable")}
        group["capturable"] = True
        try:
            return self._recorder.record(self._update)
        finally:
            group.update(kept)

    def _present_moment(self) -> Tensor:
        moment: Tensor = next(iter(self._optimiser.state.values()))["exp_avg"]
        return moment

    def _update(self) -> None:
        """Compute the whole update from `_numbers`."""
        rows_B, scalars_6, spans = torch.split(
            self._numbers, [self._size, _SCALARS, 2 * self._size * self._masks]
        )
        hard, soft, feature, temperature, margin, rate = scalars_6.unbind()
        # weights multiply sums of no axis, which would become float64; the others meet axes and stay exact
        scalars = Scalars(hard.float(), soft.float(), feature.float(), temperature, margin)
        spans_BM2 = spans.long().view(self._size, self._masks, 2)
        batch = self._data.resident_batch(rows_B.long(), spans_BM2)
        set_learning_rate(self._optimiser, rate.float())  # the type that the fused Adam reads on a GPU
        self._optimiser.zero_grad(set_to_none=True)
        terms = self._distiller.loss(batch, scalars)
        terms.total.backward()  # type: ignore[no-untyped-call]
        fill_gradients(self._optimiser)
        self._optimiser.step()
        self._terms_4 = torch.stack([terms.total, terms.hard, terms.soft, terms.feature]).detach()
