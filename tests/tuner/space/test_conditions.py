"""Conditional dimensions: params contain the active ones only, encoded values always contain all."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console

from tests.tuner.support.studies import toy_study
from tuner.errors import SettingError, lines
from tuner.execution.preflight import check_extremes, space_table
from tuner.space.dimensions import parse_dimension
from tuner.space.space import SearchSpace
from tuner.study.yaml_file import dump, parse

SPACE = {
    "distill.temperature": {"log": [1, 10], "when": {"distill.soft": True}},
    "distill.soft": {"choice": [True, False, 1], "when": {"depth": [2, 3]}},
    "depth": {"int": [1, 3]},
    "cuts": {"cuts": {"positions": 4, "count": [1, 2]}, "when": {"distill.soft": [True, 1], "depth": [1, 3]}},
}


def space(written: dict[str, Any] = SPACE) -> SearchSpace:
    return SearchSpace({path: parse_dimension(each) for path, each in written.items()})


def wanted(params: dict[str, Any]) -> set[str]:
    """What is active, written out."""
    soft, depth = params.get("distill.soft"), params["depth"]
    active = {"depth"} | ({"distill.soft"} if depth in (2, 3) else set())
    if depth in (2, 3) and soft is True:
        active.add("distill.temperature")
    if depth == 3 and soft is not None and soft is not False:
        active.add("cuts")
    return active


encoded = st.fixed_dictionaries(
    {
        "distill.temperature": st.floats(1, 10),
        "distill.soft": st.sampled_from(["true", "false", "1"]),
        "depth": st.integers(1, 3),
        "cuts/count": st.integers(1, 2),
        "cuts/1": st.integers(1, 4),
        "cuts/2": st.integers(1, 4),
    }
)


@settings(deadline=None)
@given(encoded)
def test_a_point_has_exactly_its_active_dimensions_and_survives_encoding(values: dict[str, Any]) -> None:
    params = space().decode(values)
    assert set(params) == wanted(params)
    space().check_params(params, ())
    encoded = space().encode(params)
    assert set(encoded) == set(values) == set(space().distributions())
    assert space().decode(encoded) == params


@settings(deadline=None)
@given(encoded, st.sampled_from(sorted(SPACE)))
def test_a_point_with_one_more_or_one_less_is_refused(values: dict[str, Any], path: str) -> None:
    params = space().decode(values)
    changed = {key: value for key, value in params.items() if key != path}
    rule = "is missing; add a value" if path in params else "is not searched with "
    if path not in params:
        changed[path] = space().dimensions[path].middle()
        if path == "distill.soft":
            assert params["depth"] == 1
    with pytest.raises(SettingError, match=rule):
        space().check_params(changed, ())


def test_the_middle_and_every_corner_are_legal_and_every_end_is_among_them() -> None:
    centre = space().middle()
    assert centre == {"depth": 2, "distill.soft": True, "distill.temperature": pytest.approx(10**0.5)}
    corners = list(space().corners(centre))
    for params in corners:
        space().check_params(params, ())
    for path, dimension in space().dimensions.items():
        assert all(any(params.get(path) == end for params in corners) for end in dimension.ends())
    assert {
        "depth": 3,
        "distill.soft": True,
        "distill.temperature": centre["distill.temperature"],
        "cuts": [1],
    } in corners
    assert {"depth": 1} in corners


def test_what_is_inactive_is_left_to_the_settings() -> None:
    study = toy_study(search=SPACE, settings={"distill": {"temperature": 4.0}}, default={"depth": 1})
    assert study.config({"depth": 1}) == {"distill": {"temperature": 4.0}, "depth": 1, "epochs": 4}
    full = study.config({"depth": 2, "distill.soft": True, "distill.temperature": 2.0})
    assert full["distill"] == {"temperature": 2.0, "soft": True}


def test_a_condition_is_written_back_as_it_was_read() -> None:
    study = toy_study(search=SPACE)
    assert study.to_dict()["search"] == {
        **SPACE,
        "distill.temperature": {"log": [1.0, 10.0], "when": {"distill.soft": True}},
    }
    read = parse(dump(study.to_dict()), "s.yaml").data
    assert type(study).model_validate(read) == study


@pytest.mark.parametrize(
    ("path", "when", "rule"),
    [
        ("depth", {"distill.soft": True}, "is a circle: "),
        ("depth", {"depth": 1}, "is a circle: depth -> depth"),
        ("cuts", {"distill.sofd": True}, "is not searched; did you mean `distill.soft`"),
        ("cuts", {"distill.soft": "yes"}, "needs one of [True, False, 1], got 'yes'"),
        ("cuts", {"depth": [1, 4]}, "needs a whole number within [1, 3], got 4"),
        ("cuts", {"distill.temperature": 1.0}, "needs a dimension of single values, a choice or an int"),
        (
            "cuts",
            {"depth": 1, "distill.soft": True},
            "can never hold: distill.soft needs another value of depth",
        ),
    ],
)
def test_a_condition_that_cannot_be_is_named(path: str, when: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError) as caught:
        toy_study(search={**SPACE, path: {**SPACE[path], "when": when}})
    (line,) = lines(caught.value)
    assert line.startswith("search.")
    assert rule in line.partition(".when")[2]


@pytest.mark.parametrize("when", [{}, [], True, {"depth": []}])
def test_a_condition_of_another_form_is_named(when: Any) -> None:
    with pytest.raises(ValueError, match="when needs another dimension's value such as"):
        parse_dimension({"int": [1, 3], "when": when})


def test_a_check_tries_every_end_and_the_table_says_when() -> None:
    study = toy_study(search=SPACE, default={"depth": 1}, points=[{"depth": 2, "distill.soft": False}])
    study = study.model_copy(update={"settings": {"prepared": True}})
    corners = list(study.space.corners({"depth": 1}))
    assert check_extremes(study, step=False) == 2 + sum(
        each not in ({"depth": 1}, *study.points) for each in corners
    )
    out = io.StringIO()
    Console(file=out, width=200).print(space_table(study))
    rows = [line.split("  ") for line in out.getvalue().splitlines()]
    soft = next([cell.strip() for cell in row if cell] for row in rows if "distill.soft" in row[0])
    assert soft[:4] == ["distill.soft", "choice", "True, False, 1 when depth=2 or 3", "-"]
