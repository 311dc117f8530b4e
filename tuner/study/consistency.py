"""What the parts of a study need of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.errors import SettingError

if TYPE_CHECKING:
    from tuner.study.study import Study

_POPULATION = 4  # with fewer trials the worst quarter is nobody
_WITHOUT_MODEL = ("random", "qmc")


def check_parts(study: Study) -> None:
    """Whether the parts of a study go together.

    Raises:
        SettingError: the first setting that does not go with another one.
    """
    if "epochs" in study.settings:
        raise SettingError(("settings", "epochs"), "is given by the study's own `epochs`; remove it")
    _check_trials(study)
    _check_stack(study)
    _check_scheduler(study)
    _check_goals(study)
    if study.warm_start is not None and study.sampler.name in _WITHOUT_MODEL:
        rule = f"sampler {study.sampler.name} learns nothing from an earlier study; remove it or take tpe"
        raise SettingError(("warm_start",), rule)


def _check_trials(study: Study) -> None:
    if not study.search and study.trials != 1:
        raise SettingError(("trials",), f"an empty search is one trial, got {study.trials}; set trials: 1")
    if study.budget.trials not in (None, study.trials):
        rule = f"needs the study's trials, {study.trials}, got {study.budget.trials}; give one of the two"
        raise SettingError(("budget", "trials"), rule)
    if len(study.initial_params) > study.trials:
        rule = (
            f"with the default these are {len(study.initial_params)} trials of {study.trials}; raise trials"
        )
        raise SettingError(("points",), rule)
    if study.finalists is not None and study.finalists.top > study.trials:
        rule = f"needs at most the study's trials, {study.trials}, got {study.finalists.top}"
        raise SettingError(("finalists", "top"), rule)


def _check_stack(study: Study) -> None:
    if study.concurrency is not None and study.concurrency < study.resources.stack:
        rule = f"needs at least resources.stack, {study.resources.stack}, got {study.concurrency}; raise it"
        raise SettingError(("concurrency",), rule)


def _check_scheduler(study: Study) -> None:
    scheduler = study.scheduler
    if scheduler.name != "none" and scheduler.grace > study.max_reports:
        rule = f"needs at most the study's {study.report_unit}s, {study.max_reports}, got {scheduler.grace}"
        raise SettingError(("scheduler", "grace"), rule)
    if scheduler.name in ("pbt", "pb2"):
        _check_population(study)


def _check_population(study: Study) -> None:
    """A population is drawn at the start; values of trials that changed on the way would mislead a model."""
    name = study.scheduler.name
    if study.sampler.name not in _WITHOUT_MODEL:
        rule = f"{name} needs random or qmc, got {study.sampler.name}: it changes settings during a trial"
        raise SettingError(("sampler", "name"), rule)
    if study.trials < _POPULATION:
        raise SettingError(("trials",), f"{name} needs a population of {_POPULATION}, got {study.trials}")
    if study.scheduler.interval >= study.max_reports:
        rule = f"needs less than the study's {study.report_unit}s, {study.max_reports}, got {study.scheduler.interval}"
        raise SettingError(("scheduler", "interval"), rule)


def _check_goals(study: Study) -> None:
    """Every scheduler compares trials by one metric, and would stop what is best in another."""
    if study.objectives and study.scheduler.name != "none":
        rule = (
            f"needs none with `objectives`, got {study.scheduler.name}: it would stop trials by one of them"
        )
        raise SettingError(("scheduler", "name"), rule)
    _refuse_double([goal.name for goal in study.all_objectives], "objectives", "name", first=1)
    _refuse_double([each.metric for each in study.constraints], "constraints", "metric", first=0)


def _refuse_double(names: list[str], part: str, key: str, first: int) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise SettingError((part, place - first, key), f"names {name} a second time; remove one")
