"""Training: it learns, repeats, resumes bit for bit, and keeps the best epoch."""

from __future__ import annotations

import errno
import json
from itertools import islice

import numpy as np
import pytest
import torch

from fsd_model.errors import InputError
from fsd_model.training.data import shuffled_batches
from fsd_model.training.epoch_metrics import DivergenceError
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.synthetic import config, reproducible, training_data
from tests.golden.curve import FILE, curve


def history(trainer):
    return [reproducible(metrics) for metrics in trainer.epochs()]


def weights(trainer):
    return {k: v.clone() for k, v in trainer.network.state_dict().items()}


def assert_same_weights(a, b):
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_golden_curve():
    golden = json.loads(FILE.read_text())
    for got, expected in zip(curve(), golden, strict=True):
        assert got == pytest.approx(expected, rel=2e-3, abs=2e-3)


def test_it_learns_what_separates_the_classes():
    metrics = history(Trainer(config(epochs=6), training_data()))
    assert metrics[-1]["train/hard"] < 0.3 * metrics[0]["train/hard"]
    assert metrics[-1]["dev/eer_best"] <= 0.05


def test_without_a_difference_it_stays_near_chance():
    metrics = history(Trainer(config(epochs=2), training_data(strength=0.0)))
    assert 0.25 < metrics[-1]["dev/eer"] < 0.75


def test_one_seed_one_result_and_another_seed_another():
    first, again = (Trainer(config(epochs=2), training_data()) for _ in range(2))
    other = Trainer(config(epochs=2, seed=4), training_data())
    curves = [history(first), history(again), history(other)]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]
    assert_same_weights(weights(first), weights(again))


def test_a_resumed_run_equals_the_uninterrupted_one(tmp_path):
    whole = Trainer(config(epochs=4), training_data())
    expected = history(whole)
    part = Trainer(config(epochs=4), training_data())
    list(islice(part.epochs(), 2))
    part.save(tmp_path)
    torch.manual_seed(99)  # a new process has another generator state
    resumed = Trainer(config(epochs=4), training_data())
    resumed.load(tmp_path)
    assert history(resumed) == expected[2:]
    assert_same_weights(weights(whole), weights(resumed))
    assert resumed.best == whole.best
    assert_same_weights(whole.best_weights, resumed.best_weights)


def test_annealing_and_noam_advance_across_epochs_and_survive_a_resume(tmp_path):
    settings = {"optim.schedule": "noam", "optim.warmup_steps": 100, "epochs": 3}
    trainer = Trainer(config(**settings), training_data())
    rates = [m["train/learning_rate"] for m in islice(trainer.epochs(), 2)]
    assert trainer.step == 12
    trainer.save(tmp_path)
    resumed = Trainer(config(**settings), training_data())
    resumed.load(tmp_path)
    rates += [m["train/learning_rate"] for m in resumed.epochs()]
    assert resumed.step == 18
    assert rates == pytest.approx([rates[0], 2 * rates[0], 3 * rates[0]])


def test_frozen_lambda_is_another_objective_from_the_second_step_on():
    annealed = history(Trainer(config(epochs=2), training_data()))
    frozen = history(Trainer(config(epochs=2, **{"distill.lambda_schedule": "frozen"}), training_data()))
    assert annealed[1]["train/hard"] != frozen[1]["train/hard"]


def test_every_parameter_of_every_exit_is_trained():
    trainer = Trainer(config(epochs=1), training_data())
    before = {k: v.clone() for k, v in trainer.network.named_parameters()}
    history(trainer)
    unchanged = [k for k, v in trainer.network.named_parameters() if torch.equal(v, before[k])]
    assert unchanged == []
    assert sum("adapter" in k for k in before) == 6


def test_each_setting_reaches_the_training():
    base = history(Trainer(config(epochs=1), training_data()))
    changes = {
        "distill.temperature": 8.0,
        "distill.soft_weight": 2.0,
        "distill.feature_weight": 5.0,
        "distill.hard_on": "all",
        "distill.hard_loss": "cross_entropy",
        "optim.learning_rate": 1e-4,
        "batch_size": 8,
        "cuts": (1, 3),
        "network.family": "senet",
    }
    for key, value in changes.items():
        assert history(Trainer(config(epochs=1, **{key: value}), training_data())) != base, key


@pytest.mark.parametrize("cuts", [(), (2,), (1, 2, 3)])
def test_the_same_metric_keys_whatever_the_number_of_exits(cuts):
    metrics = history(Trainer(config(epochs=1, cuts=cuts), training_data()))[0]
    exits = [metrics[f"dev/eer_exit{n}"] for n in (1, 2, 3, 4)]
    assert "dev/eer_exit5" not in metrics
    assert exits[len(cuts) :] == [metrics["dev/eer"]] * (4 - len(cuts))


def test_best_epoch_is_the_lowest_dev_eer_and_its_weights_are_kept():
    trainer = Trainer(config(epochs=5), training_data(strength=1.0))
    seen = {}
    for metrics in trainer.epochs():
        stem = trainer.network.state_dict()["backbone.stem.0.weight"].clone()
        seen[trainer.epoch] = (metrics["dev/eer"], metrics["dev/loss"], stem)
    best = min(seen, key=lambda epoch: seen[epoch][:2])
    assert trainer.best.epoch == best
    assert metrics["dev/eer_best"] == seen[best][0]
    assert torch.equal(trainer.best_weights["backbone.stem.0.weight"], seen[best][2])


def test_every_utterance_is_seen_once_an_epoch_in_an_order_of_its_own():
    orders = [np.concatenate(list(shuffled_batches(50, 8, 1, epoch))) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert not np.array_equal(*orders)
    assert [len(b) for b in shuffled_batches(49, 8, 1, 0)] == [8] * 6  # a batch of one has no variance


def test_features_are_never_written():
    data = training_data()
    before = data.train.features_MFT.copy()
    data.train.features_MFT.setflags(write=False)
    history(Trainer(config(epochs=1), data))
    assert np.array_equal(before, data.train.features_MFT)


def test_a_diverging_run_says_so():
    data = training_data()
    data.train.features_MFT[5] = np.inf
    with pytest.raises(DivergenceError, match="epoch 1: the training loss is nan"):
        history(Trainer(config(), data))


def test_state_of_another_configuration_or_of_other_data_is_refused(tmp_path):
    trainer = Trainer(config(), training_data())
    trainer.save(tmp_path)
    with pytest.raises(InputError, match="another configuration"):
        Trainer(config(**{"distill.temperature": 9.0}), training_data()).load(tmp_path)
    with pytest.raises(InputError, match="another data set"):
        Trainer(config(), training_data(strength=2.0)).load(tmp_path)


@pytest.mark.parametrize("damage", ["absent", "cut", "garbage"])
def test_a_damaged_state_is_refused_in_one_line(tmp_path, damage):
    Trainer(config(), training_data()).save(tmp_path)
    file = tmp_path / "state.pt"
    data = file.read_bytes()
    file.unlink()
    if damage != "absent":
        file.write_bytes(data[: len(data) // 2] if damage == "cut" else b"\x80\x02garbage")
    with pytest.raises(InputError, match=r"state\.pt") as caught:
        Trainer(config(), training_data()).load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_full_disk_keeps_the_earlier_state(tmp_path, monkeypatch):
    trainer = Trainer(config(), training_data())
    trainer.save(tmp_path)
    before = (tmp_path / "state.pt").read_bytes()

    def full(state, stream):
        stream.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"No space left on device.*free some space"):
        trainer.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]
    assert (tmp_path / "state.pt").read_bytes() == before


def test_bfloat16_runs_close_to_float32():
    full = history(Trainer(config(epochs=1), training_data()))[0]
    half = history(Trainer(config(epochs=1, **{"runtime.precision": "bfloat16"}), training_data()))[0]
    assert half["train/loss"] == pytest.approx(full["train/loss"], rel=0.05)
    assert half["train/loss"] != full["train/loss"]
