"""Device, threads and seeds of a run."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from fsd_model.distributed.processes import Processes
from fsd_model.errors import InputError
from fsd_model.training import runtime
from fsd_model.training.runtime import RuntimeConfig, prepare_process, select_device


@pytest.mark.parametrize(
    ("choice", "visible", "device"),
    [("auto", True, "cuda:0"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda:0")],
)
def test_the_device_follows_the_choice_and_what_is_visible(
    monkeypatch: pytest.MonkeyPatch, choice: str, visible: bool, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: visible)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    assert select_device(choice) == torch.device(device)


def test_cuda_without_a_visible_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"runtime\.device: cuda asked for, but no GPU"):
        select_device("cuda")


def test_start_undoes_what_an_earlier_run_left_in_the_process() -> None:
    def draws() -> tuple[float, float, float]:
        prepare_process(RuntimeConfig(device="cpu"), seed=7)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    first = draws()
    torch.set_num_threads(2)
    assert draws() == first
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("visible", "chosen", "local_rank", "own"),
    [
        (4, 0, "2", 2),  # torchrun: all see all, nobody has chosen
        (4, 2, "1", 2),  # chosen by the caller, as Ray does
        (1, 0, "3", 0),  # each sees its own alone
        (2, 0, None, 0),
    ],
)
def test_each_of_several_processes_has_its_gpu(
    monkeypatch: pytest.MonkeyPatch, visible: int, chosen: int, local_rank: str | None, own: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: visible)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: chosen)
    monkeypatch.setattr(runtime, "processes_of_this_training", lambda: Processes(1, 2))
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    assert select_device("auto") == torch.device("cuda", own)
    assert select_device("cpu") == torch.device("cpu")
