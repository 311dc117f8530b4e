"""The benchmark for GPUs: it says where there is none, and what it would run runs on the CPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from fsd_model.experimental.cuda_graph import WARM_UP, RecordedUpdate
from fsd_model.training.trainer import Trainer
from tests.bench import gpu
from tests.fsd_model.support.tape import TapeRecorder

ROOT = Path(__file__).parents[2]
DEVICES = [Path("/dev/nvidiactl"), Path("/dev/dxg")]


def test_without_a_gpu_it_says_so_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main() == 0
    assert capsys.readouterr().out == f"{gpu.NO_GPU}\n"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.skipif(any(each.exists() for each in DEVICES), reason="there may be a GPU here")
def test_make_finds_out_before_it_installs_anything(tmp_path):
    command = ["make", "--no-print-directory", "bench-gpu", f"VENV={tmp_path / 'venv'}", "PYTHON=false"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{gpu.NO_GPU}\n"
    assert not any(tmp_path.iterdir())


def record_on_tape(trainer: Trainer) -> None:
    trainer.distiller.cache_weights = False
    trainer.runner = RecordedUpdate(trainer, TapeRecorder())


@pytest.mark.slow
def test_every_side_does_the_updates_of_a_trainer_on_the_cpu(monkeypatch):
    monkeypatch.setattr(gpu, "record_updates", record_on_tape)
    monkeypatch.setattr(gpu, "BATCH", 4)
    monkeypatch.setattr(gpu, "TRIALS", 2)
    monkeypatch.setattr(gpu, "COMPARED", WARM_UP + 1)
    found = {row.figure: row for row in gpu.rows("cpu", repeats=1, steps=1)}
    assert len(found) == 1 + 5 * 2
    for name, row in found.items():
        first = float(row.deviation.split()[2 if name.startswith("plain") else 1])
        assert first < (5e-2 if "bfloat16" in name else 1e-4), row
    assert "losses 0.0e+00 at first, 0.0e+00" in found["trainer, eager, float32"].deviation
    assert found["trainer, graph, float32"].goal == 2
    assert found["2 stacked, bfloat16"].goal == 2
