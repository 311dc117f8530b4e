"""A trial function that leaves files, a dataset's digest and something to serve."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pandas import DataFrame

from tuner.trial import Context

DIGEST = "0123456789abcdef" * 4


def run(params: dict[str, Any], context: Context) -> None:
    """Report |x - target| + 1 / epoch; `flaw` of "figures" keeps them from being drawn."""
    done = int((context.checkpoint / "epoch").read_text()) if context.checkpoint else 0
    for epoch in range(done + 1, params["epochs"] + 1):
        value = abs(params["x"] - params.get("target", 0.3)) + 1 / epoch
        context.report({"loss": value}, lambda folder, now=epoch: _save(folder, params, now))  # type: ignore[misc]


def _save(folder: Path, params: dict[str, Any], epoch: int) -> None:
    (folder / "epoch").write_text(str(epoch))
    facts = {"data_digest": DIGEST, "dataset": "small", "data_source": "/data/small"}
    (folder / "facts.json").write_text(json.dumps(facts))
    (folder / "artifacts" / "deep").mkdir(parents=True)
    (folder / "artifacts" / "config.json").write_text(json.dumps(params))
    (folder / "artifacts" / "deep" / "epoch.txt").write_text(str(epoch))
    (folder / "export" / "model").mkdir(parents=True)
    (folder / "export" / "model" / "x.json").write_text(json.dumps(params["x"]))


def draw_plots(folder: Path) -> None:
    params = json.loads((folder / "config.json").read_text())
    if params.get("flaw") == "figures":
        raise RuntimeError("no ink")
    (folder / "figure.svg").write_text(f"<svg>{params['x']}</svg>")


class Adder:
    """Adds the exported x."""

    def __init__(self, x: float) -> None:
        self._x = x

    def predict(self, model_input: DataFrame) -> DataFrame:
        return DataFrame({"sum": model_input["a"] + self._x})


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> Adder:
    return Adder(json.loads((Path(path) / "x.json").read_text()))


def as_mlflow_model(exported: Path) -> dict[str, Any]:
    model = _load_pyfunc(str(exported / "model"))
    example = {"a": [1.0, 2.0]}
    return {
        "loader": __name__,
        "folder": "model",
        "input": example,
        "output": model.predict(DataFrame(example)).to_dict("list"),
        "requirements": ["fsd-tuner"],
    }
