"""The parts of a study file: metric, objectives, sampler, scheduler, budget, finalists, resources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from tuner.errors import SettingError
from tuner.strict import Strict


def matching(pattern: str, rule: str) -> AfterValidator:
    """Return a validator of text that `pattern` must match completely; `rule` begins the error message."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{rule}, got {text!r}")
        return text

    return AfterValidator(check)


MetricName = Annotated[str, matching(r"[\w\-. /:]+", "needs letters, digits or -._ /:")]


class Metric(Strict):
    """What a study optimises: the last reported value of `name`.

    A trial that should count with its best epoch reports the best value so far. Equal trials are ranked by
    `ties`, names of other reported metrics for which lower is better, the first one first: where an error
    rate saturates at 0, a loss still tells trials apart.
    """

    name: MetricName
    mode: Literal["min", "max"]
    ties: list[MetricName] = Field(default_factory=list)

    def better(self, a: float, b: float) -> bool:
        """Return whether `a` is strictly better than `b`."""
        return a < b if self.mode == "min" else a > b


class Objective(Strict):
    """A metric to optimise beside the main one; the result is then a Pareto set and its best trial."""

    name: MetricName
    mode: Literal["min", "max"]


class Constraint(Strict):
    """A reported metric that must not exceed `at_most`; a trial above it, or that lacks it, cannot win."""

    metric: MetricName
    at_most: float


class SamplerConfig(Strict):
    """How params are drawn.

    tpe, gp: from a model of the trials so far, after `startup` random ones.
    random, qmc: without a model; qmc covers the space evenly.
    nsga2: by mutation and crossover in populations of `startup`, of which the first is random.
    """

    name: Literal["tpe", "gp", "random", "qmc", "nsga2"] = "tpe"
    seed: int = Field(default=0, ge=0, lt=2**32)
    startup: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _population(self) -> SamplerConfig:
        if self.name == "nsga2" and self.startup < 2:
            raise SettingError(("startup",), f"nsga2 needs a population of at least 2, got {self.startup}")
        return self


class SchedulerConfig(Strict):
    """How poor trials are stopped or cloned, none before report `grace_period`; the default is spared.

    asha: asynchronous successive halving; at each rung about the best 1 / `reduction_factor` continue.
    median: stops a trial whose best value is worse than the median of the other trials' running averages.
    race: stops a trial that is clearly worse than the best complete one, compared report by report.
    early-discarding: every trial pauses after `grace_period` reports, then the best 1 / `reduction_factor`
    run to the end.
    pbt, pb2: all trials form a population; every `interval` reports the worst quarter continues from
    checkpoints of the best quarter with changed settings (random, or chosen by a Gaussian process).
    none: every trial runs to its end.

    Attributes:
        grace_period: reports before a trial can be stopped, paused or cloned.
        reduction_factor: of asha and early-discarding.
        alpha: of race, the probability of stopping, at one report, a trial that is as good as the best.
        value: of race, the metric to compare; null for the study's metric.
        interval: of pbt and pb2, reports between two changes.
        min_rank_correlation: of asha; a rung whose ranks correlate less with those of the next rung stops no
            trial. With -1 every rung stops trials.
    """

    renamed_keys: ClassVar[Mapping[str, str]] = {
        "grace": "grace_period",
        "reduction": "reduction_factor",
        "agreement": "min_rank_correlation",
        "level": "alpha",
    }

    name: Literal["asha", "median", "race", "early-discarding", "pbt", "pb2", "none"] = "asha"
    grace_period: int = Field(default=1, ge=1)
    reduction_factor: float = Field(default=3, gt=1)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    value: MetricName | None = None
    interval: int = Field(default=1, ge=1)
    min_rank_correlation: float = Field(default=0.5, ge=-1, le=1)

    @field_validator("name", mode="before")
    @classmethod
    def _refuse_old_name(cls, name: Any) -> Any:
        if name == "one-epoch":
            raise ValueError("is now called `early-discarding`, got 'one-epoch'; rename it")
        return name


class Budget(Strict):
    """Limits of a search, whichever is reached first; what was spent before a resume counts."""

    gpu_hours: float | None = Field(default=None, gt=0)
    wall_hours: float | None = Field(default=None, gt=0)
    trials: int | None = Field(default=None, ge=1)


class Finalists(Strict):
    """After the search the best `top` trials are repeated with up to `seeds` fresh seeds; the mean decides.

    Attributes:
        alpha: probability of dropping, after one seed, a candidate that is as good as the best.
    """

    renamed_keys: ClassVar[Mapping[str, str]] = {"level": "alpha"}

    top: int = Field(ge=2)
    seeds: int = Field(ge=2)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)


class Resources(Strict):
    """What one trial reserves, per worker (DDP); `gpu` may be a fraction below 1.

    Attributes:
        stack: number of trials that may share one reservation and are trained as one model; the trial's
            `stackable` decides which (see docs/stack.md).
    """

    cpu: float = Field(default=1, gt=0)
    gpu: float = Field(default=0, ge=0)
    workers: int = Field(default=1, ge=1)
    stack: int = Field(default=1, ge=1, le=64)

    @model_validator(mode="after")
    def _stack_of_one_process(self) -> Resources:
        if self.stack > 1 and self.workers > 1:
            rule = f"needs one process per trial, got workers: {self.workers}; leave one of the two at 1"
            raise SettingError(("stack",), rule)
        return self

    @field_validator("cpu", "gpu")
    @classmethod
    def _divisible(cls, amount: float, info: ValidationInfo) -> float:
        if amount > 1 and not float(amount).is_integer():
            raise ValueError(f"a {info.field_name} above 1 needs a whole number, got {amount}")
        return amount
