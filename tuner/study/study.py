"""A study: what is searched, how, and with what; the typed form of a study file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, PlainValidator, model_validator

from tuner.space.dimensions import parse_dimension
from tuner.space.space import Params, SearchSpace, with_values
from tuner.strict import Strict
from tuner.study.consistency import check_parts
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


class Study(Strict):
    """One study file, checked.

    Attributes:
        name: of the study and of its experiment in MLflow.
        trial: the trial function, `package.module:function` (see `tuner.trial`).
        epochs: of a full trial; given to the trial function with the settings.
        reports: how often a full trial reports, where that is not once an epoch; the trial's own `describe`
            says it before a search.
        settings: what the trial function is given, nested; fixed but for what is searched.
        search: dotted path below `settings` -> dimension.
        default: the point of the first trial, which no scheduler stops and the winner is compared with.
        points: those of the trials after it.
        warm_start: folder of an earlier study, from whose trials the sampler learns.
        metric: what is optimised.
        objectives: what is optimised beside it.
        constraints: what a winner must keep.
        trials: how many; may stand in `budget` instead.
        concurrency: trials at once, those of stacks added up; null as many as the resources allow.
        storage: where the trials' states and a copy of the journal go, such as `s3://bucket/path`; null the
            search's own folder.
        retries: attempts that a trial may lose to dying machines without a new report between them.
        origin: what a search noted in `best.yaml` about where it comes from.
    """

    name: Annotated[str, matching(r"\w[\w.-]*", "needs letters, digits or -._")]
    trial: Annotated[str, matching(r"[\w.]+:\w+", "needs `package.module:function`")]
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
        check_parts(self)
        return self

    @property
    def space(self) -> SearchSpace:
        """The searched dimensions."""
        return SearchSpace(self.search)

    @property
    def initial_params(self) -> list[Params]:
        """The points of the first trials."""
        return [*([] if self.default is None else [self.default]), *self.points]

    @property
    def all_objectives(self) -> list[Metric | Objective]:
        """Everything that is optimised, the metric first."""
        return [self.metric, *self.objectives]

    @property
    def max_reports(self) -> int:
        """Reports of a trial that ran to its end."""
        return self.reports or self.epochs

    @property
    def reservations(self) -> int | None:
        """How many trials, or stacks of them, are reserved for at once; None as many as fit."""
        return None if self.concurrency is None else self.concurrency // self.resources.stack

    @property
    def report_unit(self) -> str:
        """What lies between two reports, for a line of text."""
        return "epoch" if self.reports is None else "report"

    def config(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What one trial is given: the settings with `params` put in, and the number of epochs."""
        return {**with_values(self.settings, params), "epochs": self.epochs}

    def tags(self, params: Mapping[str, Any]) -> dict[str, str]:
        """What tells a trial apart besides its number; none in a search."""
        return {}

    @property
    def run_kind(self) -> str:
        """What the whole is called in the tracking."""
        return "study"

    @property
    def trial_noun(self) -> str:
        """What a trial is called on the screen."""
        return "trial"

    @property
    def trial_kind(self) -> str:
        """What a trial is called in the tracking."""
        return "trial"

    @property
    def experiment(self) -> str:
        """Name of the experiment that it is tracked in."""
        return self.name

    def to_dict(self) -> dict[str, Any]:
        """The study as a study file's content; keys that say nothing are left out."""
        content = self.model_dump(exclude={"search"}, exclude_none=True)
        keys = [key for key in type(self).model_fields if key in content or key == "search"]
        searched = {path: dimension.to_dict() for path, dimension in self.search.items()}
        return {key: searched if key == "search" else content[key] for key in keys}
