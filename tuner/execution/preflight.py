"""Checks before a search: builds many configurations of a study and tries the extremes for one step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from rich.table import Table

from tuner.errors import StudyError, lines, nearest
from tuner.execution.devices import set_devices
from tuner.space.distributions import When
from tuner.space.space import Params
from tuner.study.study import Study
from tuner.text import params_text
from tuner.trial_module import TrialModule, warn_of_misspelt_hooks

SAMPLES = 200


def prepared(study: Study) -> Study:
    """Return the study with the settings that `prepare` returns, checked against the trial's `describe`.

    Raises:
        StudyError: no such trial function, a hook that the study needs and the trial lacks, or a metric that
            the trial does not report.
        ValueError, OSError: what `prepare` or `describe` raises.
    """
    trial = TrialModule(study.trial)
    _ = trial.function
    warn_of_misspelt_hooks(trial)
    refuse_finalists(study)
    ready = study.model_copy(update={"settings": trial.prepared_settings(study.settings)})
    if study.resources.stack > 1:
        _warn_of_unstackable(ready)
    return described(ready)


def _warn_of_unstackable(study: Study) -> None:
    """Print one line on stderr where even the usual configuration runs alone, so stacking gains nothing.

    Raises:
        StudyError: the trial has no `run_stack` or no `stackable`.
    """
    trial = TrialModule(study.trial)
    trial.require("run_stack", "`resources.stack` needs")
    stackable = trial.require("stackable", "`resources.stack` needs")
    try:
        stackable(study.config(_usual(study)))
    except Exception as error:  # noqa: BLE001 - of the trial's code; each trial runs alone
        print(
            f"warning: resources.stack: the usual configuration runs alone: {_reason(error)}", file=sys.stderr
        )


def _usual(study: Study) -> Params:
    return study.default if study.default is not None else study.space.middle()


def described(study: Study) -> Study:
    """Return the study with the number of reports that the trial's `describe` gives.

    Raises:
        StudyError: the study names a metric that the trial does not report, or another number of reports.
    """
    describe = TrialModule(study.trial).describe
    if describe is None:
        return study
    description = describe(study.config(_usual(study)))
    metrics, reports = description["metrics"], description["reports"]
    for key, name in _named(study).items():
        if name not in metrics:
            raise StudyError(
                f"study {study.name}: {key}: with these settings the trial does not report {name};"
                f" {nearest(name, metrics)}"
            )
    if study.reports not in (None, reports):
        raise StudyError(f"study {study.name}: reports: needs {reports}, got {study.reports}; leave it out")
    return study if reports == study.epochs else _with_reports(study, reports)


def _named(study: Study) -> dict[str, str]:
    """Return every metric that a study names, by the setting that names it."""
    named = {"metric.name": study.metric.name}
    named |= {f"metric.ties[{place}]": name for place, name in enumerate(study.metric.ties)}
    named |= {f"objectives[{place}].name": each.name for place, each in enumerate(study.objectives)}
    named |= {f"constraints[{place}].metric": each.metric for place, each in enumerate(study.constraints)}
    return named if study.scheduler.value is None else named | {"scheduler.value": study.scheduler.value}


def _with_reports(study: Study, reports: int) -> Study:
    try:
        return Study.model_validate(study.to_dict() | {"reports": reports})
    except ValidationError as error:
        raise StudyError("; ".join(f"study {study.name}: {line}" for line in lines(error))) from error


def check_extremes(study: Study, step: bool) -> int:
    """Try the default (or the middle), the points and each end of each dimension.

    Args:
        study: a prepared study.
        step: whether each also trains one step.
    Returns:
        How many were tried.
    Raises:
        StudyError: a configuration does not work.
    """
    return _try_all(study, list(_extremes(study)), step)


def check_study(study: Study) -> str:
    """Load the trial function, prepare its data, build sampled and extreme configurations.

    Args:
        study: the study.
    Returns:
        How much was tried, as text.
    Raises:
        StudyError: a configuration does not work.
        ValueError, OSError: what the trial's `prepare` raises.
    """
    set_devices(study.resources)
    ready = prepared(study)
    if TrialModule(study.trial).check is None:
        return f"{study.trial} exists; it has no `check`, so no configuration was tried"
    samples = _try_all(ready, list(_samples(ready)), step=False)
    extremes = check_extremes(ready, step=True)
    return f"{samples} sampled configurations built, {extremes} extremes tried for a step"


def candidates(study: Study) -> tuple[list[Params], list[Params]]:
    """Return the extremes (default or middle, points, ends of each dimension) and params drawn at random."""
    return list(_extremes(study)), list(_samples(study))


def _try_all(study: Study, points: list[Params], step: bool) -> int:
    check = TrialModule(study.trial).check
    if check is None:
        return 0
    for params in points:
        try:
            check(study.config(params), step=step)
        except Exception as error:
            where = f"the configuration [{params_text(params)}]" if params else "the trial"
            raise StudyError(f"{where} does not work: {_reason(error)}") from error
    return len(points)


def space_table(study: Study) -> Table:
    """Return the search space as a table, one row per dimension."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("dimension", "kind", "range", "default"):
        table.add_column(title)
    for path, dimension in study.search.items():
        (kind, content), *_ = dimension.to_dict().items()
        default = (study.default or {}).get(path, "-")
        table.add_row(path, kind, _range(kind, content) + _condition(dimension.when), str(default))
    return table


def _samples(study: Study) -> Iterator[Params]:
    from tuner.searchers.optuna_searcher import OptunaSearcher

    random = study.sampler.model_copy(update={"name": "random"})
    sampler = OptunaSearcher(
        study.model_copy(update={"sampler": random, "default": None, "points": []}), state={}
    )
    for _ in range(SAMPLES if study.search else 1):
        yield sampler.ask().params


def _extremes(study: Study) -> Iterator[Params]:
    centre = _usual(study)
    yield centre
    yield from study.points
    yield from (params for params in study.space.corners(centre) if params not in (centre, *study.points))


def _range(kind: str, content: Any) -> str:
    if isinstance(content, dict):
        low, high = content["count"]
        return (
            f"{low} to {high} of 1..{content['positions']}"
            if low != high
            else f"{low} of 1..{content['positions']}"
        )
    return ", ".join(map(str, content)) if kind == "choice" else f"{content[0]:g} to {content[1]:g}"


def _condition(when: When) -> str:
    parts = (f"{path}={' or '.join(map(str, values))}" for path, values in when.items())
    return f" when {', '.join(parts)}" if when else ""


def _reason(error: Exception) -> str:
    text = "; ".join(lines(error))
    return text if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: {text}"


def refuse_finalists(study: Study) -> None:
    """Raise StudyError where a study has `finalists` that its trial or its scheduler does not allow."""
    if study.finalists is None:
        return
    TrialModule(study.trial).require("reseeded", "`finalists` need")
    if study.scheduler.name in ("pbt", "pb2"):
        rule = f"{study.scheduler.name} changes settings during a trial, which other seeds cannot repeat"
        raise StudyError(f"study {study.name}: finalists: {rule}; take another scheduler, or leave them out")
