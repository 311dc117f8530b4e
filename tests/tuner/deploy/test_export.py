"""What can be deployed after a search: the Pareto set, limits, and a detector written whole or not at all."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuner.support import toy
from tests.tuner.support.studies import quiet, toy_study
from tuner.commands import app as cli
from tuner.commands.summary import summary
from tuner.deploy.choose import Limits, choose, filter_models, read_count
from tuner.deploy.export import default_folder
from tuner.deploy.models import Deployable, deployables, pareto_set
from tuner.errors import StudyError
from tuner.journal.record import State, TrialRecord
from tuner.results.study_folder import read_study_folder
from tuner.study.settings import Constraint
from tuner.workflows.search import search_local


def model(error: float, *costs: float, trial: int = 0, **choice: Any) -> Deployable:
    parameters, macs, ms = (*costs, 1.0, 1.0, 1.0)[:3]
    return Deployable(trial, "exit", choice or {"exit": 1}, "eer", error, parameters, macs, ms)


small = st.integers(0, 3).map(float)
models = st.lists(st.builds(model, small, small, small, small, trial=st.integers(0, 9)), max_size=9)


@given(models)
def test_the_pareto_set_is_what_brute_force_finds(made: list[Deployable]) -> None:
    def figures(each: Deployable) -> tuple[float, float, float, float]:
        return each.error, each.parameters, each.multiply_adds, each.latency_ms

    expected = set()
    for each in made:
        e, p, m, ms = figures(each)
        beaten = False
        for oe, op, om, oms in map(figures, made):
            if oe <= e and op <= p and om <= m and oms <= ms and oe + op + om + oms < e + p + m + ms:
                beaten = True
        if not beaten:
            expected.add(figures(each))
    found = [figures(each) for each in pareto_set(made)]
    assert len(found) == len(expected)
    assert set(found) == expected
    assert [each[0] for each in found] == sorted(each[0] for each in found)


@given(models, st.floats(0.5, 4))
def test_within_limits_nothing_has_a_lower_error_than_what_is_chosen(
    made: list[Deployable], limit: float
) -> None:
    fit = [each for each in made if each.parameters <= limit and each.latency_ms <= 2]
    if fit:
        found = choose(made, Limits(2, limit))
        assert found in fit
        assert found.error == min(each.error for each in fit)
    elif made:
        with pytest.raises(StudyError, match=r"no model is within --max-latency-ms 2 --max-params"):
            choose(made, Limits(2, limit))


def test_the_nearest_is_named_where_nothing_fits() -> None:
    far, near = model(0.1, 900, 5, 1.0, trial=1), model(0.2, 500, 5, 3.0, trial=2)
    with pytest.raises(StudyError) as caught:
        choose([far, near], Limits(2.0, 300))
    words = "exit of trial 2: eer 0.2, 500 parameters, 5 multiply-adds, 3 ms"
    assert (
        str(caught.value) == f"no model is within --max-latency-ms 2 --max-params 300; the nearest is {words}"
    )


@pytest.mark.parametrize(("text", "count"), [("300k", 3e5), ("1.5M", 1.5e6), ("1234", 1234), ("2K", 2e3)])
def test_counts_as_people_write_them(text: str, count: float) -> None:
    assert read_count(text) == count


@pytest.mark.parametrize("text", ["300 k", "k", "-3", "0", "0.0M", "1e5", "3G", "", "nan"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(StudyError, match=r"--max-params .*: needs a number above 0, such as 300k"):
        read_count(text)


def test_a_kind_is_asked_for() -> None:
    made = [model(0.1, exit=1), model(0.2, exit=2), model(0.3, ensemble=True)]
    assert filter_models(made) == made
    assert filter_models(made, exit_=2) == [made[1]]
    assert filter_models(made, ensemble=True) == [made[2]]
    (early,) = filter_models(made, early=1.5)
    assert (early.choice, early.error) == ({"early": 1.5}, 0.3)
    with pytest.raises(StudyError, match=r"give one of --exit, --ensemble and --early"):
        filter_models(made, exit_=1, early=0.0)
    with pytest.raises(StudyError, match=r"--exit 3: no trial has it; the trials have exits 1 to 2"):
        filter_models(made, exit_=3)
    with pytest.raises(StudyError, match="no trial has several exits"):
        filter_models(made[:2], ensemble=True)


def rows(params: dict[str, Any], metrics: dict[str, float]) -> list[dict[str, Any]]:
    """The toy's companion: exit 1 is half as large and worse by 0.1."""
    full = {"metric": "dev/loss", "parameters": 2.0 * params["width"], "multiply_adds": 100.0}
    loss, ms = metrics["dev/loss"], metrics["seen"]
    return [
        {**full, "name": "exit 1", "choice": {"exit": 1}, "parameters": 1.0 * params["width"],
         "error": loss + 0.1, "multiply_adds": 50.0, "latency_ms": ms / 2},
        {**full, "name": "exit 2", "choice": {"exit": 2}, "error": loss, "latency_ms": ms},
        {**full, "name": "ensemble", "choice": {"ensemble": True}, "error": math.nan, "latency_ms": ms},
    ]  # fmt: skip


def export(params: dict[str, Any], state: Path, into: Path, choice: dict[str, Any]) -> None:
    into.mkdir()
    (into / "model.json").write_text(
        json.dumps([choice, params["width"], (state / "epoch.json").read_text()])
    )
    if params.get("full_disk"):
        raise OSError(28, "No space left on device")


@pytest.fixture
def companions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "exits", rows, raising=False)
    monkeypatch.setattr(toy, "export", export, raising=False)


def trial(number: int, state: State, seen: float, **params: Any) -> TrialRecord:
    metrics = {"dev/loss": 0.5 - 0.1 * number, "seen": seen}
    return TrialRecord(
        number, {"width": 10, **params}, state=state, value=metrics["dev/loss"], metrics=metrics
    )


@pytest.mark.usefixtures("companions")
def test_only_complete_and_feasible_trials_count_and_equal_networks_have_one_latency() -> None:
    study = toy_study(constraints=[Constraint(metric="seen", at_most=50).model_dump()])
    trials = [
        trial(0, State.COMPLETE, 30), trial(1, State.STOPPED, 10), trial(2, State.COMPLETE, 10),
        trial(3, State.COMPLETE, 20, width=11), trial(4, State.COMPLETE, 51),
    ]  # fmt: skip
    found = deployables(study, trials)
    assert [(each.trial, each.name) for each in found] == [
        (n, f"exit {e}") for n in (3, 2, 0) for e in (1, 2)
    ]
    assert {each.trial: each.latency_ms for each in found if each.name == "exit 2"} == {3: 20, 2: 10, 0: 10}
    changed = trial(0, State.COMPLETE, 30)
    changed.changes = {"width": 40}
    assert deployables(study, [changed])[0].parameters == 40


@pytest.mark.usefixtures("companions")
def test_a_searched_folder_is_exported_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, study = tmp_path / "out", toy_study(trials=3, scheduler={"name": "none"}, epochs=2)
    outcome = search_local(study, out, quiet())
    assert outcome.exported[-1] == out / "exits.json"
    kept = json.loads((out / "exits.json").read_text())
    assert len(kept) == 6
    lines = summary(study, outcome, out)
    front = sum(row["pareto"] for row in kept)
    assert f"exits       6 deployable models, {front} in the Pareto set: fsd-tuner export {out}" in lines
    assert cli.run(["export", str(out)]) == 0
    printed = capsys.readouterr().out
    assert outcome.best is not None
    target = out / "exports" / f"{outcome.best.number:04d}-exit-2"
    assert (
        f"chosen      exit 2 of trial {outcome.best.number}: dev/loss {outcome.best.value:.6g}, " in printed
    )
    assert f"exported    {target}" in printed
    width = outcome.best.params["width"]
    assert json.loads((target / "model.json").read_text()) == [{"exit": 2}, width, "2"]
    assert cli.run(["export", str(out)]) == 2
    assert "is there already; move it away" in capsys.readouterr().err
    smallest = min(row["parameters"] for row in kept)
    assert cli.run(["export", str(out), "--max-params", f"{smallest:g}", "--out", str(tmp_path / "x")]) == 0
    assert json.loads((tmp_path / "x/model.json").read_text())[1] == smallest


@pytest.mark.usefixtures("companions")
def test_user_errors_are_one_line_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    search_local(toy_study(trials=1, settings={"full_disk": True}), out, quiet())
    for arguments, expected in (
        ([str(tmp_path)], "holds no search, there is no journal.jsonl"),
        ([str(out), "--trial", "7"], "--trial 7: is no complete, feasible trial; give one of 0"),
        ([str(out), "--max-latency-ms", "nan"], "--max-latency-ms nan: needs a number above 0"),
        ([str(out), "--max-latency-ms", "0.001"], "the nearest is exit 1 of trial 0"),
        ([str(out), "--max-params", "x"], "such as 300k or 1.5M"),
        ([str(out), "--early", "1"], "no trial has several exits"),
        ([str(out)], "No space left on device"),
    ):
        assert cli.run(["export", *arguments]) == 2
        error = capsys.readouterr().err
        assert expected in error
        assert error.count("\n") == 1
    assert list((out / "exports").iterdir()) == []
    assert cli.run(["exits", str(out)]) == 2
    assert "has no `trade_off`, which a look at early exits needs" in capsys.readouterr().err


def test_a_trial_function_without_exits_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, study = tmp_path / "out", toy_study(trials=1)
    outcome = search_local(study, out, quiet())
    assert not (out / "exits.json").exists()
    assert not [line for line in summary(study, outcome, out) if line.startswith("exits")]
    assert cli.run(["export", str(out)]) == 2
    assert "has no `exits`, which an export needs" in capsys.readouterr().err
    assert len(read_study_folder(out).trials) == 1


def test_names_of_folders_tell_kinds_apart() -> None:
    made = (model(0, exit=2), model(0, ensemble=True), model(0, early=1.5))
    assert [default_folder(Path("o"), each).name for each in made] == [
        "0000-exit-2", "0000-ensemble", "0000-early-1.5",
    ]  # fmt: skip
