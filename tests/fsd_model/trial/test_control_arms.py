"""Control arms: each differs from the configuration by its part alone, and the baseline distils nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fsd_model.errors import InputError
from fsd_model.training.config import TrainConfig
from fsd_model.training.trainer import Trainer
from fsd_model.trial.control_arms import arms, reseeded
from tests.fsd_model.support.synthetic import config, training_data


def plain(**changes: Any) -> dict[str, Any]:
    return config(**changes).model_dump()


def in_arm(name: str, **changes: Any) -> TrainConfig:
    return config(**changes).override(arms(plain(**changes))[name])


def test_the_arms_are_those_of_the_method_the_baseline_first() -> None:
    assert list(arms(plain())) == ["baseline", "deep supervision", "soft only", "feature only", "both"]
    assert in_arm("both", seed=9) == config(seed=9)
    assert in_arm("baseline").resolved_cuts == ()


@pytest.mark.parametrize("changes", [{}, {"distill.teacher": "ema"}, {"distill.teacher": "ensemble"}])
@pytest.mark.parametrize(
    ("name", "exits", "soft", "feature"),
    [
        ("baseline", 1, False, False),
        ("deep supervision", 4, False, False),
        ("soft only", 4, True, False),
        ("feature only", 4, False, True),
        ("both", 4, True, True),
    ],
)
def test_only_the_named_loss_reaches_the_network(
    name: str, exits: int, soft: bool, feature: bool, changes: dict[str, Any]
) -> None:
    chosen = in_arm(name, **changes)
    trainer = Trainer(chosen, training_data())
    assert len(trainer.network.exits) == exits
    terms = trainer.train_step(torch.arange(16).numpy())
    weights = chosen.distill
    expected = weights.hard_weight * terms.hard
    expected = expected + (weights.soft_weight * terms.soft if soft else 0)
    expected = expected + (weights.feature_weight * terms.feature if feature else 0)
    torch.testing.assert_close(terms.total, expected)


def test_the_segments_of_all_arms_start_alike() -> None:
    states = [Trainer(in_arm(name), training_data()).network.backbone.state_dict() for name in arms(plain())]
    for state in states[1:]:
        assert all(torch.equal(state[key], states[0][key]) for key in state)


def test_a_configuration_of_one_loss_has_no_other_arm() -> None:
    assert list(arms(plain(**{"distill.soft": "none"}))) == ["baseline", "deep supervision", "feature only"]
    weightless = {"distill.feature_weight": 0.0}
    assert list(arms(plain(**weightless))) == ["baseline", "deep supervision", "soft only"]


def test_nothing_to_take_away_is_an_error() -> None:
    with pytest.raises(InputError, match="needs a network that is cut"):
        arms(plain(cuts=[]))
    with pytest.raises(InputError, match="needs a soft or a feature loss"):
        arms(plain(**{"distill.soft": "none", "distill.feature": "none"}))


def test_the_seed_that_the_search_used_is_left_out() -> None:
    assert list(reseeded(plain(seed=1), 3)) == [2, 3, 4]
    assert list(reseeded(plain(seed=3), 3)) == [1, 2, 4]
    assert list(reseeded(plain(seed=9), 3)) == [1, 2, 3]
    assert config().override(reseeded(plain(seed=1), 2)[2]) == config(seed=2)
