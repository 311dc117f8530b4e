"""Dimensions: what they produce is always legal, everything legal can be produced, and nothing is lost."""

from __future__ import annotations

from itertools import combinations, pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.space.cuts import Cuts, resolve
from tuner.space.dimensions import parse_dimension
from tuner.space.distributions import CategoricalDistribution, NumberDistribution
from tuner.space.space import SearchSpace, with_values


@st.composite
def cuts_dimensions(draw: st.DrawFn) -> Cuts:
    positions = draw(st.integers(1, 8))
    least = draw(st.integers(1, positions))
    return Cuts(positions=positions, least=least, most=draw(st.integers(least, positions)))


@settings(deadline=None)
@given(st.data())
def test_cuts_from_any_knobs_are_legal(data: st.DataObject) -> None:
    dimension = data.draw(cuts_dimensions())
    values = {
        name: data.draw(st.integers(int(distribution.low), int(distribution.high)))
        for name, distribution in dimension.distributions().items()
    }
    cuts = dimension.decode(values)
    assert all(a < b for a, b in pairwise(cuts))
    assert set(cuts) <= set(range(1, dimension.positions + 1))
    assert len(cuts) == values.get("count", dimension.most)
    assert dimension.problem(cuts) == ""


@settings(deadline=None)
@given(cuts_dimensions())
def test_every_legal_set_of_cuts_is_reached_and_survives_encoding(dimension: Cuts) -> None:
    encoded = dimension.distributions()
    for count in range(dimension.least, dimension.most + 1):
        for subset in combinations(range(1, dimension.positions + 1), count):
            values = dimension.encode(list(subset))
            assert set(values) == set(encoded)
            assert all(encoded[name].low <= value <= encoded[name].high for name, value in values.items())
            assert dimension.decode(values) == list(subset)


@settings(deadline=None)
@given(cuts_dimensions())
def test_middle_and_ends_of_cuts_are_legal(dimension: Cuts) -> None:
    for cuts in (dimension.middle(), *dimension.ends()):
        assert dimension.problem(cuts) == ""


def test_doubled_cuts_move_to_the_nearest_free_position_the_higher_one_first() -> None:
    assert resolve([2, 2], 3) == [2, 3]
    assert resolve([3, 3], 3) == [2, 3]
    assert resolve([3, 3, 3], 5) == [2, 3, 4]
    assert resolve([1, 1, 1], 3) == [1, 2, 3]
    assert resolve([5, 1, 5], 5) == [1, 4, 5]


@pytest.mark.parametrize("bad", [[], [2, 1], [1, 1], [0], [4], [1, 2, 3], [True], "1", [1.0], None])
def test_illegal_cuts_are_named(bad: Any) -> None:
    assert "increasing positions of 1..3" in Cuts(positions=3, least=1, most=2).problem(bad)


def test_a_fixed_number_of_cuts_has_no_count() -> None:
    assert set(Cuts(positions=5, least=2, most=2).distributions()) == {"1", "2"}


@settings(deadline=None)
@given(
    st.one_of(
        st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)).map(lambda p: {"float": [p[0], p[0] + p[1]]}),
        st.tuples(st.floats(1e-9, 1e3), st.floats(1.1, 1e3)).map(lambda p: {"log": [p[0], p[0] * p[1]]}),
        st.tuples(st.integers(-50, 50), st.integers(1, 50)).map(lambda p: {"int": [p[0], p[0] + p[1]]}),
    )
)
def test_numbers_stay_inside_and_survive_encoding(written: dict[str, Any]) -> None:
    dimension = parse_dimension(written)
    for value in (dimension.middle(), *dimension.ends()):
        assert dimension.problem(value) == ""
        assert dimension.decode(dimension.encode(value)) == value
    low, high = dimension.ends()
    assert all(dimension.problem(bad) for bad in (low - 1, high + 1, True))
    assert parse_dimension(dimension.to_dict()) == dimension


def test_an_int_knob_is_whole_and_a_log_knob_logarithmic() -> None:
    assert parse_dimension({"int": [1, 8]}).distributions() == {
        "": NumberDistribution(low=1, high=8, whole=True)
    }
    assert parse_dimension({"log": [1, 8]}).distributions() == {
        "": NumberDistribution(low=1, high=8, log=True)
    }
    assert parse_dimension({"log": [1, 100]}).middle() == pytest.approx(10)


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.integers(), max_size=2)),
        min_size=2,
        max_size=5,
        unique_by=repr,
    )
)
def test_a_choice_may_hold_any_plain_values_and_keeps_their_types(values: list[Any]) -> None:
    dimension = parse_dimension({"choice": values})
    distribution = dimension.distributions()[""]
    assert isinstance(distribution, CategoricalDistribution)
    decoded = [dimension.decode({"": label}) for label in distribution.labels]
    assert decoded == values
    assert [type(value) for value in decoded] == [type(value) for value in values]


def test_one_and_true_are_different_choices() -> None:
    assert [parse_dimension({"choice": [1, True]}).decode({"": label}) for label in ("1", "true")] == [
        1,
        True,
    ]


def test_a_space_joins_names_and_splits_them_again() -> None:
    space = SearchSpace(
        {
            "a.b": parse_dimension({"float": [0, 1]}),
            "cuts": parse_dimension({"cuts": {"positions": 4, "count": [1, 2]}}),
        }
    )
    assert set(space.distributions()) == {"a.b", "cuts/count", "cuts/1", "cuts/2"}
    for cut, x in product([[1], [2, 4]], [0.0, 0.25]):
        assert space.decode(space.encode({"a.b": x, "cuts": cut})) == {"a.b": x, "cuts": cut}


def test_corners_move_one_dimension_at_a_time() -> None:
    space = SearchSpace({"x": parse_dimension({"float": [0, 1]}), "n": parse_dimension({"int": [1, 9]})})
    corners = list(space.corners({"x": 0.0, "n": 5}))
    assert corners == [{"x": 0.0, "n": 5}, {"x": 1.0, "n": 5}, {"x": 0.0, "n": 1}, {"x": 0.0, "n": 9}]


def test_values_are_put_into_nested_settings_without_touching_them() -> None:
    settings = {"a": {"b": 1, "c": [1]}, "d": 2}
    params = with_values(settings, {"a.b": 5, "e.f.g": [1, 2]})
    assert params == {"a": {"b": 5, "c": [1]}, "d": 2, "e": {"f": {"g": [1, 2]}}}
    params["a"]["c"].append(2)
    assert settings == {"a": {"b": 1, "c": [1]}, "d": 2}


def test_cuts_as_parameters_name_each_cut_and_the_number_of_exits() -> None:
    dimension = parse_dimension({"cuts": {"positions": 9, "count": [1, 3]}})
    assert dimension.params("cuts", [2, 7]) == {"cuts": "[2, 7]", "cut_1": 2, "cut_2": 7, "n_exits": 3}
    assert set(dimension.params("net.cuts", [4])) == {"net.cuts", "net.cut_1", "net.n_exits"}
