"""A trial function of known cost: an epoch sleeps `size` times `epoch_s`, the start `start_s`."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from tuner.trial import Context


def cost(params: dict[str, Any]) -> float:
    if params["size"] == params.get("no_cost"):
        raise ValueError(f"size: {params['size']} has no cost")
    return 10.0 * params["size"] * params.get("factor", 1.0)


def run(params: dict[str, Any], context: Context) -> None:
    """Report for ever; the sizes that `fails`, `quits`, `dies`, `returns` and `diverges` name do that."""
    size = params["size"]
    epoch = 0 if context.checkpoint is None else int((context.checkpoint / "epoch").read_text())
    time.sleep(params.get("start_s", 0.0))
    held = b"x" * (10_000_000 * size) if params.get("held") else b""
    if size == params.get("fails"):
        raise RuntimeError("boom\nin two lines")
    if size == params.get("quits"):
        sys.exit(3)
    if size == params.get("dies"):
        os._exit(7)
    while not (size == params.get("returns") and epoch):
        epoch += 1
        time.sleep(size * params["epoch_s"])
        loss = math.nan if size == params.get("diverges") else 1.0 / (epoch + size)
        metrics = {"dev/loss": loss, "memory/peak_bytes": 1e9 * size + len(held)}
        context.report(metrics, _saver(epoch, params.get("state_bytes", 0) * size))


def _saver(epoch: int, size: int) -> Any:
    def save(folder: Path) -> None:
        (folder / "epoch").write_text(str(epoch))
        (folder / "below").mkdir()
        (folder / "below" / "state").write_bytes(bytes(size))

    return save
