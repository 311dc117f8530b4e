"""Features that lie on the device are gathered and masked there as they are on the host, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fsd_model.augmentation.config import SpecConfig
from fsd_model.augmentation.pipeline import Augmentation
from fsd_model.augmentation.spec_augment import spec_augment
from fsd_model.features import device_cache as resident
from fsd_model.features.device_cache import keep_resident
from fsd_model.features.feature_set import FeatureSet
from fsd_model.training.data import TrainingData
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.synthetic import config, feature_set, reproducible, training_data

CPU = torch.device("cpu")


def waveforms(count: int) -> FeatureSet:
    few = feature_set(count, 1)
    records = np.zeros(count, np.dtype([("samples", "<i2", (1, 500)), ("length", "<i4")]))
    records["samples"] = np.random.default_rng(1).integers(-32768, 32768, (count, 1, 500))
    return FeatureSet(records["samples"], few.labels_N, few.utterances)


@pytest.mark.parametrize(
    "whole", [feature_set(50, 1), waveforms(50), feature_set(50, 1).select(np.arange(49, 3, -2))]
)
@pytest.mark.parametrize("at_once", [7, 1024])
def test_a_batch_is_the_ordinary_one(whole, at_once, monkeypatch):
    monkeypatch.setattr(resident, "_AT_ONCE", at_once)
    there = replace(whole)
    there.make_resident(CPU)
    rows_B = np.random.default_rng(2).permutation(len(whole.labels_N))[:17]
    for got, expected in zip(there.batch(rows_B, CPU), whole.batch(rows_B, CPU), strict=True):
        assert got.dtype == expected.dtype
        assert torch.equal(got, expected)
    assert there.resident[CPU].stored_NFT.nbytes == whole.stored_bytes
    assert there.resident[CPU].stored_NFT.element_size() == 2


def test_what_is_made_of_a_set_has_no_copy_of_it():
    whole = feature_set(9, 1)
    whole.make_resident(CPU)
    changed = replace(whole, features_MFT=whole.features_MFT + 1)
    assert not changed.resident
    assert not whole.select(np.arange(3)).resident


def test_it_is_copied_once_for_all_who_share_the_set():
    data = training_data()
    keep_resident((data.train, data.dev), CPU, True)
    first = data.train.resident[CPU]
    Trainer(config(**{"runtime.resident": True}), data)
    assert data.train.resident[CPU] is first
    assert replace(data, augmentation=None).train.resident[CPU] is first


@pytest.mark.parametrize(
    ("choice", "device", "free", "copied"),
    [
        ("auto", "cpu", 0, False),
        (False, "cuda", 10**9, False),
        ("auto", "cuda", 8 * 1000, True),
        ("auto", "cuda", 8 * 1000 - 1, False),
        (True, "cuda", 1, True),
    ],
)
def test_auto_takes_an_eighth_of_a_gpus_free_memory(choice, device, free, copied, monkeypatch):
    class Split:
        stored_bytes = 500
        made = False

        def make_resident(self, device: torch.device) -> None:
            self.made = True

    sets = (Split(), Split())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**10))
    keep_resident(sets, torch.device(device), choice)
    assert [each.made for each in sets] == [copied] * 2


def test_a_mask_covers_what_its_span_says():
    spec = SpecConfig(frequency_masks=1, time_masks=1, fill="zero")
    ones_BFT = torch.ones(2, 4, 5)
    got_BFT = spec_augment(spec, ones_BFT, torch.tensor([[[1, 3], [0, 2]], [[0, 0], [0, 0]]]))
    expected_FT = torch.ones(4, 5)
    expected_FT[1:3] = 0
    expected_FT[:, :2] = 0
    assert torch.equal(got_BFT, torch.stack([expected_FT, ones_BFT[1]]))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"augment.spec.probability": 0.5},
        {"augment.spec.probability": 0.5, "augment.two_view": True},
        {"augment.rawboost.probability": 0.5, "augment.rawboost.algorithm": 3},
        {"runtime.micro_batch": 7},
    ],
)
def test_training_is_the_same_wherever_the_features_lie(changes):
    curves = []
    for there in (False, True):
        run = config(epochs=2, **changes, **{"runtime.resident": there})
        given = training_data()
        if not run.augment.is_off:
            given = replace(given, augmentation=Augmentation(run.augment, run.feature, run.seed))
        curves.append([reproducible(metrics) for metrics in Trainer(run, given).epochs()])
    assert curves[0] == curves[1]


def test_recordings_that_are_augmented_keep_to_the_host():
    run = config(**{"augment.noise.probability": 1.0, "augment.spec.probability": 1.0})
    train = feature_set(8, 1)
    data = TrainingData(train, train, "", augmentation=Augmentation(run.augment, run.feature, 1))
    expected = data.train_batch(np.arange(8), 0, CPU)
    train.make_resident(CPU)
    assert torch.equal(data.train_batch(np.arange(8), 0, CPU).features_BFT, expected.features_BFT)
