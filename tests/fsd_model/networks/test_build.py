"""A custom network from the setting to the exported detector."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from fsd_model import trial
from fsd_model.cli import app
from fsd_model.detector.detector import Detector
from fsd_model.detector.files import read_card, write_card
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig
from fsd_model.networks.attention_resnet import Backbone, NetworkConfig
from fsd_model.networks.build import NetworkFactory, build_network, read_network, usual_cuts
from fsd_model.networks.cut_table import cut_table
from fsd_model.networks.exits import bonafide_score
from fsd_model.networks.multi_exit import MultiExitNetwork, deploy
from fsd_model.training.config import TrainConfig
from fsd_model.training.export import export_detector
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.custom_networks import HERE
from tests.fsd_model.support.synthetic import config, training_data

FEATURE = FeatureConfig()
FACTORIES = ["plain_cnn", "raw_residual", "wav2vec"]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)  # as in training; more of them are slower on maps this small


def own(name: str, **options: object) -> NetworkFactory:
    return NetworkFactory(factory=f"{HERE}:{name}", options=options)


def own_config(name: str, **changes: object) -> TrainConfig:
    return config(network={"factory": f"{HERE}:{name}"}, epochs=1, **changes)


def test_a_network_is_a_mapping_or_a_name():
    assert read_network({"depth": 34}) == NetworkConfig(depth=34)
    assert read_network(f"{HERE}:plain_cnn") == own("plain_cnn")
    settings = {"data": {"root": "x"}, "network": {"factory": "a.b:c", "options": {"width": 3}}}
    made = TrainConfig.model_validate(settings)
    assert made.network == NetworkFactory(factory="a.b:c", options={"width": 3})
    assert TrainConfig.model_validate_json(made.model_dump_json()) == made
    assert made.override({"network.options.width": 5}).network.options == {"width": 5}


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"depht": 18}, "unknown key `depht`; did you mean `depth`"),
        ({"factory": "a:b", "width": 3}, "unknown key `width`"),
        ({"factory": 3}, "network.factory"),
        (
            "ecanet18",
            "must name a factory or a built-in network, got `ecanet18`; write `package.module:factory`",
        ),
        (18, "got `18`"),
        ({"depth": 19}, "network.depth"),
    ],
)
def test_another_network_is_refused_with_its_place(network, words):
    with pytest.raises(ValidationError, match=words) as caught:
        TrainConfig.model_validate({"data": {"root": "x"}, "network": network})
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (NetworkFactory(factory="nowhere.at_all:make"), "cannot import `nowhere.at_all`"),
        (own("nothing"), "has no function `nothing`"),
        (own("plain_cnn", widht=3), "options: got an unexpected keyword argument 'widht'; it takes (width"),
        (own("no_module"), "must return an nn.Module, got dict"),
        (own("broken"), "the factory fails with RuntimeError: no weights here"),
        (own("plain_cnn", width=-1), "the factory fails"),
    ],
)
def test_a_factory_that_cannot_work_is_named_in_one_line(network, words):
    with pytest.raises(InputError) as caught:
        build_network(network, FEATURE)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_beside_the_study_is_found(tmp_path, monkeypatch):
    layers = "nn.Conv1d(45, 4, 3), nn.Conv1d(4, 6, 3)"
    code = f"from torch import nn\n\ndef make():\n    return nn.Sequential({layers})\n"
    (tmp_path / "beside_the_study.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert usual_cuts(NetworkFactory(factory="beside_the_study:make"), FEATURE) == (1,)


def test_a_look_at_a_network_changes_no_random_number():
    state = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    assert usual_cuts(own("wav2vec", layers=4), FEATURE)
    assert random.getstate() == state[0]
    assert np.array_equal(np.random.get_state()[1], state[1])
    assert torch.equal(torch.get_rng_state(), state[2])


def test_a_seed_fixes_a_network_of_one_s_own():
    first, second = (
        [m["train/loss"] for m in Trainer(own_config("wav2vec"), training_data()).epochs()] for _ in "ab"
    )
    assert first == second


def test_options_count_for_the_identity_of_a_run():
    base = own_config("plain_cnn")
    assert base.fingerprint() == config(network=f"{HERE}:plain_cnn", epochs=1).fingerprint()
    assert base.fingerprint() != base.override({"network.options.width": 8}).fingerprint()


@pytest.mark.parametrize("name", FACTORIES)
def test_one_step_reaches_every_exit_and_adapter_and_layer(name):
    trainer = Trainer(own_config(name, cuts=None), training_data())
    assert 1 <= len(trainer.config.resolved_cuts) <= 3
    before = {key: value.clone() for key, value in trainer.network.named_parameters()}
    trainer.train_step(np.arange(16))
    grads = {key: value.grad for key, value in trainer.network.named_parameters()}
    assert all(g is not None and bool(torch.isfinite(g).all()) for g in grads.values())
    exits = [key for key in before if key.startswith("exits.")]
    assert len(exits) == 3 * len(trainer.config.resolved_cuts) + 1
    assert all(bool((grads[key] != 0).any()) for key in exits)
    after = dict(trainer.network.named_parameters())
    assert all(not torch.equal(after[key], value) for key, value in before.items() if grads[key].any())


@pytest.mark.parametrize("name", FACTORIES)
def test_every_legal_cut_takes_an_exit_of_its_size(name):
    backbone = build_network(own(name), FEATURE)
    count = len(backbone.shapes)
    outputs = MultiExitNetwork(backbone, range(1, count))(torch.randn(4, 45, 48))
    assert [o.feature_BC.shape[1] for o in outputs] == [shape.channels for shape in backbone.shapes]
    assert [o.map_BCx.dim() - 2 for o in outputs] == [shape.axes for shape in backbone.shapes]
    assert {o.projected_BD.shape[1] for o in outputs[:-1]} == {backbone.shapes[-1].channels}


@pytest.mark.parametrize("name", FACTORIES)
def test_the_deployed_network_scores_like_the_deepest_exit(name):
    torch.manual_seed(4)
    network = MultiExitNetwork(build_network(own(name), FEATURE), usual_cuts(own(name), FEATURE))
    network.train()(torch.randn(8, 45, 48))
    network.eval()
    x = torch.randn(5, 45, 48)
    deployed = deploy(network)
    torch.testing.assert_close(deployed(x), bonafide_score(network(x)[-1].logits_BK), rtol=0, atol=0)
    plain = network.backbone.network
    assert sum(p.numel() for p in deployed.parameters()) == sum(p.numel() for p in plain.parameters()) + (
        2 * network.backbone.shapes[-1].channels
    )


@pytest.mark.parametrize("name", FACTORIES)
def test_an_exported_network_of_one_s_own_comes_back_exactly(name, tmp_path):
    trainer = Trainer(own_config(name), training_data())
    list(trainer.epochs())
    detector = export_detector(trainer, tmp_path / "detector")
    again = Detector.load(tmp_path / "detector", allow_code=True)
    assert again.digest() == detector.digest()
    assert again.card.network == own(name)
    deployed = deploy(trainer.network).eval()  # after one epoch the last weights are the best
    features_BFT = trainer.data.dev.features(np.arange(6))
    with torch.inference_mode():
        expected = deployed(torch.from_numpy(features_BFT)).numpy()
    np.testing.assert_array_equal(again.score_features(features_BFT), expected)


def test_a_detector_runs_foreign_code_only_when_told_to(tmp_path):
    trainer = Trainer(own_config("plain_cnn"), training_data())
    list(trainer.epochs())
    export_detector(trainer, tmp_path / "detector")
    content, weights_sha256 = read_card(tmp_path / "detector")
    content["network"]["factory"] = "must_not_be_imported:plain_cnn"
    write_card(tmp_path / "detector", content, weights_sha256)
    with pytest.raises(InputError, match=r"runs the code `must_not_be_imported:plain_cnn`; .*--allow-code"):
        Detector.load(tmp_path / "detector")
    with pytest.raises(InputError, match="cannot import"):
        Detector.load(tmp_path / "detector", allow_code=True)


@pytest.mark.parametrize("command", ["score", "evaluate"])
def test_the_commands_ask_for_leave_to_run_code(command, tmp_path):
    trainer = Trainer(own_config("plain_cnn"), training_data())
    list(trainer.epochs())
    export_detector(trainer, tmp_path / "detector")
    arguments = [command, str(tmp_path / "detector"), *(["x.wav"] if command == "score" else [])]
    with pytest.raises(InputError, match="--allow-code"):
        app(arguments, standalone_mode=False)
    with pytest.raises(InputError, match="x.wav" if command == "score" else "nowhere"):
        app([*arguments, "--allow-code"], standalone_mode=False)


def test_a_saved_state_goes_on_exactly(tmp_path):
    whole = Trainer(own_config("raw_residual").override({"epochs": 2}), training_data())
    expected = [m["train/loss"] for m in whole.epochs()]
    first = Trainer(whole.config, training_data())
    next(iter(first.epochs()))
    first.save(tmp_path)
    second = Trainer(whole.config, training_data())
    second.load(tmp_path)
    assert [m["train/loss"] for m in second.epochs()] == expected[1:]


def test_check_builds_a_network_of_one_s_own_and_names_a_wrong_cut():
    params = {"data": {"root": "x"}, "network": f"{HERE}:plain_cnn", "cuts": [1, 2]}
    trial.check(params, step=False)
    with pytest.raises(
        InputError, match="3 is outside the network, which has 3 blocks; legal cuts are 1 to 2"
    ):
        trial.check({**params, "cuts": [3]}, step=False)


def test_built_in_networks_stay_what_they_were():
    assert isinstance(build_network(NetworkConfig(depth=9), FEATURE), Backbone)
    rows = cut_table(NetworkConfig(depth=18), FEATURE)
    assert [row.cut for row in rows] == [1, 2, 3, 4, 5, 6, 7, 0]
    assert [row.module for row in rows[:-1]] == [f"blocks.{block}" for block in range(7)]
    assert [row.cut for row in rows if row.usual] == [2, 4, 6]
    assert rows[-1].parameters == 700_808 - 2 * 128
    assert rows[-1].cost_share == rows[-1].parameter_share == 1


def test_the_table_of_cuts_as_text_and_json(capsys):
    app(["cuts", f"{HERE}:plain_cnn", "--option", "width=6", "--json"], standalone_mode=False)
    rows = json.loads(capsys.readouterr().out)
    assert [(row["cut"], row["module"]) for row in rows] == [(1, "pool"), (2, "norm2"), (0, "(output)")]
    assert [row["shape"] for row in rows] == [[6, 22, 300], [8, 22, 300], [6]]
    first, second = 6 * 9 * 45 * 600, 8 * 6 * 9 * 22 * 300
    total = first + second + 8 * 6
    assert [row["cost_share"] for row in rows] == [first / total, (first + second) / total, 1.0]
    app(["cuts", "senet9"], standalone_mode=False)
    out = capsys.readouterr().out
    assert "blocks.2" in out
    assert "cuts: null takes [1, 2, 3]" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ecanet"], "network: must be like ecanet18"),
        (["ecanet19"], "depth"),
        (["ecanet18", "--option", "stem"], "--option: must be KEY=VALUE, got `stem`"),
        (["ecanet18", "--option", "stme=3x3"], "did you mean `stem`"),
        (["ecanet18", "--feature", "mfcc"], "kind"),
        (["nowhere:make"], "cannot import `nowhere`"),
    ],
)
def test_the_table_of_cuts_says_no(arguments, words):
    with pytest.raises(ValueError, match=words) as caught:
        app(["cuts", *arguments], standalone_mode=False)
    assert "\n" not in str(caught.value) or isinstance(caught.value, ValidationError)


def test_weights_shared_by_two_layers_are_saved(tmp_path: Path):
    trainer = Trainer(own_config("tied"), training_data())
    list(trainer.epochs())
    export_detector(trainer, tmp_path / "detector")
    network = Detector.load(tmp_path / "detector", allow_code=True).network.backbone.network
    assert network.first.weight is network.second.weight
