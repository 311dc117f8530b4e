"""A trial function without any framework: a bowl over its settings, learned epoch by epoch."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from tuner.trial import Context

FLOOR = 0.02


def loss(params: dict[str, Any]) -> float:
    """Final loss of a configuration: FLOOR at x=0.3, optim.rate=0.01, width=32, cuts=[2], kind=round.

    A seed moves it by less than 0.01, the same for each configuration.
    """
    rate = params.get("optim", {}).get("rate", 0.01)
    return (
        FLOOR
        + (params.get("x", 0.3) - 0.3) ** 2
        + 0.1 * math.log10(rate / 0.01) ** 2
        + ((params.get("width", 32) - 32) / 64) ** 2
        + 0.05 * abs(sum(params.get("cuts", [2])) - 2)
        + (0.1 if params.get("kind", "round") != "round" else 0.0)
        + 0.01 * math.sin(params.get("seed", 0))
        + 0.02 * params.get("luck", 0.0) * math.cos(3 * params.get("seed", 0))
    )


def run(params: dict[str, Any], context: Context) -> None:
    """Report a curve that falls to `loss(params)`; `fate` happens at epoch 2.

    A number saved with the checkpoint counts the epochs this trial really computed.
    """
    done = _restore(context.checkpoint)
    try:
        for epoch in range(done + 1, params["epochs"] + 4):  # more than asked: the report must end it
            value = loss(params) + math.exp(-epoch)
            metrics = {"dev/loss": value, "dev/accuracy": 1 - value, "seen": 10 * epoch}
            if epoch == 2:
                _meet(params.get("fate", "fine"), metrics)
            time.sleep(params.get("pace_s", 0.0))
            while params.get("wait_for") and not Path(params["wait_for"]).exists():
                time.sleep(0.02)
            context.report(metrics, _saver(epoch, value))
    except Exception:
        _mark(params, "swallowed")
        raise
    finally:
        _mark(params, "finally")


def _meet(fate: str, metrics: dict[str, float]) -> None:
    if fate == "nan":
        metrics["dev/loss"] = math.nan
    elif fate == "side-inf":
        metrics["seen"] = math.inf
    elif fate == "silent":
        del metrics["dev/loss"]
    elif fate == "fail":
        raise RuntimeError("boom at epoch 2\nwith a second line")
    elif fate == "quit":
        raise SystemExit(0)
    elif fate == "die":
        os._exit(7)


def _saver(epoch: int, value: float) -> Any:
    def save(folder: Path) -> None:
        (folder / "epoch.json").write_text(json.dumps(epoch))
        (folder / "facts.json").write_text(json.dumps({"digest": "abc123", "utterances": 7}))
        (folder / "export" / "detector").mkdir(parents=True)
        (folder / "export" / "detector" / "model.json").write_text(
            json.dumps({"epoch": epoch, "loss": value})
        )

    return save


def _restore(checkpoint: Path | None) -> int:
    return int(json.loads((checkpoint / "epoch.json").read_text())) if checkpoint else 0


def _mark(params: dict[str, Any], what: str) -> None:
    if params.get("marker"):
        with Path(params["marker"]).open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")


def prepare(settings: dict[str, Any]) -> dict[str, Any]:
    if settings.get("reject"):
        raise ValueError(f"settings.reject: {settings['reject']}")
    return {**settings, "prepared": True}


def arms(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Square is worse by 0.1 with each seed, lucky better or worse by the seed's luck."""
    return {"round": {}, "square": {"kind": "square"}, "lucky": {"luck": 1.0}, **params.get("more_arms", {})}


def reseeded(params: dict[str, Any], count: int) -> dict[int, dict[str, Any]]:
    return {seed: {"seed": seed} for seed in range(1, count + 1)}


def check(params: dict[str, Any], step: bool) -> None:
    if not params.get("prepared"):
        raise ValueError("check came before prepare")
    if params.get("x", 0.0) > params.get("check_above", math.inf):
        raise ValueError(f"x: needs at most {params['check_above']}, got {params['x']}")
    if step and params.get("width", 0) >= params.get("no_step_from", math.inf):
        raise RuntimeError("out of memory")
