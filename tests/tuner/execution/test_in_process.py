"""Trials in this process: the same contract as on Ray, and a whole search without Ray."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.tuner.support.studies import DEFAULT, journal, quiet, toy_study
from tests.tuner.support.toy import FLOOR, loss
from tuner.controller.attempts import Attempt
from tuner.errors import StudyError
from tuner.execution.in_process import Stopped, run_local
from tuner.execution.messages import EPOCH, METRICS
from tuner.execution.worker import TrialTask, run_attempt
from tuner.journal.record import State
from tuner.study.load import load_study
from tuner.workflows.search import search_local


def test_a_trial_ends_at_its_last_report_and_cleans_up(tmp_path: Path) -> None:
    marker, seen = tmp_path / "marker", []
    study = toy_study(settings={"marker": str(marker)})
    run_local(study, {"x": 0.5}, lambda epoch, metrics: seen.append((epoch, metrics["dev/loss"])))
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4]
    assert marker.read_text() == "finally\n"  # neither swallowed by `except Exception` nor run on


def test_a_resumed_trial_goes_on_where_its_checkpoint_ended(tmp_path: Path) -> None:
    whole: list[Any] = []
    run_local(toy_study(epochs=4), {}, lambda epoch, metrics: whole.append(metrics))
    first: list[Any] = []
    run_local(toy_study(epochs=2), {}, lambda epoch, metrics: first.append(metrics), keep=tmp_path / "c")
    study, second = toy_study(epochs=4), list[Any]()
    (tmp_path / "trials" / "0000").mkdir(parents=True)
    (tmp_path / "c").rename(tmp_path / "trials" / "0000" / "0002")
    task = TrialTask(study.trial, study.metric.name, study.resources, str(tmp_path))
    attempt = Attempt(0, 1, study.config({}), "trials/0000/0002", epoch=2, cloned=False)

    def tell(result: dict[str, Any]) -> None:
        second.append(result[METRICS])
        if result[EPOCH] == 4:
            raise Stopped

    with pytest.raises(Stopped):
        run_attempt(task, asdict(attempt), tell)
    assert first + second == whole


def test_a_search_in_process_finds_the_region_of_the_optimum_and_beats_the_default(tmp_path: Path) -> None:
    study = toy_study(trials=40, default=DEFAULT, scheduler={"name": "none"})
    outcome = search_local(study, tmp_path / "out", quiet())
    assert outcome.best is not None
    default = outcome.trials[0]
    assert default.params == DEFAULT
    assert outcome.best.value < default.value
    assert abs(outcome.best.params["x"] - 0.3) < 0.25
    assert FLOOR < loss(study.config(outcome.best.params)) < 0.2
    assert [trial.state for trial in outcome.trials] == [State.COMPLETE] * 40
    assert {path.name for path in outcome.exported} == {"best.yaml", "detector"}


def test_failures_in_process_are_recorded_with_reason_and_traceback(tmp_path: Path) -> None:
    fates = ["fail", "nan", "quit"]
    points = [{"fate": fate} for fate in fates]
    study = toy_study(search={"fate": {"choice": fates}}, points=points, trials=9, scheduler={"name": "none"})
    outcome = search_local(study, tmp_path / "out", quiet())
    assert outcome.best is None
    assert outcome.exported == []
    assert not (tmp_path / "out" / "best.yaml").exists()
    for trial in outcome.trials:
        assert trial.state is State.FAILED
        if trial.params["fate"] == "nan":
            assert trial.reason == "dev/loss is nan at epoch 2"
        elif trial.params["fate"] == "quit":
            assert trial.reason.startswith("RuntimeError: the trial called sys.exit(0) (in full: ")
        else:
            file = tmp_path / "out" / "errors" / f"{trial.number:04d}.txt"
            assert trial.reason == f"RuntimeError: boom at epoch 2 (in full: {file})"
            assert "with a second line" in file.read_text()
            assert "in _meet" in file.read_text()
    assert {trial.params["fate"] for trial in outcome.trials} == {"fail", "nan", "quit"}


def test_prepared_settings_are_what_the_search_leaves(tmp_path: Path) -> None:
    out = tmp_path / "out"
    search_local(toy_study(trials=2), out, quiet())
    for name in ("study.yaml", "best.yaml"):  # absolute paths: they work from any folder
        assert load_study(str(out / name)).settings["prepared"] is True
    assert [event["event"] for event in journal(out)][-1] == "study_ended"


def test_what_prepare_rejects_ends_the_search_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"settings\.reject: no data there"):
        search_local(toy_study(settings={"reject": "no data there"}), tmp_path / "out", quiet())
    assert not (tmp_path / "out").exists()


def test_a_space_whose_end_does_not_build_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"configuration \[.*x=1.* does not work: x: needs at most 0\.9"):
        search_local(toy_study(settings={"check_above": 0.9}), tmp_path / "out", quiet())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", ["journal.jsonl", "study.yaml", "best.yaml"])
def test_a_folder_with_a_study_is_refused_untouched(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("earlier")
    with pytest.raises(ValueError, match="holds a study already"):
        search_local(toy_study(), tmp_path, quiet())
    assert [path.name for path in tmp_path.iterdir()] == [file]
    assert (tmp_path / file).read_text() == "earlier"
