"""A study: the typed form of a study file, and the checks across its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from tuner.errors import SettingError
from tuner.space.dimensions import parse_dimension
from tuner.space.space import Params, SearchSpace, with_values
from tuner.strict import Strict
from tuner.study.settings import (
    Budget,
    Constraint,
    Finalists,
    Metric,
    Objective,
    Resources,
    SamplerConfig,
    SchedulerConfig,
    matching,
)
from tuner.trial_module import trial_name

MIN_POPULATION = 4  # trials of pbt and pb2; of fewer the worst quarter is empty
_WITHOUT_MODEL = ("random", "qmc")  # samplers
_TrialName = Annotated[
    str, BeforeValidator(trial_name), matching(r"[\w.]+:\w+", "needs `package.module:function`")
]


class Study(Strict):
    """One study file, checked.

    Attributes:
        name: of the study and of its MLflow experiment.
        trial: the trial function, `package.module:function` (see `tuner.trial`); from Python it may be the
            function itself, kept by name.
        epochs: of a full trial; passed to the trial function with the settings.
        reports: of a full trial, where that is not one per epoch; filled in by the trial's own `describe`.
        settings: nested settings for the trial function; fixed except for the searched ones.
        search: dotted path below `settings` -> dimension.
        default: params of the first trial, which no scheduler stops and which the winner is compared with.
        points: params of the trials after it.
        warm_start: folder of an earlier study whose trials the sampler learns from.
        metric: what to optimise.
        objectives: what to optimise beside it.
        constraints: what a winner must satisfy.
        trials: how many; may stand in `budget` instead.
        concurrency: trials at once, each trial of a stack counted; null as many as the resources allow.
        storage: where checkpoints and a copy of the journal go, such as `s3://bucket/path`; null the study
            folder.
        retries: attempts that a trial may lose to dying machines without a new report between them.
        origin: where the study comes from, as a search notes it in `best.yaml`.
    """

    name: Annotated[str, matching(r"\w[\w.-]*", "needs letters, digits or -._")]
    trial: _TrialName
    epochs: int = Field(ge=1)
    reports: int | None = Field(default=None, ge=1)
    settings: dict[str, Any] = Field(default_factory=dict)
    search: dict[str, Annotated[Any, PlainValidator(parse_dimension)]] = Field(default_factory=dict)
    default: dict[str, Any] | None = None
    points: list[dict[str, Any]] = Field(default_factory=list)
    warm_start: str | None = None
    metric: Metric
    objectives: list[Objective] = Field(default_factory=list)
    constraints: list[Constraint] = Field(default_factory=list)
    sampler: SamplerConfig = SamplerConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    trials: int = Field(ge=1)
    resources: Resources = Resources()
    concurrency: int | None = Field(default=None, ge=1)
    storage: str | None = None
    retries: int = Field(default=2, ge=0)
    budget: Budget = Budget()
    finalists: Finalists | None = None
    origin: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_trials_from_budget(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "trials" in given or not isinstance(given.get("budget"), dict):
            return given
        return given | {key: value for key, value in given["budget"].items() if key == "trials"}

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        self.space.check_paths(self.settings)
        if self.default is not None:
            self.space.check_params(self.default, ("default",))
        for place, params in enumerate(self.points):
            self.space.check_params(params, ("points", place))
        for check in (_check_settings, _check_trials, _check_scheduler, _check_objectives):
            check(self)
        return self

    @property
    def space(self) -> SearchSpace:
        """The searched dimensions."""
        return SearchSpace(self.search)

    @property
    def initial_params(self) -> list[Params]:
        """Params of the first trials, which no sampler draws."""
        return [*([] if self.default is None else [self.default]), *self.points]

    @property
    def all_objectives(self) -> list[Metric | Objective]:
        """Everything to optimise, the metric first."""
        return [self.metric, *self.objectives]

    @property
    def max_reports(self) -> int:
        """Reports of a trial that runs to its end."""
        return self.reports or self.epochs

    @property
    def reservations(self) -> int | None:
        """Trials, or stacks of trials, that hold resources at once; None as many as fit."""
        return None if self.concurrency is None else self.concurrency // self.resources.stack

    @property
    def report_unit(self) -> str:
        """What lies between two reports, as a word for messages."""
        return "epoch" if self.reports is None else "report"

    def config(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a trial function is given: the settings with `params` put in, and the epochs."""
        return {**with_values(self.settings, params), "epochs": self.epochs}

    def tags(self, params: Mapping[str, Any]) -> dict[str, str]:
        """Return what tells a trial apart besides its number; nothing in a search."""
        return {}

    @property
    def run_kind(self) -> str:
        """What the parent run is called in MLflow."""
        return "study"

    @property
    def trial_noun(self) -> str:
        """What a trial is called on the screen."""
        return "trial"

    @property
    def trial_kind(self) -> str:
        """What a trial's run is called in MLflow."""
        return "trial"

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment."""
        return self.name

    def to_dict(self) -> dict[str, Any]:
        """Return the content of a study file; keys without a value are left out."""
        content = self.model_dump(exclude={"search"}, exclude_none=True)
        keys = [key for key in type(self).model_fields if key in content or key == "search"]
        search = {path: dimension.to_dict() for path, dimension in self.search.items()}
        return {key: search if key == "search" else content[key] for key in keys}


def _check_settings(study: Study) -> None:
    if "epochs" in study.settings:
        raise SettingError(("settings", "epochs"), "is given by the study's own `epochs`; remove it")
    if study.concurrency is not None and study.concurrency < study.resources.stack:
        rule = f"needs at least resources.stack, {study.resources.stack}, got {study.concurrency}; raise it"
        raise SettingError(("concurrency",), rule)
    if study.warm_start is not None and study.sampler.name in _WITHOUT_MODEL:
        rule = f"sampler {study.sampler.name} learns nothing from an earlier study; remove it or use tpe"
        raise SettingError(("warm_start",), rule)


def _check_trials(study: Study) -> None:
    trials, initial = study.trials, len(study.initial_params)
    if not study.search and trials != 1:
        raise SettingError(("trials",), f"an empty search is one trial, got {trials}; set trials: 1")
    if study.budget.trials not in (None, trials):
        rule = f"needs the study's trials, {trials}, got {study.budget.trials}; set one of the two"
        raise SettingError(("budget", "trials"), rule)
    if initial > trials:
        rule = f"needs at most {trials} trials with the default, got {initial}; raise trials"
        raise SettingError(("points",), rule)
    if study.finalists is not None and study.finalists.top > trials:
        rule = f"needs at most the study's trials, {trials}, got {study.finalists.top}"
        raise SettingError(("finalists", "top"), rule)


def _check_scheduler(study: Study) -> None:
    scheduler, reports = study.scheduler, f"the study's {study.report_unit}s, {study.max_reports}"
    if scheduler.name != "none" and scheduler.grace_period > study.max_reports:
        rule = f"needs at most {reports}, got {scheduler.grace_period}"
        raise SettingError(("scheduler", "grace_period"), rule)
    if scheduler.name not in ("pbt", "pb2"):
        return
    if study.sampler.name not in _WITHOUT_MODEL:  # values of trials that change on the way mislead a model
        needs = f"{scheduler.name} changes settings during a trial and needs random or qmc"
        rule = f"{needs}, got {study.sampler.name}"
        raise SettingError(("sampler", "name"), rule)
    if study.trials < MIN_POPULATION:
        rule = f"{scheduler.name} needs a population of {MIN_POPULATION}, got {study.trials}"
        raise SettingError(("trials",), rule)
    if scheduler.interval >= study.max_reports:
        raise SettingError(("scheduler", "interval"), f"needs less than {reports}, got {scheduler.interval}")


def _check_objectives(study: Study) -> None:
    """Refuse a scheduler beside objectives, since it would stop trials that are best in another objective."""
    if study.objectives and study.scheduler.name != "none":
        rule = (
            f"needs none with `objectives`, got {study.scheduler.name}: it ranks trials by the metric alone"
        )
        raise SettingError(("scheduler", "name"), rule)
    _refuse_double([each.name for each in study.all_objectives], "objectives", "name", first=1)
    _refuse_double([each.metric for each in study.constraints], "constraints", "metric", first=0)


def _refuse_double(names: Sequence[str], part: str, key: str, first: int) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise SettingError((part, place - first, key), f"names {name} a second time; remove one")
