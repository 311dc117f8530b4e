"""The record of openings: beside the study, in the order of time, before anything is read, and in MLflow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mlflow import MlflowClient

from fsd_model.errors import InputError
from fsd_model.evaluation.access_log import FILE, Opening, read_openings, record_opening
from tests.tuner.support.studies import quiet, toy_study
from tuner.tracking.address import store_uri
from tuner.tracking.tracking import find_experiment
from tuner.workflows.search import search_local

FIRST = Opening("2026-01-01T00:00:00+00:00", "abc", "somewhere", "corpus", "LA", 71237)
SECOND = Opening("2026-01-02T00:00:00+00:00", "def", "somewhere", "corpus", "LA", 71237)


def test_openings_lie_beside_the_study_in_the_order_of_time(tmp_path: Path) -> None:
    detector = tmp_path / "study" / "detector"
    detector.mkdir(parents=True)
    (tmp_path / "study" / "study.yaml").write_text("name: x\n")
    for opening in (FIRST, SECOND):
        assert record_opening(opening, detector) == tmp_path / "study" / FILE
    assert read_openings(tmp_path / "study") == [FIRST, SECOND]


def test_a_detector_deep_in_a_study_is_the_study_s(tmp_path: Path) -> None:
    deep = tmp_path / "study" / "ray" / "trials" / "0003" / "export" / "detector"
    deep.mkdir(parents=True)
    (tmp_path / "study" / "study.yaml").write_text("name: 3\n")
    assert record_opening(FIRST, deep) == tmp_path / "study" / FILE


def test_a_broken_record_is_named_by_its_line(tmp_path: Path) -> None:
    record_opening(FIRST, tmp_path)
    with (tmp_path / FILE).open("a") as stream:
        stream.write("{oops\n")
    with pytest.raises(InputError, match=r"openings.jsonl:2: no record of an opening"):
        read_openings(tmp_path)


def test_a_detector_without_a_study_keeps_its_own_record(tmp_path: Path) -> None:
    assert read_openings(tmp_path) == []
    assert record_opening(FIRST, tmp_path) == tmp_path / FILE
    assert read_openings(tmp_path) == [FIRST]


def test_what_cannot_be_recorded_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(InputError, match="every opening of eval must be recorded"):
        record_opening(FIRST, tmp_path)


def test_the_study_s_experiment_notes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    out = tmp_path / "study"
    search_local(toy_study(trials=2), out, quiet())
    record_opening(FIRST, out / "detector")
    client = MlflowClient(tracking_uri=store_uri(out))
    experiment = find_experiment(out, "toy")
    (run,) = client.search_runs([experiment], "tags.kind = 'opening'")
    (study,) = client.search_runs([experiment], "tags.kind = 'study'")
    assert run.data.tags["detector"] == "abc"
    assert run.data.tags["mlflow.parentRunId"] == study.info.run_id
    assert run.info.status == "FINISHED"
    assert "did not note" not in capsys.readouterr().err


def test_a_listener_that_fails_ends_no_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.yaml").write_text("name: 3\n")
    (tmp_path / "detector").mkdir()
    record_opening(FIRST, tmp_path / "detector")
    assert "warning: mlflow did not note the opening of eval" in capsys.readouterr().err
    assert read_openings(tmp_path) == [FIRST]
