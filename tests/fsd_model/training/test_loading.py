"""A state of another configuration: refused, unless the trial was moved to it (population based training)."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from fsd_model.errors import InputError
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.synthetic import config, reproducible, training_data


def trainer(changes):
    return Trainer(config(epochs=3).override(changes), training_data())


@pytest.fixture
def donor(tmp_path):
    own = trainer({})
    list(islice(own.epochs(), 1))
    own.save(tmp_path / "state")
    return own, tmp_path / "state"


def test_the_state_of_other_settings_is_refused(donor):
    with pytest.raises(InputError, match="was saved with another configuration"):
        trainer({"distill.temperature": 7.0}).load(donor[1])


def test_a_moved_trial_has_the_donor_s_weights_and_its_own_settings(donor):
    own, folder = donor
    taker = trainer({"distill.temperature": 7.0, "optim.weight_decay": 0.125})
    taker.load(folder, cloned=True)
    assert taker.epoch == 1
    theirs = own.network.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in taker.network.state_dict().items())
    assert {group["weight_decay"] for group in taker.optimiser.param_groups} == {0.125}
    assert [len(list(each.epochs())) for each in (taker, own)] == [2, 2]
    assert taker.best is not None


def test_a_move_to_the_same_settings_is_a_resume(donor):
    own, folder = donor
    same = trainer({})
    same.load(folder, cloned=True)
    curves = [[reproducible(metrics) for metrics in each.epochs()] for each in (own, same)]
    assert curves[0] == curves[1]


def test_another_form_of_network_cannot_be_taken_over(donor):
    with pytest.raises(InputError, match="another form; search neither cuts"):
        trainer({"cuts": [1]}).load(donor[1], cloned=True)


def test_other_data_are_refused_all_the_same(donor):
    other = Trainer(config(epochs=3), training_data(strength=0.5))
    with pytest.raises(InputError, match="was saved with another data set"):
        other.load(donor[1], cloned=True)
