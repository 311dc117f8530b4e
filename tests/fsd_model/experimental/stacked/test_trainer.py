"""Stacked training: every step's losses and every metric are those of trainers of their own.

In float64 the two agree to the last digits over any number of epochs, which shows that they compute the same.
In float32 two orders of summation drift apart as training goes on, as those of one trainer in two memory
layouts do.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fsd_model.augmentation.config import AugmentConfig, NoiseConfig
from fsd_model.augmentation.pipeline import Augmentation
from fsd_model.errors import InputError
from fsd_model.experimental.stacked.epoch import StackedEpoch
from fsd_model.experimental.stacked.trainer import StackedTrainer
from fsd_model.features.front_end import FeatureConfig
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import TrainingData, open_training_data, shuffled_batches
from fsd_model.training.epoch_metrics import DivergenceError
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.synthetic import config, feature_set, reproducible, training_data

SCALARS = (
    {"seed": 1, "distill.temperature": 2.0, "optim.learning_rate": 1e-3},
    {"seed": 2, "distill.soft_weight": 1.0, "optim.weight_decay": 1e-2},
    {"seed": 3, "distill.feature_weight": 2.0, "distill.hard_weight": 0.3, "optim.schedule": "noam"},
)
OBJECTIVES = {
    "default": {},
    "all exits, map loss": {
        "distill.hard_on": "all", "distill.soft": "margin_kl", "distill.feature": "attention_transfer",
        "distill.exit_weights": "deeper",
    },
    "ensemble, schedules": {
        "distill.teacher": "ensemble", "distill.soft": "js", "distill.feature": "cosine",
        "distill.temperature_schedule": "cosine", "distill.ramp": 0.5, "distill.adapter": "conv",
        "network.family": "senet",
    },
    "nothing distilled": {"distill.soft": "none", "distill.feature": "none"},
}  # fmt: skip


@pytest.fixture
def exact(monkeypatch):
    """Everything in float64, without the figures that are measured on the machine."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    monkeypatch.setattr(
        "fsd_model.training.trainer.deployed_metrics", lambda *given: {"deployed/parameters": 1.0}
    )
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def trainers(count=3, epochs=2, data=None, **common):
    data = data or TrainingData(feature_set(48, 1), feature_set(18, 2), digest="synthetic")
    return [Trainer(config(epochs=epochs, **{**common, **own}), data) for own in SCALARS[:count]]


def alone(made):
    return [[reproducible(metrics) for metrics in trainer.epochs()] for trainer in made]


@cache
def three_epochs_alone():
    """Of the default objective, in float64: each as long as nothing stops it."""
    return alone(trainers(epochs=3))


def histories(stack):
    told = {number: [] for number in stack.members}
    for epoch in stack.epochs():
        for number, metrics in epoch.items():
            told.setdefault(number, []).append(reproducible(metrics))
    return [told[number] for number in sorted(told)]


def assert_same(ours, theirs, rel=1e-9):
    assert [len(each) for each in ours] == [len(each) for each in theirs]
    for own, expected in zip(ours, theirs, strict=True):
        for metrics, reference in zip(own, expected, strict=True):
            assert metrics == pytest.approx(reference, rel=rel, abs=rel)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_metric_of_every_member_is_that_of_a_trainer_of_its_own(exact, objective):
    common = OBJECTIVES[objective]
    made = trainers(**common)
    assert_same(histories(StackedTrainer(made)), alone(expected := trainers(**common)))
    for ours, theirs in zip(made, expected, strict=True):
        assert ours.best == pytest.approx(theirs.best) or ours.best.epoch == theirs.best.epoch
        for name, value in theirs.network.state_dict().items():
            torch.testing.assert_close(ours.network.state_dict()[name], value)


def steps_alone(trainer):
    trainer.network.train()
    orders = shuffled_batches(len(trainer.data.train.labels_N), 8, trainer.config.seed, 0)
    terms = [trainer.train_step(rows_B) for rows_B in orders]
    return np.array([[float(t.total), float(t.hard), float(t.soft), float(t.feature)] for t in terms])


def steps_stacked(made):
    epoch = StackedEpoch(made)
    epoch.network.train()
    count = len(made[0].data.train.labels_N)
    orders = [list(shuffled_batches(count, 8, trainer.config.seed, 0)) for trainer in made]
    return np.array([epoch.step(np.stack(rows)).numpy() for rows in zip(*orders, strict=True)])


@pytest.fixture(scope="module")
def speech(tiny_corpus, tmp_path_factory):
    """Two configurations and their data, of real audio."""
    settings = {
        "data": {"root": str(tiny_corpus)}, "network": {"depth": 9}, "batch_size": 8, "epochs": 2,
        "optim": {"schedule": "constant", "learning_rate": 1e-4},
        "runtime": {"store": str(tmp_path_factory.mktemp("store"))},
    }  # fmt: skip
    base = TrainConfig.model_validate(settings)
    own = ({"seed": 1, "distill.temperature": 2.0}, {"seed": 2, "optim.learning_rate": 3e-4})
    return [base.override(each) for each in own], open_training_data(base)


def test_the_losses_of_every_step_on_real_audio(speech):
    configs, data = speech
    made, twins = ([Trainer(each, data) for each in configs] for _ in range(2))
    together = steps_stacked(made)
    for number, twin in enumerate(twins):
        expected = steps_alone(twin)
        assert len(expected) > 3
        np.testing.assert_allclose(together[:3, number], expected[:3], rtol=1e-5, atol=1e-5)
        # AMSGrad makes much of the last bit of a small gradient, in another way on another processor
        np.testing.assert_allclose(together[:, number], expected, rtol=1e-2, atol=1e-2)


def test_two_epochs_on_real_audio(exact, speech):
    configs, whole = speech
    train, dev = (part.select(np.arange(0, len(part.labels_N), 2)) for part in (whole.train, whole.dev))
    data = replace(whole, train=train, dev=dev)
    made, twins = ([Trainer(each, data) for each in configs] for _ in range(2))
    assert_same(histories(StackedTrainer(made)), alone(twins))
    for ours, theirs in zip(made, twins, strict=True):
        assert ours.best.scores_NE == pytest.approx(theirs.best.scores_NE, rel=1e-9)


@pytest.mark.slow
def test_whoever_leaves_changes_nothing_for_the_others_and_can_go_on_alone(exact):
    expected = three_epochs_alone()
    stack = StackedTrainer(trainers(epochs=3))
    told, left = [[], [], []], {}
    for epoch in stack.epochs():
        for number, metrics in epoch.items():
            told[number].append(reproducible(metrics))
        if 0 in epoch:
            left[0] = stack.leave(0)
        elif 2 in epoch:
            left[2] = stack.leave(2)
    assert [len(each) for each in told] == [1, 3, 2]
    for number, trainer in left.items():
        told[number] += alone([trainer])[0]
    assert_same(told, expected)


@pytest.mark.slow
def test_a_state_of_a_stack_is_one_of_a_single_trial_and_the_other_way_round(exact, tmp_path):
    expected = three_epochs_alone()
    made = trainers(epochs=3)
    next(StackedTrainer(made).epochs())
    made[0].save(tmp_path / "stacked")
    single = trainers(epochs=3)[0]
    single.load(tmp_path / "stacked")
    assert_same(alone([single]), [expected[0][1:]])

    single = trainers(epochs=3)[1]
    list(islice(single.epochs(), 2))
    single.save(tmp_path / "single")
    made = trainers(epochs=3)
    made[1].load(tmp_path / "single")
    assert_same(histories(StackedTrainer(made)), [expected[0], expected[1][2:], expected[2]])


def test_a_member_that_diverges_leaves_alone(exact):
    expected = three_epochs_alone()
    made = trainers()
    with torch.no_grad():
        made[1].network.classifiers[-1].weight[0, 0] = torch.nan
    stack = StackedTrainer(made)
    first, second = stack.epochs()
    assert isinstance(first[1], DivergenceError)
    assert "epoch 1: the training loss is nan" in str(first[1])
    assert list(second) == [0, 2]
    told = [[reproducible(epoch[number]) for epoch in (first, second)] for number in (0, 2)]
    assert_same(told, [expected[0][:2], expected[2][:2]])


SCHEDULED = {
    "distill.temperature_schedule": "cosine", "distill.ramp": 0.6, "optim.schedule": "noam",
    "optim.warmup_steps": 4,
}  # fmt: skip
"""Everything that depends on the update, with a lambda that is annealed."""


def scheduled(number, **changes):
    return trainers(number + 1, epochs=4, **SCHEDULED, **changes)[number]


def test_members_at_different_updates_train_together(exact, tmp_path):
    early = scheduled(1)
    list(islice(early.epochs(), 3))
    early.save(tmp_path)
    resumed = scheduled(1)
    resumed.load(tmp_path)
    expected = alone([scheduled(0), early, scheduled(2)])
    stack = StackedTrainer([scheduled(0), resumed, scheduled(2)])
    told = histories(stack)
    assert [len(each) for each in told] == [4, 1, 4]
    assert_same(told, expected)
    assert stack.members == {}


def differing():
    return [scheduled(0), scheduled(1), scheduled(2, **{"distill.lambda_schedule": "frozen"})]


@pytest.mark.slow
def test_who_joins_at_any_epoch_is_trained_as_alone(exact):
    first, second, third = made = differing()
    twins = differing()
    stack = StackedTrainer([first])
    after = {1: second, 4: third}  # by then the first has done all its epochs
    told = {number: [] for number in range(3)}
    for count, epoch in enumerate(stack.epochs(), 1):
        for number, metrics in epoch.items():
            told[number].append(reproducible(metrics))
        if count in after:
            assert after[count] is made[stack.join(after[count])]
    assert count == 8
    assert_same(list(told.values()), alone(twins))
    for ours, theirs in zip(made, twins, strict=True):
        assert ours.step == theirs.step
        steps = [each["step"] for each in ours.optimiser.state_dict()["state"].values()]
        assert set(map(float, steps)) == {float(theirs.step)}


def test_augmented_data_that_is_shared_is_drawn_for_each_members_own_epoch():
    drawn = []

    class Draws(Augmentation):
        def batch(self, clean_BFT, names_B, epoch):
            drawn.append(epoch)
            return clean_BFT + epoch

    augmentation = Draws(
        AugmentConfig(two_view=True, noise=NoiseConfig(probability=1)), FeatureConfig(), seed=0
    )
    data = replace(TrainingData(feature_set(32, 1), feature_set(18, 2), "drawn"), augmentation=augmentation)
    ahead, twin = (trainers(1, data=data)[0] for _ in range(2))
    for each in (ahead, twin):
        next(each.epochs())
    drawn.clear()
    told = next(StackedTrainer([ahead, trainers(2, data=data)[1]]).epochs())
    assert drawn == [1, 0, 1, 0]
    for number, single in enumerate((twin, trainers(2, data=data)[1])):
        expected = next(single.epochs())["train/loss"]
        assert told[number]["train/loss"] == pytest.approx(expected, rel=1e-2)


def test_epochs_may_differ(exact):
    made, twins = (
        [trainers(number + 1, epochs=epochs, **SCHEDULED)[number] for number, epochs in enumerate((1, 3, 2))]
        for _ in range(2)
    )
    assert_same(histories(StackedTrainer(made)), alone(twins))


class Operators(TorchDispatchMode):
    """Counts what is computed, as a GPU would be sent it."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def operators_of_an_update(count):
    epoch = StackedEpoch(trainers(count))
    rows_KB = np.stack([np.arange(number, number + 8) for number in range(count)])
    epoch.step(rows_KB)
    with Operators() as operators:
        epoch.step(rows_KB)
    return operators.count


def test_an_update_of_more_members_is_as_many_operators():
    assert operators_of_an_update(3) == operators_of_an_update(2)


def test_bfloat16_runs_close_to_separate_trainers():
    common = {"runtime.precision": "bfloat16", "epochs": 1, "count": 2}
    ours, theirs = histories(StackedTrainer(trainers(**common))), alone(trainers(**common))
    for own, expected in zip(ours, theirs, strict=True):
        assert own[0]["train/loss"] == pytest.approx(expected[0]["train/loss"], rel=0.02)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"distill.teacher": "ema"}, "teacher: ema cannot be stacked"),
        ({"runtime.micro_batch": 4}, "runtime.micro_batch cannot be stacked"),
    ],
)
def test_what_cannot_be_stacked_is_refused_in_one_line(settings, rule):
    with pytest.raises(InputError, match=rule) as caught:
        StackedTrainer(trainers(**settings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("unlike", [{"batch_size": 8}, {"data": training_data()}, {"network.depth": 18}])
def test_members_of_unlike_trainings_are_refused(unlike):
    with pytest.raises(InputError, match="must be the same in a stack"):
        StackedTrainer([*trainers(1), *trainers(1, **unlike)])


def test_members_of_unlike_objectives_are_refused():
    with pytest.raises(InputError, match="a stack may differ in hard_weight"):
        StackedTrainer([*trainers(1), *trainers(1, **{"distill.hard_on": "all"})])


def test_who_joins_must_be_like_those_that_have_left():
    stack = StackedTrainer(trainers(1))
    stack.leave(0)
    with pytest.raises(InputError, match="batch_size: must be the same in a stack"):
        stack.join(trainers(1, batch_size=8)[0])
    assert stack.members == {}
    assert stack.join(trainers(1)[0]) == 1
