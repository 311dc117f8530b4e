"""The weighted sum: its formula, and who receives which gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import rel_entr, softmax

from fsd_model.distillation.total_loss import DistillConfig, distill_loss, scalars_at
from fsd_model.networks.attention_resnet import build_backbone
from fsd_model.networks.multi_exit import MultiExitNetwork

LABELS = torch.tensor([0, 1, 1, 0])


@pytest.fixture
def network():
    torch.manual_seed(5)
    return MultiExitNetwork(build_backbone("ecanet", 9), (1, 2, 3))


@pytest.fixture
def outputs(network):
    return network(torch.randn(4, 45, 40))


def terms_of(config, outputs, step=1):
    return distill_loss(config, outputs, LABELS, scalars_at(config, step))


def test_total_is_the_weighted_sum_of_the_terms(outputs):
    config = DistillConfig(hard_weight=0.6, soft_weight=0.25, feature_weight=2.0)
    terms = terms_of(config, outputs)
    expected = 0.6 * terms.hard + 0.25 * terms.soft + 2.0 * terms.feature
    torch.testing.assert_close(terms.total, expected)


def test_soft_and_feature_terms_sum_over_shallow_exits_against_the_deepest(outputs):
    terms = terms_of(DistillConfig(temperature=2.0), outputs)
    logits = [o.logits_BK.detach().numpy().astype(float) for o in outputs]
    p = softmax(logits[-1] / 2, axis=1)
    soft = sum(4 * rel_entr(p, softmax(x / 2, axis=1)).sum(1).mean() for x in logits[:-1])
    deepest = outputs[-1].feature_BC.detach().numpy()
    feature = sum(np.mean((o.projected_BD.detach().numpy() - deepest) ** 2) for o in outputs[:-1])
    assert soft > 1e-3
    assert float(terms.soft.detach()) == pytest.approx(soft, rel=1e-4)
    assert float(terms.feature.detach()) == pytest.approx(feature, rel=1e-5)


@pytest.mark.parametrize(
    ("hard_on", "reached"), [("deepest", [False, False, False, True]), ("all", [True] * 4)]
)
def test_labels_reach_the_chosen_exits_only(network, outputs, hard_on, reached):
    config = DistillConfig(soft_weight=0.0, feature_weight=0.0, hard_on=hard_on)
    terms_of(config, outputs).total.backward()
    grads = [e.classifier.weight.grad for e in network.exits]
    assert [g is not None and float(g.abs().sum()) > 0 for g in grads] == reached


def test_feature_term_trains_adapters_but_not_the_deepest_segment(network, outputs):
    config = DistillConfig(hard_weight=0.0, soft_weight=0.0, feature_weight=1.0)
    terms_of(config, outputs).total.backward()
    assert all(float(e.adapter.weight.grad.abs().sum()) > 0 for e in network.exits[:-1])
    deepest = [p.grad for p in network.backbone.blocks[3].parameters()]
    assert all(g is None or float(g.abs().sum()) == 0 for g in deepest)


def test_a_plain_network_has_the_hard_loss_alone():
    network = MultiExitNetwork(build_backbone("ecanet", 9), ())
    terms = terms_of(DistillConfig(hard_weight=1.0), network(torch.randn(4, 45, 40)))
    assert float(terms.soft) == float(terms.feature) == 0
    torch.testing.assert_close(terms.total, terms.hard)


def test_plain_cross_entropy_and_margin_differ_only_by_the_margin(outputs):
    plain = terms_of(DistillConfig(hard_loss="cross_entropy"), outputs)
    early = terms_of(DistillConfig(), outputs)
    late = terms_of(DistillConfig(), outputs, 5000)
    expected = torch.nn.functional.cross_entropy(outputs[-1].logits_BK, LABELS)
    torch.testing.assert_close(plain.hard, expected)
    assert float(plain.hard.detach()) < float(early.hard.detach()) < float(late.hard.detach())


def test_hard_loss_on_all_is_the_sum_over_exits(outputs):
    terms = terms_of(DistillConfig(hard_on="all", hard_loss="cross_entropy"), outputs)
    losses = [torch.nn.functional.cross_entropy(o.logits_BK.detach(), LABELS) for o in outputs]
    assert float(terms.hard.detach()) == pytest.approx(float(sum(losses)), rel=1e-6)


def test_the_removed_scale_balance_is_refused_by_name_and_its_default_read():
    assert DistillConfig.model_validate({"scale_balance": False}) == DistillConfig()
    with pytest.raises(ValidationError, match=r"distill\.scale_balance: is no longer a setting"):
        DistillConfig.model_validate({"scale_balance": True})
