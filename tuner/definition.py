"""A study: what is searched, how, and with what; the typed form of a study file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tuner.dimension import parse_dimension
from tuner.errors import SettingError
from tuner.space import SearchSpace, put_in
from tuner.strict import Strict


def _matching(pattern: str, rule: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{rule}, got {text!r}")
        return text

    return AfterValidator(check)


MetricName = Annotated[str, _matching(r"[\w\-. /:]+", "needs letters, digits or -._ /:")]


class Metric(Strict):
    """What a study optimises: the last reported value of `name`; of equal trials the lower `ties` win.

    A metric that should count at its best epoch (such as a "best so far") is the trial's own to compute.
    `ties` are names of other reported metrics, each better when lower, the first decides first: where an
    error rate saturates at 0, a loss still tells trials apart.
    """

    name: MetricName
    mode: Literal["min", "max"]
    ties: list[MetricName] = Field(default_factory=list)

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is strictly better than `b`."""
        return a < b if self.mode == "min" else a > b


class SamplerConfig(Strict):
    """How configurations are drawn; `startup` random ones before TPE models."""

    name: Literal["tpe", "random"] = "tpe"
    seed: int = Field(default=0, ge=0, lt=2**32)
    startup: int = Field(default=10, ge=1)


class SchedulerConfig(Strict):
    """How poor trials are stopped, none before its report number `grace`.

    asha: asynchronous successive halving; the best 1 / `reduction` go on at each rung.
    race: whoever is clearly worse than the best complete trial, report by report (see `tuner.race`).

    Attributes:
        level: of race, the chance that a trial as good as the best is stopped at one report.
        value: of race, the metric compared; None for the study's own.
    """

    name: Literal["asha", "race", "none"] = "asha"
    grace: int = Field(default=1, ge=1)
    reduction: float = Field(default=3, gt=1)
    level: float = Field(default=0.05, gt=0, lt=0.5)
    value: MetricName | None = None


class Resources(Strict):
    """What one trial reserves; `gpu` may be a fraction below 1."""

    cpu: float = Field(default=1, gt=0)
    gpu: float = Field(default=0, ge=0)

    @field_validator("cpu", "gpu")
    @classmethod
    def _divisible(cls, amount: float, info: ValidationInfo) -> float:
        if amount > 1 and not float(amount).is_integer():
            raise ValueError(f"a {info.field_name} above 1 needs a whole number, got {amount}")
        return amount


class Study(Strict):
    """One study file, checked.

    `reports` is how often a full trial reports, where that is not once an epoch; the trial's own `describe`
    says it before a search.
    """

    name: Annotated[str, _matching(r"\w[\w.-]*", "needs letters, digits or -._")]
    trial: Annotated[str, _matching(r"[\w.]+:\w+", "needs `package.module:function`")]
    epochs: int = Field(ge=1)
    reports: int | None = Field(default=None, ge=1)
    settings: dict[str, Any] = Field(default_factory=dict)
    search: dict[str, Annotated[Any, PlainValidator(parse_dimension)]] = Field(default_factory=dict)
    default: dict[str, Any] | None = None
    metric: Metric
    sampler: SamplerConfig = SamplerConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    trials: int = Field(ge=1)
    resources: Resources = Resources()
    concurrency: int | None = Field(default=None, ge=1)
    origin: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        if "epochs" in self.settings:
            raise SettingError(("settings", "epochs"), "is given by the study's own `epochs`; remove it")
        if self.scheduler.name != "none" and self.scheduler.grace > self.full:
            rule = f"needs at most the study's {self.unit}s, {self.full}, got {self.scheduler.grace}"
            raise SettingError(("scheduler", "grace"), rule)
        if not self.search and self.trials != 1:
            raise SettingError(("trials",), f"an empty search is one trial, got {self.trials}; set trials: 1")
        self.space.check_paths(self.settings)
        if self.default is not None:
            self.space.check_default(self.default)
        return self

    @property
    def space(self) -> SearchSpace:
        """The searched dimensions."""
        return SearchSpace(self.search)

    @property
    def full(self) -> int:
        """Reports of a trial that ran to its end."""
        return self.reports or self.epochs

    @property
    def unit(self) -> str:
        """What lies between two reports, for a line of text."""
        return "epoch" if self.reports is None else "report"

    def params(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """What one trial is given: the settings with `point` put in, and the number of epochs."""
        return {**put_in(self.settings, point), "epochs": self.epochs}

    def tags(self, point: Mapping[str, Any]) -> dict[str, str]:
        """What tells a trial apart besides its number; none in a search."""
        return {}

    @property
    def kind(self) -> str:
        """What the whole is called in the tracking."""
        return "study"

    def plain(self) -> dict[str, Any]:
        """The study as a study file's content; keys that say nothing are left out."""
        content = self.model_dump(exclude={"search"}, exclude_none=True)
        keys = [key for key in type(self).model_fields if key in content or key == "search"]
        searched = {path: dimension.written() for path, dimension in self.search.items()}
        return {key: searched if key == "search" else content[key] for key in keys}
