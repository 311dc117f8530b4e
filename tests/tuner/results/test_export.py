"""The winner and its files: never an immature one, never half a file, the same numbers once more."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.tuner.support.studies import journal, quiet, toy_study
from tuner import files as atomic
from tuner.controller.lifecycle import end_of
from tuner.errors import StudyError, lines
from tuner.journal.record import State, TrialRecord
from tuner.results.export import copy_export, facts, versions
from tuner.results.selection import winner
from tuner.schedulers.scheduler import CONTINUE, Action, Decision
from tuner.study.load import load_study
from tuner.study.settings import Metric
from tuner.study.study import Study
from tuner.tracking.address import store_uri
from tuner.workflows.search import SearchResult, search_local
from tuner.workflows.train import train


def trial(number: int, state: State, value: float, epoch: int = 4) -> TrialRecord:
    return TrialRecord(number, {}, state=state, value=value, epoch=epoch)


def test_only_complete_trials_win() -> None:
    metric = Metric(name="m", mode="min")
    trials = [
        trial(0, State.STOPPED, 0.1),
        trial(1, State.FAILED, 0.0),
        trial(2, State.COMPLETE, 0.5),
        trial(3, State.COMPLETE, 0.4),
        trial(4, State.INTERRUPTED, 0.2),
        trial(5, State.COMPLETE, 0.4),
        trial(6, State.COMPLETE, math.nan),
    ]
    best = winner(trials, metric)
    assert best is not None
    assert best.number == 3
    highest = winner(trials, Metric(name="m", mode="max"))
    assert highest is not None
    assert highest.number == 2
    assert winner(trials[:2], metric) is None
    assert winner([], metric) is None


@pytest.mark.parametrize(
    ("epoch", "value", "stopped", "state"),
    [
        (4, 0.1, "", State.COMPLETE),
        (4, 0.1, "asha", State.COMPLETE),
        (3, 0.1, "asha", State.STOPPED),
        (3, 0.1, "", None),
        (0, math.nan, "", None),
        (2, math.nan, "", State.FAILED),
        (4, math.nan, "", State.FAILED),
        (4, -math.inf, "asha", State.FAILED),
    ],
)
def test_how_a_report_ends_a_trial(epoch: int, value: float, stopped: str, state: State | None) -> None:
    decision = Decision(Action.STOP, stopped) if stopped else CONTINUE
    end = end_of(trial(0, State.RUNNING, value, epoch), decision, toy_study())
    assert (None if end is None else end[0]) is state
    assert end is None or bool(end[1]) == (state is not State.COMPLETE)


def test_best_yaml_is_a_study_of_one_trial_that_says_where_it_comes_from(
    searched: tuple[Path, Study, SearchResult],
) -> None:
    out, study, outcome = searched
    best = outcome.best
    assert best is not None
    loaded = load_study(str(out / "best.yaml"))
    assert (loaded.search, loaded.trials, loaded.epochs, loaded.scheduler.name) == ({}, 1, 6, "none")
    assert loaded.config({}) == {**study.config(best.params), "prepared": True}
    assert loaded.origin is not None
    assert loaded.origin["value"] == best.value
    expected = {"study": "toy", "trial": best.number, "metric": "dev/loss", "epoch": 6, "seed": 1}
    assert {key: loaded.origin[key] for key in expected} == expected
    assert loaded.origin["facts"] == {"digest": "abc123", "utterances": 7}
    assert {"python", "ray", "optuna", "mlflow"} <= set(loaded.origin["versions"])
    text = (out / "best.yaml").read_text()
    assert text.startswith("# The best configuration that the study `toy` found")
    assert f"fsd-tuner train {out.resolve()}/best.yaml" in text


def test_the_exported_folder_is_the_winner_s_last_one(searched: tuple[Path, Study, SearchResult]) -> None:
    out, _, outcome = searched
    assert outcome.best is not None
    model = json.loads((out / "detector" / "model.json").read_text())
    assert model == {"epoch": 6, "loss": outcome.best.value}
    assert outcome.exported == [out.resolve() / "best.yaml", out.resolve() / "detector"]


def test_trained_again_it_gives_the_same_value_to_the_last_bit(
    searched: tuple[Path, Study, SearchResult], tmp_path: Path
) -> None:
    out, _, _ = searched
    trained = train(load_study(str(out / "best.yaml")), tmp_path, quiet())
    assert trained.same
    assert trained.value == trained.recorded
    assert (tmp_path / "detector" / "model.json").read_text() == (out / "detector" / "model.json").read_text()
    other = train(load_study(str(out / "best.yaml"), ["settings.x=0.9"]), None, quiet())
    assert not other.same


@pytest.mark.parametrize("broken", ["write_text", "copytree", "rename"])
def test_a_full_disk_in_the_export_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if broken == "write_text":
        real = atomic.os.replace
        fill = lambda a, b: full() if Path(b).name == "best.yaml" else real(a, b)  # noqa: E731
        monkeypatch.setattr(atomic.os, "replace", fill)
    elif broken == "copytree":
        monkeypatch.setattr(shutil, "copytree", full)
    else:
        real_rename = Path.rename
        stage = lambda self, to: full() if "/.export-" in str(self) else real_rename(self, to)  # noqa: E731
        monkeypatch.setattr(Path, "rename", stage)
    out = tmp_path / "out"
    with pytest.raises(
        StudyError, match="cannot write the export: No space left on device; the trials are"
    ) as caught:
        search_local(toy_study(trials=2), out, quiet())
    assert "\n" not in str(caught.value)
    assert not (out / "best.yaml").exists()
    assert not (out / "detector").exists()
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == [".lock"]
    assert [event["event"] for event in journal(out)].count("trial_ended") == 2
    runs = MlflowClient(tracking_uri=store_uri(out)).search_runs(["1"])
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED", "FINISHED"]


def test_a_disk_that_fills_up_in_mid_search_is_one_line_and_ends_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = os.fsync, []

    def filling(descriptor: int) -> None:
        calls.append(os.readlink(f"/proc/self/fd/{descriptor}").endswith("journal.jsonl"))
        if sum(calls) > 9:  # in the second trial
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", filling)
    out = tmp_path / "out"
    with pytest.raises(OSError, match="No space left on device") as caught:
        search_local(toy_study(trials=3, scheduler={"name": "none"}), out, quiet())
    assert lines(caught.value) == [f"{out / 'journal.jsonl'}: No space left on device"]
    runs = MlflowClient(tracking_uri=store_uri(out)).search_runs(["1"])
    assert {run.info.status for run in runs} == {"FAILED", "FINISHED", "KILLED"}
    assert journal(out)[0]["event"] == "study_started"


_LIMITED = """
import resource, sys
from pathlib import Path
from tests.tuner.support.studies import quiet
from tests.tuner.support.studies import toy_study
from tuner.workflows import search as study
from tuner.results.export import export_winner

def limited(*args):
    resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256))  # best.yaml is larger
    return export_winner(*args)

study.export_winner = limited
try:
    study.search_local(toy_study(trials=1), Path(sys.argv[1]), quiet())
except Exception as error:
    print(type(error).__name__, str(error).splitlines()[0])
"""


def test_a_real_limit_on_file_sizes_leaves_no_half_written_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", _LIMITED, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert not (out / "best.yaml").exists()
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == [".lock"]
    assert "File too large" in done.stdout, done.stderr


def test_an_entry_that_is_there_already_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "c" / "export").mkdir(parents=True)
    (tmp_path / "c" / "export" / "model").write_text("new")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model").write_text("old")
    with pytest.raises(StudyError, match="model: is there already"):
        copy_export(tmp_path / "c", tmp_path / "out")
    assert (tmp_path / "out" / "model").read_text() == "old"


@pytest.mark.parametrize("content", ["[1]", '{"a": [1]}', '{"a": {}}', "{", "NaN"])
def test_facts_that_are_not_flat_json_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "facts.json").write_text(content)
    with pytest.raises(StudyError, match=r"facts\.json: "):
        facts(tmp_path)


def test_versions_are_read_without_importing() -> None:
    assert versions()["ray"].count(".") == 2


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f"
    file.write_text("old")

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        atomic.write_text(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
