"""What an earlier study found, as far as this one can use it; read from its journal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.errors import SettingError, StudyError, dotted, nearest
from tuner.space.space import Params
from tuner.strict import Strict
from tuner.study.study import Study

JOURNAL = "journal.jsonl"
_ENDED = ("complete", "stopped")


class EarlierTrial(Strict):
    """A trial of an earlier study.

    Attributes:
        params: legal in this study.
        values: this study's metric by report, None where it is no number; at most a full trial's reports.
        metrics: of the last of these reports, those numbers that this study names.
    """

    params: dict[str, Any]
    values: list[float | None]
    metrics: dict[str, float]


@dataclass
class _Trial:
    params: Params
    reports: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    state: str = ""
    cloned: bool = False


def earlier_trials(study: Study) -> list[EarlierTrial]:
    """The trials of the study in `warm_start` that ended well enough to learn from, by number.

    A trial that took over another one's state on the way (PBT) is left out: its params does not say what led
    to its values. Reports beyond this study's last one are cut off.

    Args:
        study: a prepared study; without `warm_start` there are none.
    Raises:
        StudyError: no such folder, no journal in it or a damaged one, another metric, nothing usable.
    """
    if study.warm_start is None:
        return []
    place = f"study {study.name}: warm_start: {study.warm_start}"
    trials = [trial for _, trial in sorted(_read(Path(study.warm_start), place).items())]
    ended = [trial for trial in trials if trial.state in _ENDED and not trial.cloned]
    reported = [trial for trial in ended if any(study.metric.name in each for each in trial.reports.values())]
    if ended and not reported:
        names = sorted({name for trial in ended for each in trial.reports.values() for name in each})
        raise StudyError(
            f"{place}: no trial reported {study.metric.name}; {nearest(study.metric.name, names)}"
        )
    problems = [_problem(study, trial) for trial in reported]
    legal = [trial for trial, problem in zip(reported, problems, strict=True) if not problem]
    used = [each for trial in legal if (each := _cut(study, trial)) is not None]
    if not used:
        reason = (
            f"has a point of this search: {problems[0]}" if problems and not legal else "can be learned from"
        )
        raise StudyError(f"{place}: none of {len(ended)} finished trials {reason}; remove it or give another")
    return used


def _read(folder: Path, place: str) -> dict[int, _Trial]:
    if not folder.is_dir():
        raise StudyError(f"{place}: no such folder; give that of an earlier study")
    try:
        text = (folder / JOURNAL).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise StudyError(f"{place}: holds no {JOURNAL}; give the folder of an earlier study") from error
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{place}/{JOURNAL}: cannot be read ({error})") from error
    trials: dict[int, _Trial] = {}
    for line, entry in _entries(text, f"{place}/{JOURNAL}"):
        try:
            _take(trials, entry)
        except (KeyError, TypeError, AttributeError) as error:
            raise StudyError(f"{place}/{JOURNAL}:{line}: no event of a search; restore the file") from error
    return trials


def _entries(text: str, place: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each whole line; what a crash left of a last one is not read."""
    *whole, _ = text.split("\n")
    for line, content in enumerate(whole, start=1):
        try:
            yield line, json.loads(content)
        except ValueError as error:
            raise StudyError(f"{place}:{line}: not valid JSON; restore the file") from error


def _take(trials: dict[int, _Trial], entry: dict[str, Any]) -> None:
    kind = entry["event"]
    if kind == "trial_started":
        trials[entry["trial"]] = _Trial(dict(entry["params"]))
    elif kind == "trial_reported":
        trials[entry["trial"]].reports[int(entry["epoch"])] = dict(entry["metrics"])
    elif kind == "trial_resumed":
        trials[entry["trial"]].cloned |= entry["donor"] is not None
    elif kind == "trial_ended":
        trials[entry["trial"]].state = entry["state"]


def _problem(study: Study, trial: _Trial) -> str:
    try:
        study.space.check_params(trial.params, ())
    except SettingError as error:
        return f"{dotted(error.path)} {error}"
    return ""


def _cut(study: Study, trial: _Trial) -> EarlierTrial | None:
    """The trial up to this study's last report; None where nothing can be learned from it."""
    last = min(max(trial.reports), study.max_reports)
    values = [_number(trial.reports.get(epoch, {}).get(study.metric.name)) for epoch in range(1, last + 1)]
    named = [*(goal.name for goal in study.all_objectives), *(each.metric for each in study.constraints)]
    final = trial.reports.get(last, {})
    metrics = {name: value for name in named if (value := _number(final.get(name))) is not None}
    whole = last == study.max_reports and all(goal.name in metrics for goal in study.all_objectives)
    learned = whole or (
        last < study.max_reports and not study.objectives and any(v is not None for v in values)
    )
    return EarlierTrial(params=trial.params, values=values, metrics=metrics) if learned else None


def _number(value: Any) -> float | None:
    """NaN and inf stand as texts in a journal."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
