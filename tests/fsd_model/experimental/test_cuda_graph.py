"""A recorded update: replayed on the CPU by a stand-in it is the eager one, bit for bit."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from fsd_model.augmentation.pipeline import Augmentation
from fsd_model.distillation.distiller import Distiller
from fsd_model.errors import InputError
from fsd_model.experimental.cuda_graph import WARM_UP, CudaRecorder, RecordedUpdate, _obstacle
from fsd_model.training.data import TrainingData
from fsd_model.training.trainer import Trainer
from fsd_model.trial.building import build_trainer
from fsd_model.trial.retry import retry_settings
from tests.fsd_model.support.synthetic import config, feature_set, reproducible, training_data
from tests.fsd_model.support.tape import TapeRecorder

GRAPH = {"runtime.cuda_graph": True, "runtime.resident": True}
EXACT = {"optim.learning_rate": 2**-9}  # the recorded optimiser reads the rate as float32


def odd_data() -> TrainingData:
    """Five batches of 16 and one of 9 an epoch."""
    return TrainingData(feature_set(89, 1), feature_set(30, 2), digest="odd")


def build(changes, data=None):
    """A trainer on the CPU; with `runtime.cuda_graph` its updates are replayed by the stand-in."""
    trainer = Trainer(config(**{"epochs": 2, **EXACT, **changes}), data or odd_data())
    if trainer.config.runtime.cuda_graph:
        trainer.distiller.cache_weights = False
        trainer.runner = RecordedUpdate(trainer, TapeRecorder())
    return trainer


def recorder_of(trainer):
    return trainer.runner._recorder


def trained(changes, data=None, epochs=None):
    trainer = build(changes, data)
    return trainer, [reproducible(each) for each in islice(trainer.epochs(), epochs)]


def state(trainer):
    moments = trainer.optimiser.state_dict()
    return (
        {name: value.clone() for name, value in trainer.network.state_dict().items()},
        {number: {k: v.clone() for k, v in each.items()} for number, each in moments["state"].items()},
        moments["param_groups"],
    )


def assert_same(one, other):
    torch.testing.assert_close(state(one), state(other), rtol=0, atol=0)


MASKS = {"augment.spec.probability": 0.7, "augment.spec.time_width": 9}
CASES = {
    "default": {},
    "bfloat16": {"runtime.precision": "bfloat16"},
    "schedules": {
        "distill.temperature_schedule": "cosine", "distill.temperature_end": 1.5, "distill.ramp": 0.5,
    },
    "weights by exit": {"distill.exit_weights": "deeper", "distill.hard_on": "all"},
    "maps": {"distill.feature": "attention_transfer", "distill.soft": "js"},
    "batch": {"distill.feature": "similarity_preserving", "distill.soft": "margin_kl"},
    "adapter": {"distill.adapter": "conv", "distill.feature": "cosine", "network.family": "senet"},
    "plain": {"cuts": (), "distill.hard_loss": "cross_entropy"},
    "ensemble": {"distill.teacher": "ensemble"},
    "masks": {**MASKS},
    "masks, two views": {**MASKS, "augment.two_view": True},
}  # fmt: skip


def augmented(changes, data):
    settings = config(**changes)
    if settings.augment.is_off:
        return data
    return replace(data, augmentation=Augmentation(settings.augment, settings.feature, settings.seed))


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_replayed_training_equals_the_eager_one_bit_for_bit(changes):
    expected, told = trained(changes, augmented(changes, odd_data()))
    replayed, again = trained({**changes, **GRAPH}, augmented(changes, odd_data()))
    assert again == told
    assert_same(expected, replayed)
    recorder = recorder_of(replayed)
    assert len(recorder.tapes) == 1
    assert (recorder.eager, recorder.replays) == (
        WARM_UP + 2,
        2 * 5 - WARM_UP,
    )


def test_with_a_rate_that_float32_rounds_it_is_the_same_but_for_rounding():
    changes = {"optim.schedule": "noam", "optim.warmup_steps": 100}
    told = trained(changes)[1]
    trainer, again = trained({**changes, **GRAPH})
    assert recorder_of(trainer).replays == 7
    assert again[0] == pytest.approx(told[0], rel=1e-3, abs=1e-3)
    rates = [each["train/learning_rate"] for each in told]
    assert [each["train/learning_rate"] for each in again] == rates


@pytest.mark.parametrize(("first", "then"), [(GRAPH, GRAPH), (GRAPH, {}), ({}, GRAPH)])
def test_a_resumed_run_equals_the_uninterrupted_one_either_way(first, then, tmp_path):
    whole, told = trained({"epochs": 3})
    part, _ = trained({"epochs": 3, **first}, epochs=1)
    part.save(tmp_path)
    resumed = build({"epochs": 3, **then})
    resumed.load(tmp_path)
    assert [reproducible(each) for each in resumed.epochs()] == told[1:]
    assert_same(whole, resumed)


def test_a_state_loaded_in_the_middle_is_recorded_anew(tmp_path):
    whole, told = trained({"epochs": 3})
    trainer = build({"epochs": 3, **GRAPH})
    list(islice(trainer.epochs(), 1))
    trainer.save(tmp_path)
    list(islice(trainer.epochs(), 1))
    trainer.load(tmp_path)
    assert [reproducible(each) for each in trainer.epochs()] == told[1:]
    assert_same(whole, trainer)
    assert len(recorder_of(trainer).tapes) == 2


def test_saved_states_are_those_of_eager_training(tmp_path):
    for name, changes in (("eager", {}), ("graph", GRAPH)):
        trainer, _ = trained(changes, epochs=1)
        trainer.save(tmp_path / name)
    one, other = (torch.load(tmp_path / name / "state.pt") for name in ("eager", "graph"))
    torch.testing.assert_close(one["optimiser"], other["optimiser"], rtol=0, atol=0)
    assert one["optimiser"]["param_groups"] == other["optimiser"]["param_groups"]


def test_a_number_that_python_decided_stays_as_it_was_recorded(monkeypatch):
    """The stand-in is worth something: an update that reads a float instead of the tensor is found out."""
    told = trained({"distill.lambda_schedule": "annealed"})[1]
    loss = Distiller.loss

    def frozen(self, batch, scalars):
        return loss(self, batch, replace(scalars, margin=float(scalars.margin)))

    monkeypatch.setattr(Distiller, "loss", frozen)
    assert trained(GRAPH)[1] != told


def test_a_batch_larger_than_the_data_is_recorded_at_the_size_of_the_data():
    changes = {"batch_size": 64, "epochs": 6}
    few = TrainingData(feature_set(12, 1), feature_set(12, 2), digest="few")
    trainer, metrics = trained({**changes, **GRAPH}, few)
    assert metrics == trained(changes, few)[1]
    assert recorder_of(trainer).replays == 6 - WARM_UP


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({}, "needs a GPU, got device cpu"),
        ({"runtime.micro_batch": 8}, "needs a GPU, got device cpu"),
    ],
)
def test_a_trial_that_cannot_be_recorded_warns_and_trains_as_without(changes, obstacle, capsys):
    expected = [reproducible(each) for each in build(changes).epochs()]
    trainer = build_trainer(
        config(**{"epochs": 2, **EXACT, **changes, "runtime.cuda_graph": True}), odd_data()
    )
    assert trainer.runner is None
    assert [reproducible(each) for each in trainer.epochs()] == expected
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"warning: runtime.cuda_graph: {obstacle}; updates run without it"


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({"runtime.micro_batch": 8}, "runtime.micro_batch"),
        ({"distill.teacher": "ema"}, "distill.teacher: ema"),
        ({"augment.codec.probability": 0.5}, "augmentation of waveforms"),
        ({"network": "tests.fsd_model.support.custom_networks:raw_residual"}, "a custom network"),
        ({"runtime.resident": False}, "needs runtime.resident: true"),
    ],
)
def test_every_obstacle_is_named(changes, obstacle, monkeypatch):
    trainer = Trainer(config(**{**GRAPH, **changes}), training_data())
    monkeypatch.setattr(trainer, "device", torch.device("cuda", 0))
    if "runtime.resident" not in changes:
        monkeypatch.setitem(trainer.data.train.resident, torch.device("cuda", 0), None)
    assert obstacle in _obstacle(trainer)


class FakeCuda:
    """As much of `torch.cuda` as a recording needs, whose captures end in an error."""

    def __init__(self, monkeypatch, ending):
        self.stream, self.ending = "main", ending
        for name in ("CUDAGraph", "Stream", "current_stream", "set_stream", "graph"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))

    def CUDAGraph(self):
        return None

    def Stream(self, device):
        return "side"

    def current_stream(self, device):
        return self.stream

    def set_stream(self, stream):
        self.stream = stream

    @contextmanager
    def graph(self, graph, stream):
        self.stream = stream
        try:
            yield
        finally:
            if self.ending is not None:
                raise self.ending


def fails(error):
    def work():
        raise error

    return work


def test_what_cuda_refuses_is_said_in_one_line_and_leaves_the_stream(monkeypatch):
    cuda = FakeCuda(monkeypatch, RuntimeError("capture failed\nand more"))
    recorder = CudaRecorder(torch.device("cuda"))
    with pytest.raises(InputError, match=r"could not record an update \(capture failed\); leave it out"):
        recorder.record(fails(ValueError("forbidden")))
    assert cuda.stream == "main"


@pytest.mark.parametrize("ending", [None, RuntimeError("capture failed")])
def test_out_of_memory_in_a_recording_stays_out_of_memory(monkeypatch, ending):
    cuda = FakeCuda(monkeypatch, ending)
    recorder = CudaRecorder(torch.device("cuda"))
    with pytest.raises(torch.OutOfMemoryError, match="too much"):
        recorder.record(fails(torch.OutOfMemoryError("too much")))
    assert cuda.stream == "main"


def test_out_of_memory_goes_on_without_recording():
    params = {"data": {"root": "x"}, "runtime": {"cuda_graph": True}}
    relief = retry_settings(params, "memory")
    assert relief == {"runtime.micro_batch": 32, "runtime.cuda_graph": False}


def test_train_step_by_itself_returns_what_stays():
    trainer, eager = build(GRAPH), build({})
    trainer.network.train()
    eager.network.train()
    rows = np.arange(16)
    told = [[each.train_step(rows).total for _ in range(6)] for each in (trainer, eager)]
    assert torch.equal(torch.stack(told[0]), torch.stack(told[1]))
