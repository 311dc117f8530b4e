"""The contract behind a stack: each trial reports, is stopped, fails and is resumed by itself."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from fsd_model import trial
from fsd_model.detector.detector import Detector
from fsd_model.errors import InputError
from tests.fsd_model.support.synthetic import reproducible


@dataclass
class Recorder:
    """A context that keeps what is reported, and leaves as told."""

    folder: Path | None = None
    checkpoint: Path | None = None
    cloned: bool = False
    end_after: int = 99
    end: type[BaseException] = SystemExit
    order: list = field(default_factory=list)
    metrics: list = field(default_factory=list)
    ended: list = field(default_factory=list)

    def over(self, error):
        self.ended.append(error)

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
    trial.run_stack(params, [stopped, whole, broken])
    assert order == [id(stopped), id(whole), id(broken), id(whole)]
    assert stopped.ended == []
    assert whole.ended == [None]
    assert [type(error) for error in broken.ended] == [OSError]
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
        ({"runtime": {"micro_batch": 2}}, "runtime.micro_batch cannot be stacked"),
        ({"runtime": {"cuda_graph": True}}, "runtime.cuda_graph cannot be stacked"),
        ({"objective": {"name": "unseen-attacks"}}, "objective.name: unseen-attacks cannot be stacked"),
        (
            {"network": "tests.fsd_model.support.custom_networks:any"},
            "network: a custom one cannot be stacked",
        ),
    ],
)
def test_what_must_be_trained_alone_says_so_in_one_line(settings, changes, rule):
    with pytest.raises(InputError, match=rule) as caught:
        trial.stackable({**settings, **changes})
    assert "\n" not in str(caught.value)


class Waiting:
    """Trials that come, one round each time it is asked; keeps how many reports there were then."""

    def __init__(self, seen, *rounds):
        self.seen, self.rounds, self.asked = seen, list(rounds), []

    def __call__(self):
        self.asked.append(len(self.seen.metrics))
        return self.rounds.pop(0) if self.rounds else []


@pytest.mark.slow
def test_free_places_are_taken_by_new_trials_and_those_of_an_earlier_attempt(params, alone, tmp_path):
    first = Recorder(tmp_path / "first", end_after=1)
    trial.run_stack(params[:1], [first])
    stays = Recorder()
    stopped, fresh, resumed = Recorder(end_after=1), Recorder(), Recorder(checkpoint=tmp_path / "first")
    more = Waiting(stays, [], [(params[0], resumed)], [], [(params[1], fresh)])
    trial.run_stack([params[1], params[2]], [stays, stopped], more)
    # before the first epoch; after one, again since some came; after two, the same; after the last one's two
    assert more.asked == [0, 1, 1, 2, 2, 2, 2]
    assert_close(stays.metrics, alone[1])
    assert_close(resumed.metrics, alone[0][1:])
    assert_close(fresh.metrics, alone[1])
    assert [each.ended for each in (stays, stopped, resumed, fresh)] == [[None], [], [None], [None]]


def test_a_trial_that_cannot_be_built_costs_itself_alone(settings, tmp_path):
    one = {**settings, "epochs": 1}
    unknown, unlike, lost, good, late = (Recorder() for _ in range(5))
    lost.checkpoint = tmp_path / "nothing"
    params = [{**one, "sede": 1}, one, {**one, "batch_size": 4}, one]
    more = Waiting(good, [({**one, "distill": {"teacher": "ema"}}, late)])
    trial.run_stack(params, [unknown, good, unlike, lost], more)
    assert more.asked == [0, 0, 1]
    rules = (
        "did you mean `seed`",
        "may differ in scalars only",
        "nothing",
        "teacher: ema cannot be stacked",
    )
    for recorder, rule in zip((unknown, unlike, lost, late), rules, strict=True):
        (error,) = recorder.ended
        assert rule in str(error)
        assert recorder.metrics == []
    assert good.ended == [None]
    assert len(good.metrics) == 1


def test_where_the_data_cannot_be_opened_all_are_told(settings, tmp_path):
    recorders = [Recorder(), Recorder()]
    nowhere = {**settings, "data": {"root": str(tmp_path)}}
    trial.run_stack([nowhere, {**nowhere, "seed": 2}], recorders)
    for recorder in recorders:
        assert [type(error) for error in recorder.ended] == [InputError]


def test_a_trial_without_epochs_to_go_is_over_at_once(settings, tmp_path):
    one = {**settings, "epochs": 1}
    done, again = Recorder(tmp_path / "done"), Recorder(checkpoint=tmp_path / "done")
    trial.run_stack([one], [done])
    trial.run_stack([one], [again])
    assert again.metrics == []
    assert again.ended == [None]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), KeyboardInterrupt()])
def test_what_ends_the_joint_computation_comes_out(settings, monkeypatch, error):
    def fails(*given):
        raise error

    monkeypatch.setattr("fsd_model.experimental.stacked.epoch.StackedEpoch.step", fails)
    recorders = [Recorder(), Recorder()]
    with pytest.raises(type(error)):
        trial.run_stack([settings, {**settings, "seed": 2}], recorders)
    assert [recorder.ended for recorder in recorders] == [[], []]
