"""Temperature, ramp and exit weights: end points, means, and the rules for searched cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fsd_model.distillation.schedules import exit_weights, progress_at, ramp_at, temperature_at
from fsd_model.distillation.total_loss import DistillConfig


def test_progress_runs_from_0_to_1_over_the_updates():
    assert [progress_at(step, 5) for step in range(1, 6)] == [0, 0.25, 0.5, 0.75, 1]
    assert progress_at(9, 5) == progress_at(1, 1) == 1


@pytest.mark.parametrize(
    ("schedule", "values"),
    [("fixed", [4, 4, 4, 4]), ("linear", [4, 3.5, 3, 2]), ("cosine", [4, 4 - (1 - 0.5**0.5), 3, 2])],
)
def test_temperature_at_its_ends_and_between(schedule, values):
    got = [temperature_at(schedule, 4.0, 2.0, progress) for progress in (0, 0.25, 0.5, 1)]
    assert got == pytest.approx(values)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@given(progress=st.floats(0, 1), start=st.floats(0.1, 100), end=st.floats(0.1, 100))
def test_temperature_stays_between_its_ends(schedule, progress, start, end):
    value = temperature_at(schedule, start, end, progress)
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9


def test_ramp_rises_straight_and_stays_at_1():
    assert [ramp_at(0.5, p) for p in (0, 0.25, 0.5, 0.75, 1)] == [0, 0.5, 1, 1, 1]
    assert [ramp_at(1.0, p) for p in (0, 0.25, 1)] == [0, 0.25, 1]
    assert ramp_at(0.0, 0.0) == 1


@given(st.sampled_from(["uniform", "deeper", "shallower"]), st.integers(1, 20))
def test_profiles_have_mean_1_whatever_the_number_of_exits(profile, count):
    weights = exit_weights(profile, count)
    assert len(weights) == count
    assert np.mean(weights) == pytest.approx(1)


def test_profiles_by_hand():
    assert exit_weights("uniform", 3) == (1, 1, 1)
    assert exit_weights("deeper", 3) == (0.5, 1, 1.5)
    assert exit_weights("shallower", 3) == (1.5, 1, 0.5)
    assert exit_weights("deeper", 0) == exit_weights((1.0, 2.0), 0) == ()


@given(st.lists(st.floats(0, 10), min_size=1, max_size=6).map(tuple))
def test_as_many_numbers_as_exits_are_the_weights(numbers):
    assert exit_weights(numbers, len(numbers)) == pytest.approx(numbers)


def test_other_counts_are_read_off_the_same_curve():
    assert exit_weights((1.0, 2.0, 3.0), 1) == pytest.approx((2.0,))
    assert exit_weights((1.0, 3.0), 4) == pytest.approx((1.0, 1.5, 2.5, 3.0))
    assert exit_weights((2.0,), 3) == (2, 2, 2)


@pytest.mark.parametrize("given", ["deep", [], [-1.0], [float("nan")], [True], 3, {"a": 1.0}])
def test_faulty_weights_are_refused_in_one_message(given):
    with pytest.raises(ValidationError) as refused:
        DistillConfig(exit_weights=given)
    (error,) = refused.value.errors()
    assert error["loc"] == ("exit_weights",)
    assert "uniform, deeper, shallower, or weights >= 0" in error["msg"]


def test_a_list_from_a_study_file_is_a_tuple_of_floats():
    config = DistillConfig(exit_weights=[1, 0.5])
    assert config.exit_weights == (1.0, 0.5)
    assert DistillConfig.model_validate(config.model_dump(mode="json")) == config
