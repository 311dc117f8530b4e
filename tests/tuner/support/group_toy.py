"""A trial function that several processes run together: each adds its part, the first one reports the sum."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from tuner.trial import Context


def run(params: dict[str, Any], context: Context) -> None:
    """Report (epoch + sum of ranks + 1) / 100; `fail` names a rank that raises, `die` one that is killed."""
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", rank=rank, world_size=world)
    try:
        done = 0
        if context.checkpoint is not None:
            done = json.loads((context.checkpoint / "done.json").read_text())
        for epoch in range(done + 1, params["epochs"] + 1):
            _meet(params, rank, epoch)
            total = torch.tensor([float(rank + 1)])
            dist.all_reduce(total)
            value = (epoch + float(total)) / 100
            context.report({"dev/loss": value, "world": world}, _saver(epoch))
    finally:
        dist.destroy_process_group()


def _meet(params: dict[str, Any], rank: int, epoch: int) -> None:
    if epoch == 2 and params.get("fail") == rank:
        raise MemoryError(f"rank {rank} is full")
    mark = params.get("die_once")
    if epoch == 2 and rank == 1 and mark and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), 9)


def _saver(epoch: int) -> Any:
    def save(folder: Path) -> None:
        (folder / "done.json").write_text(json.dumps(epoch))

    return save
