"""Expected reports, the two configurations, and the arithmetic between them."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tuner.support.studies import SPACE, toy_study
from tuner.errors import StudyError
from tuner.forecast.expected_reports import ExpectedReports, expected_reports, passing
from tuner.forecast.forecast import (
    REPORT_S,
    START_S,
    TRIAL_S,
    Estimate,
    Forecast,
    Machine,
    MeasuredTrial,
    forecast,
)
from tuner.forecast.run import NAME, forecast_seconds, smallest_and_largest
from tuner.forecast.text import comparison_line, forecast_lines, warnings
from tuner.study.study import Study
from tuner.text import duration, size

GIB = 2.0**30
SMALL = MeasuredTrial({"size": 1}, 10.0, 1.0, 2.0, 3.0, 1 * GIB, 1e6)
LARGE = MeasuredTrial({"size": 4}, 40.0, 1.0, 2.0, 9.0, 2 * GIB, 4e6)


def costly(**changes: Any) -> Study:
    content = {"trial": "tests.tuner.support.costly:run", "search": {"size": {"int": [1, 4]}}, "epochs": 10}
    return toy_study(**{**content, "scheduler": {"name": "none"}, "trials": 16, **changes})


def scheduled(name: str, **changes: Any) -> Study:
    return costly(scheduler={"name": name, "grace_period": 4, "reduction_factor": 2}, **changes)


@pytest.mark.parametrize("name", ["none", "pbt", "pb2"])
def test_without_early_stopping_every_trial_reports_to_its_end(name: str) -> None:
    assert expected_reports(scheduled(name)) == ExpectedReports(160)


@pytest.mark.parametrize("name", ["median", "race"])
def test_where_nothing_is_known_all_reports_are_a_bound(name: str) -> None:
    assert expected_reports(scheduled(name)) == ExpectedReports(160, bound=True)


def test_after_one_cut_the_best_and_the_default_go_on() -> None:
    assert expected_reports(scheduled("early-discarding")) == ExpectedReports(16 * 4 + 8 * 6)
    with_default = expected_reports(scheduled("early-discarding", default={"size": 1}))
    assert with_default.reports == 16 * 4 + (8 + 1 / 2) * 6  # it is among the best by chance


def test_the_best_trials_run_again_for_every_seed() -> None:
    assert expected_reports(costly(finalists={"top": 5, "seeds": 3})).finals == 5 * 3 * 10
    assert expected_reports(costly(finalists={"top": 16, "seeds": 3})).finals == 16 * 3 * 10


def test_of_two_every_rung_lets_the_first_and_half_of_the_others_go_on() -> None:
    assert passing(0, 2) == 0
    assert passing(1, 2) == 1
    assert passing(16, 2) == pytest.approx(1 + 15 / 2)
    assert passing(16.5, 2) == pytest.approx(1 + 15.5 / 2)


@pytest.mark.parametrize("reduction", [2, 3, 4])
def test_of_many_trials_one_in_reduction_goes_on(reduction: float) -> None:
    assert passing(10_000, reduction) / 10_000 == pytest.approx(1 / reduction, rel=0.01)


def test_asha_in_closed_form() -> None:
    """Rungs at 4 and 8 of 10: 16 trials to 4, 8.5 to 8, 1 + 7.5 / 2 to 10."""
    assert expected_reports(scheduled("asha")).reports == pytest.approx(16 * 4 + 8.5 * 4 + 4.75 * 2)
    whole = costly(scheduler={"name": "asha", "grace_period": 10, "reduction_factor": 2})
    assert expected_reports(whole).reports == 160


def survivors(trials: int, reduction: float, random: np.random.Generator) -> list[int]:
    """Trials that pass the first rung and the second, by the rule itself, with unrelated ranks."""
    passed = []
    for _ in range(2):
        seen: list[float] = []
        count = 0
        for value in random.random(trials):
            count += not seen or value >= np.percentile(seen, (1 - 1 / reduction) * 100)
            seen.append(float(value))
        passed.append(count)
        trials = count
    return passed


@pytest.mark.parametrize(("trials", "reduction"), [(16, 2), (16, 3), (40, 4)])
def test_the_closed_form_is_the_mean_of_the_simulated_rule(trials: int, reduction: float) -> None:
    random = np.random.default_rng(1)
    first, second = np.mean([survivors(trials, reduction, random) for _ in range(400)], axis=0)
    assert passing(trials, reduction) == pytest.approx(first, rel=0.04)
    assert passing(passing(trials, reduction), reduction) == pytest.approx(second, rel=0.08)


def test_the_ends_are_those_of_lowest_and_highest_cost() -> None:
    ends, costs = smallest_and_largest(costly(default={"size": 2}))
    assert ends == [(10.0, {"size": 1}), (40.0, {"size": 4})]
    assert len(costs) == 200
    assert set(costs) == {10.0, 20.0, 30.0, 40.0}


def test_where_all_cost_the_same_one_configuration_is_measured() -> None:
    study = costly(settings={"size": 3}, search={"x": {"float": [0, 1]}}, default={"x": 0.25})
    ends, costs = smallest_and_largest(study)
    assert ends == [(30.0, {"x": 0.25})]
    assert set(costs) == {30.0}


@pytest.mark.parametrize(("size", "cost"), [(-1, "-10.0"), (math.nan, "nan")])
def test_a_cost_that_is_no_number_is_named_with_its_configuration(size: float, cost: str) -> None:
    study = (
        costly(search={"size": {"choice": [1, size]}}) if size == size else costly(settings={"factor": size})
    )
    with pytest.raises(StudyError, match=rf"configuration \[size=.*\] does not work: .*>= 0, got {cost}"):
        smallest_and_largest(study)


def test_an_error_of_the_cost_is_named_with_its_configuration() -> None:
    with pytest.raises(
        StudyError, match=r"^forecast: the configuration \[size=3\] does not work: size: 3 has"
    ):
        smallest_and_largest(costly(settings={"no_cost": 3}))


def test_every_figure_is_linear_in_cost_between_the_two_ends() -> None:
    made = forecast(costly(), SMALL, LARGE, 1, [20.0, 20.0], [Machine(1, 8 * GIB)])
    assert made.slots == 1
    each = [16 * (10 * (report_s + REPORT_S) + 2.0 + TRIAL_S) + 1.0 + START_S for report_s in (3.0, 5.0, 9.0)]
    assert made.seconds == Estimate(*(pytest.approx(seconds) for seconds in each))
    assert made.memory == Estimate(GIB, pytest.approx(4 / 3 * GIB), 2 * GIB)
    assert made.disk == Estimate(32e6, pytest.approx(64e6), 128e6)
    assert made.gpu_seconds == Estimate(0, 0, 0)
    assert made.gpu_share is None


def test_of_equal_ends_only_the_empty_slots_at_the_end_are_unknown() -> None:
    made = forecast(costly(), SMALL, SMALL, 2, [10.0], [Machine(2, 8 * GIB)])
    busy = 16 * (10 * (3.0 + REPORT_S) + 2.0 + TRIAL_S)
    begin = 1.0 + START_S
    assert made.seconds.low == pytest.approx(begin + busy / 2)
    assert made.seconds.high == pytest.approx(begin + busy / 2 + busy / 16 / 2)
    assert made.seconds.mean == pytest.approx((made.seconds.low + made.seconds.high) / 2)


@pytest.mark.parametrize("slots", [1, 2, 5, 16])
def test_no_order_of_trials_takes_less_or_more_than_the_range(slots: int) -> None:
    """Each free slot takes the next trial, whatever their order and however asha cuts them."""
    random = np.random.default_rng(slots)
    for lengths in ([10] * 16, [4] * 8 + [8] * 4 + [10] * 4):
        study = scheduled("none" if len(set(lengths)) == 1 else "asha")
        made = forecast(study, SMALL, SMALL, slots, [10.0], [Machine(slots, 8 * GIB)])
        share = sum(lengths) / expected_reports(study).reports
        for _ in range(50):
            until = np.zeros(slots)
            for reports in random.permutation(lengths):
                until[until.argmin()] += reports * (3.0 + REPORT_S) + 2.0 + TRIAL_S
            took = until.max() + 1.0 + START_S
            assert made.seconds.low * min(1, share) - 1e-6 <= took <= made.seconds.high + 1e-6


def test_more_slots_than_trials_are_not_used() -> None:
    one = forecast(costly(trials=4), SMALL, LARGE, 4, [20.0], [Machine(4, 8 * GIB)])
    assert forecast(costly(trials=4), SMALL, LARGE, 64, [20.0], [Machine(4, 8 * GIB)]) == one


def test_memory_is_that_of_the_machine_with_the_least_room() -> None:
    machines = [Machine(8, 64 * GIB), Machine(2, 3 * GIB), Machine(1, 16 * GIB)]
    made = forecast(costly(), SMALL, LARGE, 11, [20.0], machines)
    assert (made.memory.high, made.room) == (4 * GIB, 3 * GIB)
    assert warnings(costly(), made) == [
        "4.0 GiB of memory may be in use at once, but there are 3.0 GiB; set a lower concurrency, or more"
        " resources.cpu per trial"
    ]


@pytest.mark.parametrize(
    ("peak", "share"),
    [(3.1, 0.1111), (10.0, 0.3333), (13.0, 0.5), (30.0, 1.0), (31.0, None), (None, None)],
)
def test_the_share_of_a_gpu_is_what_the_largest_fits_in(peak: float | None, share: float | None) -> None:
    study = costly(resources={"gpu": 1, "workers": 2})
    ends = [replace(end, device_memory=peak and peak * GIB, device_total=30 * GIB) for end in (SMALL, LARGE)]
    made = forecast(study, *ends, 1, [20.0], [Machine(1, GIB)])
    assert made.gpu_share == share
    assert share is None or int(1 / share + 1e-9) == 30 // (
        peak or 1
    )  # as many as `tuner.cluster.connection` lets in
    assert made.gpu_seconds.low == pytest.approx(2 * 16 * (10 * (3 + REPORT_S) + 2 + TRIAL_S))


@pytest.mark.parametrize("total", [None, 30 * GIB])
def test_a_gpu_that_says_nothing_gives_no_share(total: float | None) -> None:
    made = forecast(
        costly(resources={"gpu": 1}), replace(SMALL, device_total=total), SMALL, 1, [10.0], [Machine(1, GIB)]
    )
    assert made.gpu_share is None


def made_for(study: Study) -> Forecast:
    ends = [replace(end, device_memory=3 * GIB, device_total=30 * GIB) for end in (SMALL, LARGE)]
    return forecast(study, *ends, 2, [20.0], [Machine(2, 8 * GIB)])


def test_the_lines() -> None:
    study = scheduled("asha", resources={"gpu": 0.5}, finalists={"top": 2, "seeds": 3})
    assert forecast_lines(study, made_for(study)) == [
        "forecast    16 trials, about 108 epochs (asha) and at most 60 of the finalists, 2 at once",
        "smallest    3 s per epoch, 3 s to start, 1.0 GiB, 0.954 MiB per checkpoint  [size=1]",
        "largest     9 s per epoch, 3 s to start, 2.0 GiB, 3.81 MiB per checkpoint  [size=4]",
        "time        about 7.7 min (4.6 min to 13.8 min)",
        "GPU hours   about 0.123 (0.0765 to 0.216)",
        "memory      about 2.7 GiB (2.0 GiB to 4.0 GiB) at once, there is 8.0 GiB",
        "disk        about 61 MiB (30.5 MiB to 122 MiB) for checkpoints",
        "GPU share   resources.gpu: 0.1  (10 of the largest fit on a GPU by memory)",
    ]


def test_of_stacks_it_says_that_each_trial_was_measured_alone() -> None:
    study = scheduled("asha", trial="tests.tuner.support.stack_toy:run", resources={"gpu": 0.5, "stack": 4})
    assert forecast_lines(study, made_for(study))[1] == (
        "stacks      up to 4 trials in each of 2; the forecast counts them one after the other;"
        " their joint memory is not measured"
    )


def test_a_bound_is_called_one() -> None:
    study = scheduled("median")
    assert forecast_lines(study, made_for(study))[0].endswith(
        "16 trials, at most 160 epochs (median), 2 at once"
    )


def test_a_budget_below_the_forecast_is_warned_of() -> None:
    study = costly(budget={"wall_hours": 0.1, "gpu_hours": 0.05}, resources={"gpu": 0.5})
    made = made_for(study)
    hours, gpu_hours = made.seconds.mean / 3600, made.gpu_seconds.mean / 3600
    assert warnings(study, made) == [
        f"budget: 0.1 hours, but the forecast is {hours:.3g}: the search ends after about "
        f"{0.1 / hours * 16:.0f} of 16 trials",
        f"budget: 0.05 GPU hours, but the forecast is {gpu_hours:.3g}: the search ends after about "
        f"{0.05 / gpu_hours * 16:.0f} of 16 trials",
    ]
    assert warnings(costly(budget={"wall_hours": 1.0}), made) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "0.25 s"), (59.6, "60 s"), (366, "6.1 min"), (3600 * 3.5, "3.5 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("amount", "text"), [(0, "0 MiB"), (5.2e6, "4.96 MiB"), (1.5 * GIB, "1.5 GiB")])
def test_sizes(amount: float, text: str) -> None:
    assert size(amount) == text


def test_what_was_forecast_and_what_it_took_is_one_line() -> None:
    said = {"low": 240.0, "mean": 360.0, "high": 540.0}
    assert comparison_line(said, 324.0) == "6.0 min (4.0 min to 9.0 min); it took 5.4 min, 10% less"
    assert comparison_line(said, 396.0).endswith("it took 6.6 min, 10% more")


def test_what_is_kept_in_the_folder_is_read_again(tmp_path: Path) -> None:
    made = forecast(costly(), SMALL, LARGE, 2, [20.0], [Machine(2, 8 * GIB)])
    assert forecast_seconds(tmp_path) is None
    (tmp_path / NAME).write_text(json.dumps(asdict(made)))
    assert forecast_seconds(tmp_path) == asdict(made.seconds)
    (tmp_path / NAME).write_text('{"seconds": {"low": 1}')
    assert forecast_seconds(tmp_path) is None


def test_a_space_of_the_toy_has_costs_only_with_the_companion() -> None:
    with pytest.raises(StudyError, match="has no `cost`"):
        smallest_and_largest(toy_study(search=SPACE))
