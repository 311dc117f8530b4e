"""New settings near good ones: within their ranges, moved by a fifth, whole numbers by at least one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuner.support.studies import DEFAULT, toy_study
from tuner.schedulers.explore import RESAMPLE_PROBABILITY, from_unit, perturbed, to_unit
from tuner.space.dimensions import parse_dimension
from tuner.space.distributions import NumberDistribution
from tuner.space.space import SearchSpace

RANGES = [
    NumberDistribution(low=-2, high=5),
    NumberDistribution(low=1e-4, high=10, log=True),
    NumberDistribution(low=1, high=6, whole=True),
    NumberDistribution(low=2, high=512, log=True, whole=True),
]


def many(written: dict[str, object], value: object, count: int = 4000) -> Counter[object]:
    space = SearchSpace({"a": parse_dimension(written)})
    rng = np.random.default_rng(5)
    return Counter(perturbed(space, {"a": value}, rng)["a"] for _ in range(count))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_perturbed_point_is_a_legal_point_of_plain_values(seed: int) -> None:
    space = toy_study().space
    params = perturbed(space, DEFAULT, np.random.default_rng(seed))
    space.check_params(params, ("params",))
    assert {type(value) for value in params.values()} <= {int, float, str, list}


@pytest.mark.parametrize(("written", "start"), [({"float": [-10, 10]}, -3.0), ({"log": [1e-5, 1e3]}, 0.5)])
def test_a_number_is_moved_by_a_fifth_and_a_quarter_is_drawn_anew(
    written: dict[str, object], start: float
) -> None:
    found = many(written, start)
    assert found[start * 0.8] == pytest.approx(4000 * (1 - RESAMPLE_PROBABILITY) / 2, rel=0.1)
    assert found[start * 1.2] == pytest.approx(4000 * (1 - RESAMPLE_PROBABILITY) / 2, rel=0.1)


def test_a_number_at_the_end_stays_in_its_range() -> None:
    found = many({"float": [0, 1]}, 0.9)
    assert found[1.0] > 1000
    assert max(found) == 1.0


def test_a_whole_number_is_moved_by_at_least_one() -> None:
    found = many({"int": [1, 100]}, 2)
    assert found[1] > 1200
    assert found[3] > 1200
    assert found[2] < 60
    assert many({"int": [0, 100]}, 0)[1] > 1200


def test_a_label_is_kept_or_drawn_anew() -> None:
    found = many({"choice": ["a", "b", "c", "d"]}, "a")
    assert found["a"] == pytest.approx(4000 * (1 - RESAMPLE_PROBABILITY * 3 / 4), rel=0.05)
    assert found["c"] == pytest.approx(4000 * RESAMPLE_PROBABILITY / 4, rel=0.25)


@pytest.mark.parametrize("distribution", RANGES, ids=str)
@settings(deadline=None)
@given(unit=st.floats(0, 1))
def test_the_unit_interval_and_the_range_are_one(distribution: NumberDistribution, unit: float) -> None:
    value = from_unit(distribution, unit)
    assert distribution.low <= value <= distribution.high
    assert 0 <= to_unit(distribution, value) <= 1
    assert from_unit(distribution, to_unit(distribution, value)) == pytest.approx(value)
    if not distribution.whole:
        assert to_unit(distribution, value) == pytest.approx(unit, abs=1e-9)


def test_each_whole_number_has_the_same_share() -> None:
    units = (np.arange(6000) + 0.5) / 6000
    assert set(Counter(from_unit(RANGES[2], unit) for unit in units).values()) == {1000}
