"""Trials that report by fold: announced beforehand, raced on a real cluster, ties decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tuner.support.driving import run_searcher
from tests.tuner.support.folds import values
from tests.tuner.support.studies import toy_study
from tuner.errors import StudyError
from tuner.execution.preflight import prepared
from tuner.journal.record import State, TrialRecord
from tuner.results.selection import winner
from tuner.study.study import Study
from tuner.workflows.ablate import FixedPlan

LOSSES = [0.10, 0.11, 0.105, 0.102, 0.4, 0.101]


def folds_study(**changes: Any) -> Study:
    content = {
        "trial": "tests.tuner.support.folds:run", "epochs": 9, "metric": {"name": "mean", "mode": "min"},
        "search": {"loss": {"float": [0, 1]}},
        "scheduler": {"name": "race", "value": "fold", "grace_period": 2},
    }  # fmt: skip
    return toy_study(**(content | changes))


def test_the_trial_says_how_often_it_reports() -> None:
    study = prepared(folds_study())
    assert (study.reports, study.max_reports, study.report_unit) == (3, 3, "report")
    assert prepared(study) == study
    assert prepared(toy_study()).max_reports == 4


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"metric": {"name": "means", "mode": "min"}}, r"metric.name: .* did you mean `mean`\?"),
        ({"metric": {"name": "mean", "mode": "min", "ties": ["tye"]}}, r"ties\[0\]: .* did you mean `tie`\?"),
        ({"scheduler": {"name": "race", "value": "fald"}}, r"scheduler.value: .* did you mean `fold`\?"),
        (
            {"objectives": [{"name": "size", "mode": "min"}], "scheduler": {"name": "none"}},
            r"objectives\[0\].name: .* does not report size; there are: mean, fold, tie",
        ),
        ({"constraints": [{"metric": "tye", "at_most": 1}]}, r"constraints\[0\].metric: .* you mean `tie`"),
        ({"reports": 9}, "reports: needs 3, got 9; leave it out"),
        ({"scheduler": {"name": "asha", "grace_period": 4}}, "grace_period: .* reports, 3, got 4"),
    ],
)  # fmt: skip
def test_what_the_trial_will_not_report_is_an_error_before_the_search(
    changes: dict[str, Any], rule: str
) -> None:
    with pytest.raises(StudyError, match=rule):
        prepared(folds_study(**changes))


def test_on_a_cluster_the_race_stops_the_clear_loser_alone(ray_cluster: None, tmp_path: Path) -> None:
    study = prepared(folds_study(trials=len(LOSSES)))
    points = [{"loss": loss} for loss in LOSSES]
    trials = run_searcher(study, FixedPlan(points), tmp_path)
    states = [trial.state for trial in trials]
    assert states == [State.COMPLETE] * 4 + [State.STOPPED, State.COMPLETE]
    loser = trials[4]
    assert loser.epoch == 2
    assert loser.reason.startswith("stopped by race at report 2: worse than trial ")
    best = winner(trials, study.metric)
    assert best is not None
    assert best.value == pytest.approx(min(sum(values(params)) / 3 for params in points))


def ended(number: int, value: float, **ties: float) -> TrialRecord:
    return TrialRecord(number, {}, state=State.COMPLETE, epoch=3, value=value, metrics=dict(ties))


def test_of_equal_trials_the_lower_tie_wins_in_the_order_of_the_ties() -> None:
    metric = folds_study(metric={"name": "mean", "mode": "min", "ties": ["cllr", "loss"]}).metric
    trials = [
        ended(0, 0.0, cllr=0.5, loss=0.1),
        ended(1, 0.0, cllr=0.4, loss=0.3),
        ended(2, 0.0, cllr=0.4, loss=0.2),
        ended(3, 0.1, cllr=0.0, loss=0.0),
    ]
    best = winner(trials, metric)
    assert best is not None
    assert best.number == 2


def test_a_tie_that_is_no_number_comes_last_and_the_first_trial_wins_without_one() -> None:
    metric = folds_study(metric={"name": "mean", "mode": "max", "ties": ["cllr"]}).metric
    odd, fine = ended(0, 0.9, cllr=float("nan")), ended(1, 0.9, cllr=7.0)
    assert winner([odd, fine], metric) is fine
    assert winner([ended(1, 0.9), ended(0, 0.9)], metric).number == 0  # type: ignore[union-attr]
