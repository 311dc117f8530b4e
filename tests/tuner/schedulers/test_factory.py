"""Each name gives its scheduler; settings of a scheduler that cannot be are refused in one line."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from tests.tuner.support.studies import toy_study
from tuner.errors import lines
from tuner.schedulers.asha import ASHA
from tuner.schedulers.early_discarding import EarlyDiscarding
from tuner.schedulers.factory import build_scheduler
from tuner.schedulers.fifo import FIFO
from tuner.schedulers.median import MedianStopping
from tuner.schedulers.pb2 import PB2
from tuner.schedulers.pbt import PBT
from tuner.schedulers.race import Race
from tuner.study.settings import SchedulerConfig

KINDS = {
    "asha": ASHA,
    "median": MedianStopping,
    "race": Race,
    "early-discarding": EarlyDiscarding,
    "pbt": PBT,
    "pb2": PB2,
    "none": FIFO,
}


def test_every_name_of_a_study_file_has_a_scheduler() -> None:
    assert set(get_args(SchedulerConfig.model_fields["name"].annotation)) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_name_gives_its_scheduler_and_each_search_a_new_one(name: str) -> None:
    study = toy_study(scheduler={"name": name})
    assert type(build_scheduler(study)) is KINDS[name]
    assert build_scheduler(study) is not build_scheduler(study)


@pytest.mark.parametrize(
    ("scheduler", "line"),
    [
        (
            {"min_rank_correlation": -2},
            "scheduler.min_rank_correlation: input should be greater than or equal to -1, got -2",
        ),
        ({"reduction_factor": 1}, "scheduler.reduction_factor: input should be greater than 1, got 1"),
        ({"grace_period": 5}, "scheduler.grace_period: needs at most the study's epochs, 4, got 5"),
        ({"name": "pbt", "interval": 4}, "scheduler.interval: needs less than the study's epochs, 4, got 4"),
        (
            {"name": "bohb"},
            "scheduler.name: input should be 'asha', 'median', 'race', 'early-discarding', 'pbt', ",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(scheduler: dict[str, Any], line: str) -> None:
    with pytest.raises(ValidationError) as refused:
        toy_study(scheduler=scheduler)
    (found,) = lines(refused.value)
    assert found.startswith(line)


def test_without_a_scheduler_nobody_is_stopped_and_nothing_is_found() -> None:
    scheduler = build_scheduler(toy_study(scheduler={"name": "none"}))
    assert {scheduler.report(number, 1, {"dev/loss": number}).action for number in range(9)} == {"continue"}
    assert scheduler.diagnostics() == []
