"""The benchmark for GPUs: it says where there is none, and what it would run runs on the CPU."""

from __future__ import annotations

import pytest
import torch

from tests.bench import gpu


def test_without_a_gpu_it_says_so_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main() == 0
    assert capsys.readouterr().out == "no GPU is visible here: nothing was measured\n"


@pytest.mark.slow
def test_the_plain_loop_and_the_trainer_begin_with_the_same_loss(monkeypatch):
    monkeypatch.setattr(gpu, "BATCH", 4)
    rows = [line.split(" | ") for line in gpu.report("cpu", repeats=1, steps=1).splitlines()[2:]]
    apart = {row[0].lstrip("| "): float(row[-1].rstrip(" |")) for row in rows}
    assert apart["trainer, float32"] < 1e-4
    assert apart["trainer, bfloat16"] < 5e-2
