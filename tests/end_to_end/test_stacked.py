"""A search of real trainings that share one stack: the same numbers as trained alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tuner.conftest import ray_cluster
from tests.tuner.support.studies import journal, quiet
from tuner.journal.record import State
from tuner.study.load import load_study
from tuner.study.study import Study
from tuner.workflows.search import search

__all__ = ["ray_cluster"]
pytestmark = pytest.mark.long


def scalars(corpus: Path, store: Path, stack: int) -> Study:
    """The smoke study over scalars alone, three trials in one reservation or one after the other."""
    changes = {
        "settings.data.root": corpus, "settings.runtime.store": store, "settings.optim.schedule": "noam",
        "settings.cuts": "[1, 2, 3]", "resources.stack": stack, "concurrency": stack,
        "search": "{distill.temperature: {log: [1, 10]}, seed: {choice: [1, 2, 3]}}",
        "default": "{distill.temperature: 3.0, seed: 1}", "scheduler.name": "none", "epochs": 2, "trials": 3,
    }  # fmt: skip
    return load_study("smoke", [f"{key}={value}" for key, value in changes.items()])


def test_stacked_trials_report_what_they_report_alone(ray_cluster, tiny_corpus, tmp_path):
    stacked = search(scalars(tiny_corpus, tmp_path / "store", 3), tmp_path / "stacked", quiet())
    alone = search(scalars(tiny_corpus, tmp_path / "store", 1), tmp_path / "alone", quiet())
    assert {trial.state for trial in (*stacked.trials, *alone.trials)} == {State.COMPLETE}
    assert [trial.params for trial in stacked.trials] == [trial.params for trial in alone.trials]
    reports = {
        name: [event for event in journal(tmp_path / name) if event["event"] == "trial_reported"]
        for name in ("stacked", "alone")
    }
    together = [(event["trial"], event["epoch"]) for event in reports["stacked"]]
    assert together == [(trial, epoch) for epoch in (1, 2) for trial in range(3)]
    expected = {(event["trial"], event["epoch"]): event["metrics"] for event in reports["alone"]}
    for event in reports["stacked"]:
        ours, theirs = event["metrics"], expected[event["trial"], event["epoch"]]
        assert set(ours) == set(theirs)
        for name in ("train/loss", "train/soft", "train/learning_rate", "dev/loss"):
            assert ours[name] == pytest.approx(
                theirs[name], rel=0.02
            )  # float32; exactly in experimental/stacked/test_trainer
    detector = tmp_path / "stacked" / "detector"
    assert sorted(file.name for file in detector.iterdir()) == sorted(
        file.name for file in (tmp_path / "alone" / "detector").iterdir()
    )
