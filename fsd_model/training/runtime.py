"""Where and how a training computes: device, precision, threads, seeds. Not part of its identity."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from fsd_model.distributed.processes import own_gpu, processes_of_this_training
from fsd_model.errors import InputError
from fsd_model.features.device_cache import Residence
from fsd_model.settings import Settings

Precision = Literal["float32", "bfloat16"]


class RuntimeConfig(Settings):
    """Machine-dependent settings.

    Attributes:
        device: "auto" takes the visible GPU, else the CPU.
        precision: precision of the segments; exits, losses and metrics stay in float32. bfloat16 takes a
            third off a step on CPUs that compute in it (docs/performance.md).
        threads: threads per trial. Fastest: one thread per trial, one trial per core.
        store: folder of the feature store; None for the user's cache folder.
        micro_batch: utterances computed at once, over all processes of the training; None for the whole
            batch. Gradients are summed to one update of the batch, so it needs less memory and the training
            is the same except for rounding and for batch norm, which normalises over the micro-batch and
            updates its running statistics once for each. Losses that compare the utterances of
            a batch with each other need the whole batch.
        resident: whether to keep the features of train and dev in device memory; batches are equal bit for
            bit. "auto" does so on a GPU if they take at most an eighth of its free memory.
        cuda_graph: experimental, not run on a GPU yet: record an update on the GPU once and replay it. A
            training that cannot be recorded prints a warning and runs as without it.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Precision = "float32"
    threads: int = Field(1, ge=1)
    store: Annotated[Path | None, Field(strict=False)] = None
    micro_batch: int | None = Field(None, ge=1)
    resident: Residence = "auto"
    cuda_graph: bool = False


def select_device(choice: str) -> torch.device:
    """Resolve "auto"; with several processes each gets its own GPU.

    Raises:
        InputError: "cuda" where this process sees no GPU.
    """
    available = torch.cuda.is_available()
    if choice == "cuda" and not available:
        raise InputError(
            "runtime.device: cuda asked for, but no GPU is visible to this process; use auto or cpu"
        )
    if choice == "cpu" or not available:
        return torch.device("cpu")
    # with its number, as the tensors there have it
    several = processes_of_this_training().size > 1
    return torch.device("cuda", own_gpu() if several else torch.cuda.current_device())


def prepare_process(config: RuntimeConfig, seed: int) -> torch.device:
    """Set threads and seed every generator; reset what an earlier trial in this process changed."""
    torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    device = select_device(config.device)
    if device.type == "cuda":
        if device.index is not None:
            torch.cuda.set_device(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    return device
