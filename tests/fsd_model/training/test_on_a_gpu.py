"""What only a GPU can tell; skipped where there is none. No GPU has run these tests yet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fsd_model.augmentation.pipeline import Augmentation
from fsd_model.experimental.cuda_graph import WARM_UP, CudaRecorder
from fsd_model.training.data import TrainingData
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.synthetic import config, feature_set, reproducible

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is visible here")

DEVICE = torch.device("cuda", 0)
CUDA = {"runtime.device": "cuda", "runtime.resident": True}
GRAPH = {**CUDA, "runtime.cuda_graph": True}
LOSSES = ("train/loss", "train/hard", "train/soft", "train/feature", "dev/loss")


def data(run) -> TrainingData:
    given = TrainingData(feature_set(89, 1), feature_set(30, 2), digest="odd")
    if run.augment.is_off:
        return given
    return replace(given, augmentation=Augmentation(run.augment, run.feature, run.seed))


def losses(changes, epochs=2):
    run = config(epochs=epochs, **changes)
    told = [reproducible(each) for each in Trainer(run, data(run)).epochs()]
    return [[each[name] for name in LOSSES] for each in told]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("changes", [{}, {"augment.spec.probability": 0.7, "augment.two_view": True}])
def test_a_replayed_training_is_the_eager_one(precision, changes):
    common = {**changes, "runtime.precision": precision}
    eager, graph = losses({**common, **CUDA}), losses({**common, **GRAPH})
    assert graph[0] == pytest.approx(eager[0], rel=1e-3)
    assert graph[1] == pytest.approx(eager[1], rel=2e-2)


@pytest.mark.parametrize(("precision", "apart"), [("float32", 1e-3), ("bfloat16", 5e-2)])
@pytest.mark.parametrize("runtime", [CUDA, GRAPH], ids=["eager", "graph"])
def test_the_first_updates_are_those_of_the_cpu(runtime, precision, apart):
    totals = []
    for there in ({}, {**runtime, "runtime.precision": precision}):
        run = config(**{"optim.learning_rate": 1e-4}, **there)
        trainer = Trainer(run, data(run))
        trainer.network.train()
        rows = (np.arange(16) + 5 * number for number in range(WARM_UP + 3))
        totals.append([float(trainer.train_step(rows_B).total) for rows_B in rows])
    assert totals[1] == pytest.approx(totals[0], rel=apart)


def test_resident_features_are_gathered_and_masked_as_on_the_cpu():
    run = config(**{"augment.spec.probability": 0.7, "augment.two_view": True})
    given = data(run)
    rows_B = np.array([3, 80, 7, 7])
    expected = given.train_batch(rows_B, 1, torch.device("cpu"))
    given.train.make_resident(DEVICE)
    got = given.train_batch(rows_B, 1, DEVICE)
    assert torch.equal(got.features_BFT.cpu(), expected.features_BFT)
    assert torch.equal(got.clean_BFT.cpu(), expected.clean_BFT)
    assert torch.equal(got.labels_B.cpu(), expected.labels_B)


@pytest.mark.parametrize(("first", "then"), [(GRAPH, CUDA), (CUDA, GRAPH), (GRAPH, {}), ({}, GRAPH)])
def test_a_training_goes_on_from_any_other(first, then, tmp_path):
    part = Trainer(config(epochs=2, **first), data(config()))
    next(part.epochs())
    part.save(tmp_path)
    resumed = Trainer(config(epochs=2, **then), data(config()))
    resumed.load(tmp_path)
    (told,) = resumed.epochs()
    assert told["train/loss"] == pytest.approx(losses(CUDA)[1][0], rel=5e-2)


def test_recording_has_no_effect_and_replay_has():
    recorder = CudaRecorder(DEVICE)
    total = torch.zeros(2, device=DEVICE)
    with recorder.lane():
        total += 1
    replay = recorder.record(lambda: total.add_(1))
    assert total.tolist() == [1, 1]
    replay()
    replay()
    assert total.tolist() == [3, 3]
