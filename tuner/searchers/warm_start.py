"""Warm start: the trials of an earlier study that this one can learn from, read from its journal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import SettingError, StudyError, dotted, nearest
from tuner.journal.event import Event, EventKind
from tuner.journal.journal import NAME, read_events
from tuner.journal.record import State
from tuner.space.space import Params
from tuner.strict import Strict
from tuner.study.study import Study

_ENDED = (State.COMPLETE, State.STOPPED)


class EarlierTrial(Strict):
    """A trial of an earlier study.

    Attributes:
        params: legal in this study.
        values: this study's metric per report, None where it is not finite; at most a full trial's reports.
        metrics: finite metrics of the last of these reports, as far as this study names them.
    """

    params: dict[str, Any]
    values: list[float | None]
    metrics: dict[str, float]


@dataclass
class _Trial:
    """A trial as the journal has it: with every metric of every report."""

    params: Params
    reports: dict[int, Mapping[str, float]] = field(default_factory=dict)
    state: str = ""
    cloned: bool = False


def earlier_trials(study: Study) -> list[EarlierTrial]:
    """Return the trials of the study in `warm_start` that ended well enough to learn from, by number.

    A trial that continued from another trial's checkpoint (PBT) is left out, since its params do not explain
    its values. Reports beyond this study's last one are cut off.

    Args:
        study: a prepared study; without `warm_start` there are no such trials.
    Raises:
        StudyError: no such folder, no journal in it or a damaged one, another metric, nothing usable.
    """
    if study.warm_start is None:
        return []
    place = f"study {study.name}: warm_start"
    trials = [trial for _, trial in sorted(_read(Path(study.warm_start), place).items())]
    ended = [trial for trial in trials if trial.state in _ENDED and not trial.cloned]
    reported = [trial for trial in ended if any(study.metric.name in each for each in trial.reports.values())]
    if ended and not reported:
        names = sorted({name for trial in ended for each in trial.reports.values() for name in each})
        rule = f"no trial reported {study.metric.name}; {nearest(study.metric.name, names)}"
        raise StudyError(f"{place}: {study.warm_start}: {rule}")
    problems = [_problem(study, trial) for trial in reported]
    legal = [trial for trial, problem in zip(reported, problems, strict=True) if not problem]
    usable = [each for trial in legal if (each := _truncated(study, trial)) is not None]
    if not usable:
        lacks = (
            f"has params of this search: {problems[0]}" if problems and not legal else "can be learned from"
        )
        rule = f"none of {len(ended)} finished trials {lacks}; remove it or name another study"
        raise StudyError(f"{place}: {study.warm_start}: {rule}")
    return usable


def _read(folder: Path, place: str) -> dict[int, _Trial]:
    path, trials = folder / NAME, dict[int, _Trial]()
    if not path.is_file():
        missing = f"contains no {NAME}" if folder.is_dir() else "no such folder"
        raise StudyError(f"{place}: {folder}: {missing}; name the folder of an earlier study")
    try:
        for line, event in enumerate(read_events(path), start=1):
            try:
                _apply(trials, event)
            except (KeyError, TypeError, AttributeError) as error:
                rule = "does not fit the lines before; restore the file"
                raise StudyError(f"{path}:{line}: {rule}") from error
    except StudyError as error:
        raise StudyError(f"{place}: {error}") from error
    except OSError as error:
        raise StudyError(f"{place}: {path}: cannot be read ({error.strerror})") from error
    return trials


def _apply(trials: dict[int, _Trial], event: Event) -> None:
    if event.trial is None:
        return
    if event.kind is EventKind.TRIAL_STARTED:
        trials[event.trial] = _Trial(dict(event["params"]))
    elif event.kind is EventKind.TRIAL_REPORTED:
        trials[event.trial].reports[event["epoch"]] = event["metrics"]
    elif event.kind is EventKind.TRIAL_RESUMED:
        trials[event.trial].cloned |= event["donor"] is not None
    elif event.kind is EventKind.TRIAL_ENDED:
        trials[event.trial].state = event["state"]


def _problem(study: Study, trial: _Trial) -> str:
    try:
        study.space.check_params(trial.params, ())
    except SettingError as error:
        return f"{dotted(error.path)} {error}"
    return ""


def _truncated(study: Study, trial: _Trial) -> EarlierTrial | None:
    """Return the trial up to this study's last report; None where nothing can be learned from it."""
    last = min(max(trial.reports), study.max_reports)
    values = [_finite(trial.reports.get(epoch, {}).get(study.metric.name)) for epoch in range(1, last + 1)]
    names = [*(each.name for each in study.all_objectives), *(each.metric for each in study.constraints)]
    final = trial.reports.get(last, {})
    metrics = {name: value for name in names if (value := _finite(final.get(name))) is not None}
    complete = last == study.max_reports and all(each.name in metrics for each in study.all_objectives)
    # a sampler for several objectives learns nothing from stopped trials
    stopped = last < study.max_reports and not study.objectives and any(v is not None for v in values)
    if not complete and not stopped:
        return None
    return EarlierTrial(params=trial.params, values=values, metrics=metrics)


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
