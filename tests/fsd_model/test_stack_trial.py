"""The contract behind a stack: each trial reports, is stopped, fails and is resumed by itself."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fsd_model import trial
from fsd_model.detector import Detector
from fsd_model.errors import InputError
from tests.fsd_model.synthetic import reproducible


@dataclass
class Recorder:
    """A context that keeps what is reported, and leaves as told."""

    folder: Path | None = None
    checkpoint: Path | None = None
    moved: bool = False
    end_after: int = 99
    end: type[BaseException] = SystemExit
    order: list = field(default_factory=list)
    metrics: list = field(default_factory=list)

    def report(self, metrics, save=None):
        self.metrics.append(reproducible(metrics))
        self.order.append(id(self))
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            save(self.folder)
        if len(self.metrics) >= self.end_after:
            raise self.end("the search wants its place")


@pytest.fixture(scope="module")
def settings(tiny_corpus, tmp_path_factory):
    return {
        "data": {"root": str(tiny_corpus)},
        "network": {"depth": 9},
        "optim": {"schedule": "constant", "learning_rate": 1e-4},
        "runtime": {"store": str(tmp_path_factory.mktemp("store")), "device": "cpu"},
        "batch_size": 8,
        "epochs": 2,
        "cuts": [1, 3],
    }


@pytest.fixture(scope="module")
def params(settings):
    return [
        {**settings, "seed": 1},
        {**settings, "seed": 2, "distill": {"temperature": 1.5, "soft_weight": 1.0}},
        {**settings, "seed": 2, "optim": {"schedule": "noam", "weight_decay": 1e-3}},
    ]


@pytest.fixture(scope="module")
def alone(params):
    """Of the first two trials, each run by itself."""
    recorders = [Recorder(), Recorder()]
    for own, recorder in zip(params[:2], recorders, strict=True):
        trial.run(own, recorder)
    return [recorder.metrics for recorder in recorders]


def assert_close(ours, theirs):
    """But for rounding in float32, which two epochs of training make grow (see `test_stack_trainer`)."""
    for own, expected in zip(ours, theirs, strict=True):
        assert own.keys() == expected.keys()
        for name in ("train/loss", "train/hard", "train/soft", "train/feature", "dev/loss", "dev/cllr"):
            assert own[name] == pytest.approx(expected[name], rel=2e-3), name


@pytest.mark.slow
def test_each_trial_reports_saves_and_ends_by_itself(params, alone, tmp_path):
    order = []
    stopped = Recorder(tmp_path / "stopped", end_after=1, order=order)
    whole = Recorder(tmp_path / "whole", order=order)
    broken = Recorder(end_after=1, end=OSError, order=order)
    failures = trial.run_stack(params, [stopped, whole, broken])
    assert order == [id(stopped), id(whole), id(broken), id(whole)]
    assert failures[:2] == [None, None]
    assert isinstance(failures[2], OSError)
    assert_close(stopped.metrics, alone[0][:1])
    assert_close(whole.metrics, alone[1])
    assert Detector.load(tmp_path / "whole/export/detector").card.fingerprint
    resumed = Recorder(checkpoint=tmp_path / "stopped")
    trial.run(params[0], resumed)
    assert_close(resumed.metrics, alone[0][1:])


def test_an_augmented_stack_draws_by_each_trials_own_seed(settings):
    augmented = {**settings, "augment": {"spec": {"probability": 1.0}}, "epochs": 1}
    params = [{**augmented, "seed": seed} for seed in (1, 2)]
    together, single = [Recorder(), Recorder()], Recorder()
    trial.run_stack(params, together)
    trial.run(params[1], single)
    assert_close(together[1].metrics, single.metrics)


def test_what_stacks_has_one_key(settings):
    key = trial.stackable(settings)
    scalars = {
        "seed": 7,
        "epochs": 9,
        "distill": {
            "temperature": 9.0, "temperature_end": 2.0, "temperature_schedule": "linear", "hard_weight": 0.1,
            "feature_weight": 0.0, "lambda_schedule": "frozen", "ramp": 0.5,
        },
        "optim": {"schedule": "noam", "model_size": 32, "warmup_steps": 9, "weight_decay": 0.0},
    }  # fmt: skip
    assert trial.stackable({**settings, **scalars}) == key
    for name, value in {
        "batch_size": 4, "cuts": [2], "network": {"depth": 18}, "distill": {"soft": "js"},
        "feature": {"kind": "lfcc"}, "runtime": {**settings["runtime"], "precision": "bfloat16"},
    }.items():  # fmt: skip
        assert trial.stackable({**settings, name: value}) != key, name
    usual = {name: value for name, value in settings.items() if name != "cuts"}
    assert trial.stackable(usual) == trial.stackable({**usual, "cuts": [1, 2, 3]})


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"distill": {"teacher": "ema"}}, "distill.teacher: ema cannot be stacked"),
        ({"runtime": {"micro_batch": 2}}, "runtime.micro_batch: cannot be stacked"),
        ({"objective": {"name": "unseen-attacks"}}, "objective.name: unseen-attacks cannot be stacked"),
        ({"network": "tests.fsd_model.own_networks:any"}, "network: only built-in networks"),
    ],
)
def test_what_must_be_trained_alone_says_so_in_one_line(settings, changes, rule):
    with pytest.raises(InputError, match=rule) as caught:
        trial.stackable({**settings, **changes})
    assert "\n" not in str(caught.value)


def test_unlike_trials_are_refused_before_any_is_trained(settings):
    recorders = [Recorder(), Recorder()]
    with pytest.raises(InputError, match="may differ in scalars alone"):
        trial.run_stack([settings, {**settings, "batch_size": 4}], recorders)
    assert not any(recorder.metrics for recorder in recorders)
