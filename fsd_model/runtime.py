"""Where and how a run computes: device, precision, threads, seeds. Not part of a run's identity."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from fsd_model.errors import InputError
from fsd_model.settings import Settings


class RuntimeConfig(Settings):
    """Machine-dependent choices.

    Attributes:
        device: "auto" takes the GPU that the process may see, else the CPU.
        precision: of the segments; exits, losses and metrics stay in float32.
        threads: of one trial; one thread a trial and one trial a core is the fastest use of a machine.
        store: folder of the feature store; None is the user's cache folder.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    threads: int = Field(1, ge=1)
    store: Annotated[Path | None, Field(strict=False)] = None


def select_device(choice: str) -> torch.device:
    """Resolve "auto".

    Raises:
        InputError: "cuda" where this process sees no GPU.
    """
    available = torch.cuda.is_available()
    if choice == "cuda" and not available:
        raise InputError(
            "runtime.device: cuda asked for, but no GPU is visible to this process; use auto or cpu"
        )
    return torch.device("cuda" if choice != "cpu" and available else "cpu")


def start(config: RuntimeConfig, seed: int) -> torch.device:
    """Set threads and seed every generator; also undoes what an earlier run in this process left behind."""
    torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return select_device(config.device)
