"""Nothing in a recorded update waits for the device or copies to it, as fake tensors of a GPU tell.

Torch's autograd cannot walk back through tensors of a GPU where there is none. So the forward pass, the loss
and the optimiser run on a fake GPU, in float32 as autocast is off without one, and the whole update with its
gradients on a fake CPU.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from fsd_model.augmentation.pipeline import Augmentation
from fsd_model.distillation.distiller import Distiller
from fsd_model.experimental.cuda_graph import RecordedUpdate
from fsd_model.training.trainer import Trainer
from tests.fsd_model.experimental.test_cuda_graph import CASES
from tests.fsd_model.support.fake_gpu import CrossingError, OneDevice, move
from tests.fsd_model.support.synthetic import config, training_data
from tests.fsd_model.support.tape import TapeRecorder

CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")


def run_update(changes, device, monkeypatch):
    """Run the update of a `RecordedUpdate` on a fake device; return what its optimiser was given."""
    run = config(**changes)
    data = training_data()
    if not run.augment.is_off:
        data = replace(data, augmentation=Augmentation(run.augment, run.feature, run.seed))
    trainer = Trainer(run, data)
    with FakeTensorMode(allow_non_fake_inputs=False) as mode:
        move(trainer, device, mode)
        trainer.network.train()
        trainer.distiller.cache_weights = False
        update = RecordedUpdate(trainer, TapeRecorder())
        trainer.optimiser.param_groups[0]["capturable"] = True
        if device.type == "cuda":
            # the optimiser's own check that it may be captured, which asks CUDA first
            monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
            monkeypatch.setattr(torch.Tensor, "backward", given_gradients(trainer))
        with OneDevice() as watched:
            update._update()
    return watched.optimiser


def given_gradients(trainer):
    def backward(total, *args, **kwargs):
        for each in trainer.network.parameters():
            each.grad = torch.empty_like(each)

    return backward


@pytest.mark.filterwarnings("ignore:CUDA is not available:UserWarning")
@pytest.mark.parametrize("device", [CUDA, CPU], ids=["gpu", "cpu"])
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_an_update_neither_waits_nor_copies(changes, device, monkeypatch):
    ((name, given),) = run_update(changes, device, monkeypatch)
    assert name == "aten::_fused_adam_.tensor_lr"
    assert given == {(str(device), torch.float32)}  # the rate too: a GPU reads it as float32


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (lambda batch: float(batch.labels_B.sum()), DataDependentOutputException),
        (lambda batch: batch.features_BFT[batch.labels_B == 1], RuntimeError),
        (lambda batch: batch.features_BFT.new_tensor([1.0, 2.0]), CrossingError),
        (lambda batch: batch.features_BFT.cpu(), CrossingError),
    ],
)
def test_a_wait_or_a_copy_would_be_found(fault, error, monkeypatch):
    loss = Distiller.loss

    def faulty(self, batch, scalars):
        fault(batch)
        return loss(self, batch, scalars)

    monkeypatch.setattr(Distiller, "loss", faulty)
    with pytest.raises(error):
        run_update({}, CUDA, monkeypatch)
