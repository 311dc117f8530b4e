"""An ablation: its intervals against SciPy, and the whole path on a real cluster and a real MLflow store."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from scipy import stats

from tests.tuner.support.studies import journal, quiet, toy_study
from tests.tuner.support.toy import loss
from tuner.errors import StudyError
from tuner.statistics import compare, comparisons, interval, table
from tuner.study.study import Study
from tuner.tracking.address import store_uri
from tuner.tracking.tracking import find_experiment
from tuner.workflows.ablate import Ablated, FixedPlan, ablate, planned


def one_trial(**changes: object) -> Study:
    return toy_study(search={}, trials=1, scheduler={"name": "none"}, **changes)


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
def test_the_interval_is_that_of_scipy_s_paired_t_test(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    first, second = rng.normal(0.3, 0.1, (2, seeds))
    values = {"a": dict(enumerate(first)), "b": dict(enumerate(second))}
    found = compare(values, "b", "a")
    expected = stats.ttest_rel(second, first).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert found.shown == (stats.ttest_rel(second, first).pvalue < 0.05)


def test_the_interval_holds_the_true_difference_19_times_of_20() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(4000):
        low, high = interval(list(rng.normal(0.02, 0.03, 5)))
        inside += low <= 0.02 <= high
    assert 0.94 < inside / 4000 < 0.96


def test_only_seeds_that_both_arms_ran_are_compared() -> None:
    found = compare({"a": {1: 0.5, 2: 0.4, 3: 0.3}, "b": {2: 0.1, 3: 0.2, 4: 0.9}}, "b", "a")
    assert found.differences == pytest.approx({2: -0.3, 3: -0.1})


def test_fewer_than_two_seeds_show_nothing() -> None:
    one = compare({"a": {1: 0.5}, "b": {1: 0.1}}, "b", "a")
    none = compare({"a": {1: 0.5}, "b": {}}, "b", "a")
    assert math.isnan(one.low)
    assert math.isnan(none.mean)
    assert [each.verdict("min") for each in (one, none)] == ["no interval"] * 2


def test_equal_arms_are_no_difference() -> None:
    same = compare({"a": {1: 0.5, 2: 0.4}, "b": {1: 0.5, 2: 0.4}}, "b", "a")
    assert (same.low, same.high, same.verdict("min")) == (0.0, 0.0, "no difference shown")


@pytest.mark.parametrize(("mode", "verdict"), [("min", "better"), ("max", "worse")])
def test_the_verdict_follows_the_mode(mode: str, verdict: str) -> None:
    values = {"a": {1: 0.5, 2: 0.41, 3: 0.45}, "b": {1: 0.3, 2: 0.2, 3: 0.26}}
    assert compare(values, "b", "a").verdict(mode) == verdict


def test_each_arm_meets_each_reference_once() -> None:
    values = {arm: {1: 0.0} for arm in "abc"}
    pairs = [(each.arm, each.against) for each in comparisons(values, ["a", "b"])]
    assert pairs == [("b", "a"), ("c", "a"), ("c", "b")]


def test_the_table_says_what_was_shown_and_what_not() -> None:
    values = {"base": {1: 0.5, 2: 0.41, 3: 0.45}, "good": {1: 0.3, 2: 0.2, 3: 0.26}, "odd": {1: 0.6, 2: 0.3}}
    text = table(values, comparisons(values, ["base"]), "dev/eer", "min")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert ["good minus base", "3", "-0.2000", "-0.2248 to -0.1752", "better"] in rows
    assert ["odd minus base", "2", "-0.0050", *rows[-4][3:]] in rows
    assert ["odd", "2", "0.4500", "0.2121"] in rows
    assert "no difference shown" in text
    assert text.endswith("not adjusted for 2 comparisons.\n")


def test_a_seed_s_arms_come_together_and_only_differ_by_the_arm() -> None:
    plan = planned(one_trial(settings={"x": 0.1}), seeds=2)
    assert [(p["arm"], p["seed"]) for p in plan.plan[:4]] == [
        ("round", 1), ("square", 1), ("lucky", 1), ("round", 2),
    ]  # fmt: skip
    assert plan.config({"arm": "square", "seed": 2}) == {"x": 0.1, "kind": "square", "seed": 2, "epochs": 4}
    source = FixedPlan(plan.plan)
    asked = [source.ask() for _ in range(7)]
    assert [each and each.number for each in asked] == [*range(6), None]


def test_a_search_is_no_configuration_and_one_seed_no_interval() -> None:
    with pytest.raises(StudyError, match=r"searches x, .*give a best\.yaml"):
        planned(toy_study(), seeds=3)
    with pytest.raises(StudyError, match="--seeds: an interval needs at least 2 seeds, got 1"):
        planned(one_trial(), seeds=1)
    with pytest.raises(StudyError, match="has no `arms`, which an ablation needs"):
        planned(one_trial(trial="tests.tuner.support.probe:run"), seeds=2)


@pytest.fixture(scope="module")
def ablated(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ablated]:
    out = tmp_path_factory.mktemp("ablated") / "out"
    more = {"broken": {"fate": "fail"}}
    return out, ablate(one_trial(settings={"more_arms": more}), 4, out, quiet())


def test_on_a_cluster_the_differences_are_those_of_the_trial_function(ablated: tuple[Path, Ablated]) -> None:
    square, lucky, broken = ablated[1].compared
    assert square.differences == pytest.approx(dict.fromkeys(range(1, 5), 0.1))
    expected = [loss({"luck": 1.0, "seed": seed}) - loss({"seed": seed}) for seed in range(1, 5)]
    assert list(lucky.differences.values()) == pytest.approx(expected)
    assert square.verdict("min") == "no interval"  # the same to the last digits with each seed
    assert lucky.verdict("min") == "no difference shown"
    assert broken.verdict("min") == "no interval"


def test_files_say_the_same_as_the_comparison(ablated: tuple[Path, Ablated]) -> None:
    out, result = ablated
    content = json.loads((out / "ablation.json").read_text())
    assert content["values"]["square"]["3"] == pytest.approx(
        loss({"kind": "square", "seed": 3}) + math.exp(-4)
    )
    assert content["differences"][1]["low"] == result.compared[1].low
    assert content["differences"][2]["low"] is None
    assert result.text in (out / "ablation.md").read_text()
    assert (out / "ablation.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert not (out / "best.yaml").exists()
    assert sum(event["event"] == "trial_started" for event in journal(out)) == 16


def test_mlflow_has_one_parent_with_the_arms_below_it(ablated: tuple[Path, Ablated]) -> None:
    out, result = ablated
    client = MlflowClient(tracking_uri=store_uri(out))
    experiment = find_experiment(out, "toy-ablation")
    (parent,) = client.search_runs([experiment], "tags.kind = 'ablation'")
    children = client.search_runs([experiment], "tags.kind = 'trial'")
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert sorted({(r.data.tags["arm"], r.data.tags["seed"]) for r in children}) == sorted(
        (arm, str(seed)) for arm in ("round", "square", "lucky", "broken") for seed in range(1, 5)
    )
    assert parent.data.metrics["square minus round/mean"] == pytest.approx(0.1)
    assert parent.data.metrics["lucky minus round/low"] == pytest.approx(result.compared[1].low)
    assert "broken minus round/low" not in parent.data.metrics
    assert {each.path for each in client.list_artifacts(parent.info.run_id)} >= {
        "ablation.md",
        "ablation.png",
    }
