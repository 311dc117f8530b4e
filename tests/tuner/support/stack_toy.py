"""The toy trial function as one that several trials are run by together, round by round."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tuner.support.toy import _restore, _saver, check, loss, prepare, reseeded, run
from tuner.trial import Config, More, StackContext

__all__ = ["check", "prepare", "reseeded", "run", "run_stack", "stackable"]


def stackable(config: Config) -> str:
    """Trials of one kind; those whose width is above 60 are run alone."""
    if config.get("width", 0) > 60:
        raise ValueError("width: too large for a stack")
    return str(config.get("kind", "round"))


def run_stack(configs_K: Sequence[Config], contexts_K: Sequence[StackContext], more: More) -> None:
    """A round is an epoch of every member; how many there were goes to the file `rounds`, one line each."""
    members: dict[int, tuple[Config, StackContext, int]] = {}
    count = 0
    joining = list(zip(configs_K, contexts_K, strict=True))
    while joining or members:
        for config, context in joining:
            try:
                members[count] = (config, context, _restore(context.checkpoint))
            except ValueError as error:
                context.over(error)
            count += 1
        _note(members)
        for number in list(members):
            if not _epoch(*members[number]):
                del members[number]
            else:
                config, context, epoch = members[number]
                members[number] = (config, context, epoch + 1)
        joining = list(more())


def _note(members: dict[int, tuple[Config, StackContext, int]]) -> None:
    for config, _, _ in list(members.values())[:1]:
        if config.get("rounds"):
            with Path(config["rounds"]).open("a", encoding="utf-8") as file:
                file.write(f"{os.getpid()} {len(members)}\n")


def _epoch(config: Config, context: StackContext, done: int) -> bool:
    """Report one epoch; whether the trial goes on."""
    epoch = done + 1
    value = loss(config) + math.exp(-epoch)
    metrics: dict[str, Any] = {"dev/loss": value, "dev/accuracy": 1 - value, "seen": 10 * epoch}
    fate = config.get("fate", "fine") if epoch == 2 else "fine"
    if fate == "nan":
        metrics["dev/loss"] = math.nan
    elif fate == "die":
        os._exit(7)
    elif fate == "joint":
        raise RuntimeError("boom for all of them")
    time.sleep(config.get("pace_s", 0.0))
    try:
        if fate == "fail":
            raise RuntimeError("boom at epoch 2")
        if fate == "return":
            context.over(None)
            return False
        context.report(metrics, None if config.get("no_save") else _saver(epoch, value))
    except SystemExit:
        return False
    except Exception as error:  # noqa: BLE001 - as a stack must: one trial's error leaves the others alone
        context.over(error)
        return False
    return True
