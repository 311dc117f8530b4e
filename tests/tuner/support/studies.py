"""Studies over the toy trial functions, a silent console, and the journal of a search as dicts."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from tuner.study.study import Study

SPACE: dict[str, Any] = {
    "x": {"float": [0, 1]},
    "optim.rate": {"log": [1e-4, 1]},
    "width": {"int": [8, 64]},
    "cuts": {"cuts": {"positions": 3, "count": [1, 2]}},
    "kind": {"choice": ["round", "square"]},
}
DEFAULT = {"x": 0.95, "optim.rate": 0.5, "width": 12, "cuts": [2, 3], "kind": "square"}


def toy_study(**changes: Any) -> Study:
    """A study over the toy trial function with some keys changed."""
    content = {
        "name": "toy",
        "trial": "tests.tuner.support.toy:run",
        "epochs": 4,
        "search": SPACE,
        "metric": {"name": "dev/loss", "mode": "min"},
        "sampler": {"name": "tpe", "seed": 1, "startup": 5},
        "scheduler": {"name": "asha", "grace_period": 1, "reduction_factor": 2},
        "trials": 4,
    }
    if changes.get("scheduler", {}).get("name") in ("pbt", "pb2"):  # their population is drawn at the start
        content["sampler"] = {"name": "random", "seed": 1}
    return Study.model_validate(content | changes)


def quiet() -> Console:
    """A console that is no terminal and prints nowhere."""
    return Console(file=io.StringIO(), width=200)


def journal(out: Path) -> list[dict[str, Any]]:
    """Every event of a search."""
    return [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]
