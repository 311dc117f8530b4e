"""From a finished search's folder to a detector of one's choice: read, choose, write."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.deploy.models import Deployable, deployables, params_of
from tuner.errors import StudyError
from tuner.files import write_text
from tuner.journal.journal import NAME, read_events
from tuner.journal.record import StudyRecord, TrialRecord
from tuner.storage.storage import Storage
from tuner.study.load import load_study
from tuner.study.study import Study
from tuner.trial_module import load_export, load_trade_off


@dataclass(frozen=True)
class Search:
    """A search as it lies in its folder."""

    study: Study
    trials: Sequence[TrialRecord]
    storage: Storage
    out: Path

    def models(self, trial: int | None = None) -> list[Deployable]:
        """What of its trials, or of one, can be deployed; raises as `deployables`, or for no such trial."""
        found = deployables(self.study, self.trials)
        if not found:
            raise StudyError(
                f"{self.out}: no complete, feasible trial has reported exits; search again, or for longer"
            )
        if trial is None:
            return found
        if not (of_one := [model for model in found if model.trial == trial]):
            known = ", ".join(str(number) for number in dict.fromkeys(model.trial for model in found))
            raise StudyError(f"--trial {trial}: is no complete, feasible trial; give one of {known}")
        return of_one

    def trial(self, number: int) -> TrialRecord:
        """One of its trials."""
        return next(trial for trial in self.trials if trial.number == number)


def read_search(out: Path) -> Search:
    """Read a search's folder.

    Raises:
        StudyError: there is no search in it, or its journal is damaged.
    """
    for name in ("study.yaml", NAME):
        if not (out / name).is_file():
            raise StudyError(f"{out}: holds no {name}; give the --out folder of a search")
    study = load_study(str(out / "study.yaml"))
    record = StudyRecord(study.metric.name)
    for event in read_events(out / NAME):
        record.apply(event)
    return Search(study, record.ordered, Storage(study.storage or str(out.resolve())), out)


def write_model(search: Search, model: Deployable, into: Path) -> None:
    """Let the trial write a model from its saved state: whole or not at all.

    Raises:
        StudyError: the folder is there, the state is not, or the disk is full.
        ValueError, OSError: what the trial's `export` raises.
    """
    trial, export = search.trial(model.trial), load_export(search.study.trial)
    if into.exists():
        raise StudyError(f"{into}: is there already; move it away or give another folder by --out")
    with _state(search, trial) as state:
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=".export-") as staging:
            export(params_of(search.study, trial), state, Path(staging) / "model", model.choice)
            (Path(staging) / "model").rename(into)


def trade_off(search: Search, number: int, confidences: Sequence[float] = ()) -> list[dict[str, Any]]:
    """Error against average cost of a trial's early exit; raises as `write_model`."""
    trial, compute = search.trial(number), load_trade_off(search.study.trial)
    with _state(search, trial) as state:
        return compute(params_of(search.study, trial), state, confidences)


def reached(search: Search, model: Deployable, confidence: float) -> str:
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


def _state(search: Search, trial: TrialRecord) -> Any:
    if trial.checkpoint is None:
        raise StudyError(f"trial {trial.number}: saved no state, so there is nothing to export")
    return search.storage.fetched(trial.checkpoint)
