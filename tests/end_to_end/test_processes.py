"""A detector trained by two processes of a Ray trial on real recordings: the training of a single process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fsd_model.detector.detector import Detector
from tests.tuner.support.studies import journal, quiet
from tuner.execution.in_process import run_local
from tuner.journal.record import State
from tuner.study.load import load_study
from tuner.workflows.search import search

pytestmark = pytest.mark.long
SAME = ("train/loss", "train/hard", "train/soft", "train/feature", "dev/loss", "dev/cllr")


def test_a_trial_over_two_processes_equals_the_one_in_this_process(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSD_DEMO_DATA", str(tiny_corpus))
    monkeypatch.setenv("FSD_DEMO_STORE", str(tmp_path / "store"))
    changes = [
        "trials=1",
        "epochs=2",
        "scheduler.name=none",
        "resources.workers=2",
        "settings.optim.learning_rate=1e-4",
    ]
    study = load_study("smoke", changes)
    assert study.default is not None
    (trial,) = search(study, tmp_path / "out", quiet(), forecast=False).trials
    assert (trial.state, trial.epoch) == (State.COMPLETE, 2)
    alone: list[dict[str, Any]] = []
    run_local(study, study.default, lambda epoch, metrics: alone.append(metrics))
    reports = [each["metrics"] for each in journal(tmp_path / "out") if each["event"] == "trial_reported"]
    for together, by_itself, within in zip(reports, alone, (3e-3, 1e-2), strict=True):
        for name in SAME:  # rounding differs, and every update multiplies the difference
            assert together[name] == pytest.approx(by_itself[name], rel=within), name
    assert Detector.load(tmp_path / "out" / "detector").card.epoch in (1, 2)
