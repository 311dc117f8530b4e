"""The prepared view and the links to it, as MLflow's pages read them."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from tests.tuner.support.studies import SPACE, toy_study
from tuner.tracking.labels import trial_names, trial_params
from tuner.tracking.view import axes, compare_link, model_link, prepared_view, view_link


def unpacked(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text.removeprefix("deflate;"))))
    return found


def test_numbers_are_parameters_that_parse_and_cuts_also_one_text() -> None:
    space = {**SPACE, "half": {"choice": [True, False]}, "inner.depth": {"choice": [9, 18]}}
    params = {
        "x": 1e-05,
        "optim.rate": 0.5,
        "width": 8,
        "cuts": [2],
        "kind": "round",
        "half": True,
        "inner.depth": 9,
    }
    params = {name: str(value) for name, value in trial_params(toy_study(search=space), params).items()}
    numbers = {"x": 1e-5, "optim.rate": 0.5, "width": 8, "cut_1": 2, "n_exits": 2, "inner.depth": 9}
    assert {name: float(params[name]) for name in numbers} == numbers
    assert (params["cuts"], params["kind"], params["half"]) == ("[2]", "round", "true")
    with pytest.raises(ValueError, match="could not convert"):
        float(params["cuts"])  # a single cut is no number either: the column stays one of texts


def test_an_inactive_dimension_is_no_parameter_at_all() -> None:
    space = {
        "kind": {"choice": ["plain", "cut"]},
        "cuts": {"cuts": {"positions": 3, "count": [1, 2]}, "when": {"kind": "cut"}},
    }
    study = toy_study(search=space)
    assert trial_params(study, {"kind": "plain"}) == {"kind": "plain"}
    assert set(trial_params(study, {"kind": "cut", "cuts": [1, 3]})) == set(trial_names(study))


def test_axes_are_what_every_trial_has_and_mlflow_draws() -> None:
    params = [
        {"a": "1", "gone": "1", "mixed": "2", "text": "[2]", "same": "7"},
        {"a": "1e-05", "mixed": "2-3", "text": "[2, 3]", "same": "7"},
    ]
    assert axes(params, ["a", "gone", "mixed", "text", "same", "never"]) == ["a", "text"]
    many = [{"text": f"t{number}"} for number in range(31)]
    assert axes(many, ["text"]) == []
    assert axes(many[:30], ["text"]) == ["text"]
    assert axes([], ["text"]) == []


def test_the_view_shows_best_values_and_what_is_searched() -> None:
    study = toy_study(objectives=[{"name": "size", "mode": "min"}], scheduler={"name": "none"})
    params = [
        {"x": "0.1", "cuts": "[1]", "cut_1": "1"},
        {"x": "0.2", "cuts": "[1, 2]", "cut_1": "1", "cut_2": "2"},
    ]
    view = unpacked(prepared_view(study, params))
    parallel, *curves = view["compareRunCharts"]
    assert (parallel["type"], parallel["selectedParams"]) == ("PARALLEL", ["x", "cuts"])
    assert parallel["selectedMetrics"] == ["best/dev/loss"]
    assert [chart["metricKey"] for chart in curves] == ["dev/loss", "size"]
    assert view["selectedColumns"][1:3] == ["metrics.`best/dev/loss`", "metrics.`best/size`"]
    assert view["selectedColumns"][-4:] == ["params.`x`", "params.`cuts`", "params.`cut_1`", "params.`cut_2`"]
    assert view["orderByAsc"]


def test_a_wide_space_fits_into_a_tag() -> None:
    space = {f"settings.group_{number}.weight": {"float": [0, 1]} for number in range(100)}
    params = [{name: str(value / 7) for name in space} for value in range(100)]
    assert len(prepared_view(toy_study(search=space), params)) < 5000  # MLflow's limit


def test_links_say_what_is_compared() -> None:
    link = compare_link("http://h", "7", ["a", "b"])
    assert parse_qs(link.partition("?")[2]) == {"runs": ['["a","b"]'], "experiments": ['["7"]']}
    assert view_link("http://h", "7", "TABLE") == (
        "http://h/#/experiments/7/runs?viewStateShareKey=trials&compareRunsMode=TABLE"
    )
    assert unquote(model_link("http://h", "a b/c")) == "http://h/#/models/a b/c"
