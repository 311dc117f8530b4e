"""A trial function whose attempts fail in ways that a search can help, and in ways that it cannot."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from tuner.trial import Context

FITS = 10  # the largest micro-batch for which there is memory
LOSS = {"fine": 0.5, "memory": 0.4, "late-memory": 0.3, "half": 0.2, "dies": 0.1}


def run(params: dict[str, Any], context: Context) -> None:
    """Report a curve that depends on the fate alone, so that an attempt changes nothing of it."""
    done = json.loads((context.checkpoint / "epoch.json").read_text()) if context.checkpoint else 0
    fate = params.get("fate", "fine")
    for epoch in range(done + 1, params["epochs"] + 1):
        loss = LOSS.get(fate, 0.6) + math.exp(-epoch)
        if epoch == params.get("at", 2):
            loss = _meet(fate, params, loss)
        context.report({"dev/loss": loss, "micro_batch": params["micro_batch"]}, _saver(epoch))


def retry_settings(params: dict[str, Any], cause: str) -> dict[str, Any] | None:
    """Half the micro-batch, or float32."""
    if cause == "memory":
        return {"micro_batch": params["micro_batch"] // 2} if params["micro_batch"] > 1 else None
    return {"precision": "float32"} if params["precision"] != "float32" else None


def _meet(fate: str, params: dict[str, Any], loss: float) -> float:
    if fate == "hungry" or (fate == "memory" and params["micro_batch"] > FITS):
        raise MemoryError
    if fate == "late-memory" and params["micro_batch"] > FITS:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if fate == "nan" or (fate == "half" and params["precision"] == "bfloat16"):
        return math.nan
    if fate == "overflow":
        raise FloatingPointError(f"the loss is inf in {params['precision']}")
    if fate == "broken":
        raise RuntimeError(f"width {params.get('width')} does not work")
    if fate == "dies":
        _die(Path(params["deaths"]))
    return loss


def _die(deaths: Path) -> None:
    """Twice, then no more."""
    count = len(deaths.read_text()) if deaths.exists() else 0
    if count < 2:
        deaths.write_text("x" * (count + 1))
        os._exit(7)


def _saver(epoch: int) -> Any:
    def save(folder: Path) -> None:
        (folder / "epoch.json").write_text(json.dumps(epoch))

    return save
