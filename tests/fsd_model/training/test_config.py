"""Settings: typed, bounded, named when wrong; the fingerprint identifies a run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from fsd_model.training.config import TrainConfig

BASE = {"data": {"root": "corpus"}}


def make(**changes):
    return TrainConfig.model_validate({**BASE, **changes})


def test_defaults_are_the_published_method_s():
    config = make()
    assert (config.distill.hard_weight, config.distill.soft_weight, config.distill.feature_weight) == (
        0.7,
        0.3,
        0.3,
    )
    assert (config.distill.temperature, config.distill.hard_on, config.batch_size, config.epochs) == (
        3.0,
        "deepest",
        64,
        32,
    )
    assert config.resolved_cuts == (2, 4, 6)
    assert make(network={"depth": 34}).resolved_cuts == (3, 7, 13)
    assert make(cuts=[]).resolved_cuts == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"distil": {}}, "unknown key `distil`; did you mean `distill`"),
        ({"distill": {"temprature": 2.0}}, "unknown key `temprature`; did you mean `temperature`"),
        ({"distill": {"temperature": "3"}}, "temperature"),
        ({"distill": {"temperature": math.nan}}, "temperature"),
        ({"distill": {"soft_weight": -0.1}}, "soft_weight"),
        ({"batch_size": True}, "batch_size"),
        ({"network": {"depth": 19}}, "depth"),
        ({"cuts": [1, 8]}, "cuts: 8 is outside the network, which has 8 blocks; legal cuts are 1 to 7"),
        ({"cuts": [True]}, "cuts"),
        ({"cuts": [1.0]}, "cuts"),
        ({"optim": {"learning_rate": 0}}, "learning_rate"),
        ({"data": {"root": "x", "track": "XX"}}, "track"),
    ],
)
def test_wrong_settings_are_named(changes, words):
    with pytest.raises(ValidationError, match=words):
        make(**changes)


def test_override_replaces_dotted_keys_and_checks_them():
    config = make().override({"distill.temperature": 5.0, "cuts": [1, 2]})
    assert (config.distill.temperature, config.resolved_cuts) == (5.0, (1, 2))
    assert config.distill.soft_weight == 0.3
    with pytest.raises(ValidationError, match="did you mean `temperature`"):
        make().override({"distill.temperatur": 5.0})


def test_fingerprint_ignores_where_and_how_it_runs():
    base = make()
    same = [
        {"data.root": Path("elsewhere")},
        {"runtime.threads": 4},
        {"runtime.device": "cpu"},
        {"cuts": [2, 4, 6]},
    ]
    assert {base.override(change).fingerprint() for change in same} == {base.fingerprint()}


def test_fingerprint_changes_with_everything_else():
    base = make()
    other = [
        {"seed": 2},
        {"epochs": 5},
        {"cuts": [1]},
        {"distill.temperature": 4.0},
        {"feature.pad": "reflect"},
        {"data.track": "PA"},
        {"network.family": "senet"},
        {"optim.warmup_steps": 10},
    ]
    prints = {base.override(change).fingerprint() for change in other} | {base.fingerprint()}
    assert len(prints) == len(other) + 1


def test_a_built_in_network_refuses_the_waveform() -> None:
    with pytest.raises(ValidationError, match="ecanet needs a spectrogram, got waveform"):
        TrainConfig.model_validate({"data": {"root": "x"}, "feature": {"kind": "waveform"}})
