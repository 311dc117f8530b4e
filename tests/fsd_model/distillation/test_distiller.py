"""The objective as trained: every setting counts, two views, stateful parts that survive a resume."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from torch.nn import functional

from fsd_model.distillation.distiller import Distiller
from fsd_model.distillation.total_loss import DistillConfig
from fsd_model.errors import InputError
from fsd_model.features.feature_set import Batch
from fsd_model.networks.attention_resnet import Backbone, build_backbone
from fsd_model.networks.exits import MapShape
from fsd_model.networks.multi_exit import MultiExitNetwork
from fsd_model.training.data import TrainingData, shuffled_batches, updates_per_epoch
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.synthetic import config, training_data
from tests.fsd_model.training.test_trainer import history

LABELS = torch.tensor([0, 1, 1, 0, 0, 1])
X = torch.randn(6, 45, 40, generator=torch.Generator().manual_seed(1))
NOISY = X + torch.randn(6, 45, 40, generator=torch.Generator().manual_seed(2))

EVERYTHING = {
    "distill.teacher": "ema",
    "distill.ema_decay": 0.9,
    "distill.soft": "js",
    "distill.feature": "cosine",
    "distill.adapter": "conv",
    "distill.temperature_schedule": "cosine",
    "distill.exit_weights": "deeper",
    "distill.ramp": 0.5,
}

# field -> (a value, another, what must hold beside it)
CONTRASTS = {
    "hard_weight": (0.7, 1.4, {}),
    "soft_weight": (0.3, 0.6, {}),
    "feature_weight": (0.3, 0.6, {}),
    "temperature": (3.0, 5.0, {}),
    "temperature_schedule": ("linear", "cosine", {}),
    "temperature_end": (1.0, 9.0, {"temperature_schedule": "linear"}),
    "hard_loss": ("a_softmax", "cross_entropy", {}),
    "hard_on": ("deepest", "all", {}),
    "lambda_schedule": ("annealed", "frozen", {}),
    "soft": ("kl", "js", {}),
    "feature": ("attention_transfer", "similarity_preserving", {}),
    "adapter": ("linear", "pool", {}),
    "teacher": ("deepest", "ensemble", {}),
    "ema_decay": (0.1, 0.4, {"teacher": "ema"}),
    "exit_weights": ("deeper", "shallower", {}),
    "ramp": (0.0, 0.9, {}),
}


def build(seed=5, cuts=(1, 2, 3), **settings):
    torch.manual_seed(seed)
    objective = DistillConfig(**settings)
    network = MultiExitNetwork(build_backbone("ecanet", 9), cuts, objective.needed_adapter)
    return network, Distiller(objective, network, updates=8, half=False)


def trace(updates=4, **settings):
    """Loss of each of some updates by plain gradient descent."""
    network, distiller = build(**settings)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05)
    totals = []
    for number in range(1, updates + 1):
        terms = distiller.loss(Batch(X, LABELS), distiller.scalars(number))
        optimiser.zero_grad()
        terms.total.backward()
        optimiser.step()
        distiller.after_update()
        totals.append(float(terms.total.detach()))
    return totals


def test_every_field_has_a_contrast():
    assert set(CONTRASTS) == set(DistillConfig.model_fields)


@pytest.mark.parametrize("field", CONTRASTS)
def test_every_field_reaches_the_training(field):
    one, other, beside = CONTRASTS[field]
    assert trace(**{field: one}, **beside) != pytest.approx(trace(**{field: other}, **beside), rel=1e-5)


@pytest.mark.parametrize("part", ["soft", "feature"])
def test_none_leaves_a_term_out(part):
    _, distiller = build(**{part: "none"}, hard_weight=0.0)
    terms = distiller.loss(Batch(X, LABELS), distiller.scalars(1))
    assert float(getattr(terms, part).detach()) == 0
    assert float(terms.total.detach()) > 0


@pytest.mark.parametrize(
    ("settings", "reached"),
    [
        ({"teacher": "deepest"}, [True, True, True, False]),
        ({"teacher": "ensemble"}, [True] * 4),
        ({"teacher": "ema", "ema_decay": 0.5}, [True] * 4),
        ({"teacher": "deepest", "exit_weights": (0.0, 1.0, 0.0)}, [False, True, False, False]),
    ],
)
def test_the_soft_loss_reaches_the_learners_alone(settings, reached):
    network, distiller = build(hard_weight=0.0, feature_weight=0.0, **settings)
    with torch.no_grad():  # the average stays behind
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    distiller.loss(Batch(X, LABELS), distiller.scalars(1)).total.backward()
    grads = [each.classifier.weight.grad for each in network.exits]
    assert [g is not None and float(g.abs().sum()) > 1e-6 for g in grads] == reached


@pytest.mark.parametrize("feature", ["cosine", "attention_transfer", "similarity_preserving"])
def test_a_feature_loss_moves_the_shallow_segments_and_not_the_deepest(feature):
    network, distiller = build(hard_weight=0.0, soft_weight=0.0, feature=feature)
    distiller.loss(Batch(X, LABELS), distiller.scalars(1)).total.backward()
    norms = [
        sum(0.0 if p.grad is None else float(p.grad.abs().sum()) for p in block.parameters())
        for block in network.backbone.blocks
    ]
    assert [norm > 0 for norm in norms] == [True, True, True, False]


def test_a_moving_average_without_memory_equals_the_deepest_teacher():
    assert trace(teacher="ema", ema_decay=0.0) == pytest.approx(trace(teacher="deepest"), rel=1e-5)


def test_the_trainer_moves_the_average_after_each_update():
    memoryless = {"distill.teacher": "ema", "distill.ema_decay": 0.0}
    ema, deepest = (history(Trainer(config(epochs=1, **c), training_data())) for c in (memoryless, {}))
    for term in ("train/soft", "train/feature"):
        assert ema[0][term] == pytest.approx(deepest[0][term], rel=1e-3)


def test_schedules_span_the_whole_training():
    trainer = Trainer(config(epochs=2), training_data())
    history(trainer)
    assert trainer.distiller.updates == trainer.step == 12


@pytest.mark.parametrize("term", ["soft", "feature"])
def test_exit_weights_count_in_both_sums(term):
    def value(*weights):
        _, distiller = build(exit_weights=weights)
        return float(getattr(distiller.loss(Batch(X, LABELS), distiller.scalars(1)), term).detach())

    parts = [value(1.0, 0.0, 0.0), value(0.0, 1.0, 0.0), value(0.0, 0.0, 1.0)]
    assert value(0.5, 2.0, 3.0) == pytest.approx(0.5 * parts[0] + 2 * parts[1] + 3 * parts[2], rel=1e-5)


def test_a_moving_average_teaches_a_plain_network_too():
    totals = trace(cuts=(), teacher="ema", hard_weight=0.0, feature_weight=0.0)
    assert totals == pytest.approx([0, 0, 0, 0], abs=1e-6)  # nothing moves, nothing to learn
    _, distiller = build(cuts=(), teacher="ema", hard_weight=0.0)
    with torch.no_grad():
        distiller.network.exits[0].classifier.weight += 0.5
    assert float(distiller.loss(Batch(X, LABELS), distiller.scalars(1)).total.detach()) > 1e-3


def test_the_ramp_and_the_temperature_follow_the_updates():
    _, distiller = build(ramp=0.5, temperature_schedule="linear", temperature=4.0, temperature_end=1.0)
    _, plain = build(temperature=4.0 - 3 * 2 / 7)
    ramped, expected = (
        distiller.loss(Batch(X, LABELS), distiller.scalars(3)),
        plain.loss(Batch(X, LABELS), plain.scalars(3)),
    )
    torch.testing.assert_close(ramped.soft, expected.soft)
    share = (2 / 7) / 0.5
    total = 0.7 * expected.hard + share * 0.3 * (expected.soft + expected.feature)
    torch.testing.assert_close(ramped.total, total)


def test_two_equal_views_change_nothing():
    for settings in ({}, {"teacher": "ensemble", "soft": "margin_kl"}, {"feature": "attention_transfer"}):
        _, distiller = build(**settings)
        one, two = (
            distiller.loss(Batch(X, LABELS), distiller.scalars(1)),
            distiller.loss(Batch(X, LABELS, X), distiller.scalars(1)),
        )
        torch.testing.assert_close(two.hard, one.hard, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(two.soft, one.soft, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(two.feature, one.feature, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("teacher", ["deepest", "ema"])
def test_the_clean_view_teaches_and_the_noisy_one_learns(teacher):
    network, distiller = build(teacher=teacher, hard_loss="cross_entropy", temperature=2.0)
    clean_in_training_mode = network(X)[-1].logits_BK.detach()
    network.eval()  # so that the halves of a batch do not meet in the batch statistics
    terms = distiller.loss(Batch(NOISY, LABELS, X), distiller.scalars(1))
    noisy, clean = network(NOISY), network(X)
    both = (functional.cross_entropy(o[-1].logits_BK, LABELS) for o in (noisy, clean))
    torch.testing.assert_close(terms.hard, sum(both) / 2)
    p = torch.softmax((clean[-1].logits_BK if teacher == "deepest" else clean_in_training_mode) / 2, 1)
    q = [torch.softmax(o.logits_BK / 2, 1) for o in noisy]  # the deepest learns as well
    soft = sum(4 * (p * (p / each).log()).sum(1).mean() for each in q)
    torch.testing.assert_close(terms.soft, soft, rtol=1e-4, atol=1e-6)


def test_the_teacher_s_view_gets_no_gradient_from_distillation():
    network, distiller = build(hard_weight=0.0)
    network.eval()
    clean = X.clone().requires_grad_()
    noisy = NOISY.clone().requires_grad_()
    distiller.loss(Batch(noisy, LABELS, clean), distiller.scalars(1)).total.backward()
    assert float(clean.grad.abs().sum()) == 0
    assert float(noisy.grad.abs().sum()) > 0


class NoisyData(TrainingData):
    """Two views: noise drawn from (epoch, rows) on one of them."""

    def train_batch(self, rows_B, epoch, device):
        clean = super().train_batch(rows_B, epoch, device)
        generator = torch.Generator().manual_seed(1000 * epoch + int(rows_B[0]))
        noise = torch.randn(clean.features_BFT.shape, generator=generator)
        return Batch(clean.features_BFT + noise, clean.labels_B, clean.features_BFT)


@pytest.mark.parametrize("data", [TrainingData, NoisyData])
def test_a_resumed_run_with_every_stateful_part_equals_the_uninterrupted_one(tmp_path, data):
    def make():
        kept = training_data()
        train = kept.train.select(np.arange(48))
        return Trainer(config(epochs=4, **EVERYTHING), data(train, kept.dev, kept.digest))

    whole, part = make(), make()
    expected = history(whole)
    list(islice(part.epochs(), 2))
    part.save(tmp_path)
    torch.manual_seed(99)
    resumed = make()
    resumed.load(tmp_path)
    assert history(resumed) == expected[2:]
    ours, theirs = whole.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert expected[-1]["train/hard"] < expected[0]["train/hard"]


def test_a_checkpoint_holds_the_parts_in_use_and_no_others(tmp_path):
    def kept(**changes):
        return set(Trainer(config(**changes), training_data()).distiller.state_dict())

    assert kept() == kept(**{"distill.teacher": "ensemble", "distill.ramp": 0.5}) == set()
    assert kept(**EVERYTHING) == {"average"}
    Trainer(config(), training_data()).save(tmp_path)
    assert "distiller" not in torch.load(tmp_path / "state.pt", weights_only=True)


@pytest.mark.parametrize(("count", "size"), [(96, 16), (97, 16), (98, 16), (3, 8), (2, 2)])
def test_schedules_end_with_the_last_batch(count, size):
    assert updates_per_epoch(count, size) == len(list(shuffled_batches(count, size, 1, 0)))


def test_spatial_attention_is_refused_before_training_where_there_is_no_axis():
    blocks = [torch.nn.Linear(12, 5), torch.nn.Linear(5, 7)]
    backbone = Backbone(torch.nn.Flatten(), blocks, [MapShape(5, 0), MapShape(7, 0)], [1, 2])
    with pytest.raises(InputError, match=r"attention_transfer .* got \[0, 0\]"):
        Distiller(DistillConfig(feature="attention_transfer"), MultiExitNetwork(backbone, (1,)), 1, False)
