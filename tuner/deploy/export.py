"""Write a chosen model of a trial as a detector folder, and the trade-off of its early exit."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.deploy.models import Deployable, params_of
from tuner.errors import StudyError
from tuner.files import write_text
from tuner.journal.record import TrialRecord
from tuner.results.study_folder import StudyFolder
from tuner.trial_module import TradeOff, TrialModule


def write_model(search: StudyFolder, model: Deployable, into: Path) -> None:
    """Let the trial write a model from its saved state: whole or not at all.

    Raises:
        StudyError: the folder is there, the state is not, or the disk is full.
        ValueError, OSError: what the trial's `export` raises.
    """
    trial = search.trial(model.trial)
    export = TrialModule(search.study.trial).require("export", "an export needs")
    if into.exists():
        raise StudyError(f"{into}: is there already; move it away or give another folder by --out")
    with _state(search, trial) as state:
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=".export-") as staging:
            export(params_of(search.study, trial), state, Path(staging) / "model", model.choice)
            (Path(staging) / "model").rename(into)


def trade_off(search: StudyFolder, number: int, confidences: Sequence[float] = ()) -> list[dict[str, Any]]:
    """Error against average cost of a trial's early exit; raises as `write_model`."""
    trial = search.trial(number)
    compute: TradeOff = TrialModule(search.study.trial).require("trade_off", "a look at early exits needs")
    with _state(search, trial) as state:
        return compute(params_of(search.study, trial), state, confidences)


def reached(search: StudyFolder, model: Deployable, confidence: float) -> str:
    """What a detector that leaves early reaches; `model` is what it takes at most."""
    (row,) = trade_off(search, model.trial, [confidence])
    early = replace(model, metric="error", error=row["error"], multiply_adds=row["multiply_adds"])
    most = f"at most {model.multiply_adds:,.0f} multiply-adds, the ms are of that"
    return f"{early.words()} (on average; {most})"


def default_folder(out: Path, model: Deployable) -> Path:
    """`exports/0003-exit-2`."""
    (kind, value), *_ = model.choice.items()
    return out / "exports" / f"{model.trial:04d}-{kind}{'' if value is True else f'-{value:g}'}"


def write_curve(
    curve: Sequence[Mapping[str, Any]], models: Sequence[Deployable], out: Path
) -> list[Path]:  # fmt: skip
    """Write a trade-off as JSON (the confidence that nothing reaches is "inf") and as a picture.

    Args:
        curve: of `trade_off`.
        models: of the same trial.
        out: made where it is missing.
    Returns:
        The files.
    """
    from tuner.deploy.figure import draw

    plain = [{**row, "confidence": _finite(row["confidence"])} for row in curve]
    out.mkdir(parents=True, exist_ok=True)
    table, figure = out / "trade_off.json", out / "trade_off.png"
    write_text(table, json.dumps(plain, indent=2, allow_nan=False) + "\n")
    draw(curve, models, figure)
    return [table, figure]


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _state(search: StudyFolder, trial: TrialRecord) -> Any:
    if trial.checkpoint is None:
        raise StudyError(f"trial {trial.number}: saved no state, so there is nothing to export")
    return search.storage.fetched(trial.checkpoint)
