"""ONNX, torch.export and TorchScript reproduce the package's scores; a file that does not is deleted."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from fsd_model.cli import app
from fsd_model.data.audio import read_audio
from fsd_model.data.training_splits import DataConfig
from fsd_model.deployment import onnx_export as onnx_file
from fsd_model.deployment.exported_program import DeployedGraph, load_program, load_torchscript
from fsd_model.deployment.onnx_export import OnnxDetector
from fsd_model.deployment.packaging import FILES, package
from fsd_model.detector.detector import Detector, empty_network
from fsd_model.detector.exit_plan import ExitPlan
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig, Kind
from fsd_model.networks.attention_resnet import NetworkConfig
from fsd_model.networks.build import NetworkFactory
from fsd_model.training.config import TrainConfig
from fsd_model.training.export import export_detector
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.cards import CALIBRATION, card

NETWORK = NetworkConfig(depth=9)
TOLERANCE = 1e-4


def untrained(kind: Kind = "f0_subband", root: Path = Path("nowhere")) -> Detector:
    feature = FeatureConfig(kind=kind)
    torch.manual_seed(0)
    own = card(network=NETWORK, feature=feature, data=DataConfig(root=root))
    return Detector(own, empty_network(NETWORK, feature))


@pytest.fixture(scope="module")
def detector(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """Return a detector after two epochs on real speech."""
    settings = {
        "data": {"root": str(tiny_corpus)},
        "network": {"depth": 9},
        "optim": {"schedule": "constant", "learning_rate": 2e-3},
        "runtime": {"store": str(tmp_path_factory.mktemp("store")), "device": "cpu"},
        "batch_size": 8,
        "epochs": 2,
    }
    trainer = Trainer(TrainConfig.model_validate(settings))
    list(trainer.epochs())
    return export_detector(trainer, tmp_path_factory.mktemp("trained") / "detector")


@pytest.fixture(scope="module")
def packed(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with every form, 8 bits included."""
    out = tmp_path_factory.mktemp("packed")
    arguments = ["--onnx", "--torch-export", "--torchscript", "--int8", "--out", str(out)]
    app(["package", str(detector.folder), *arguments], standalone_mode=False)
    return out


@pytest.mark.slow
def test_fifty_recordings_have_the_same_scores_in_every_form(
    detector: Detector, packed: Path, tiny_corpus: Path
) -> None:
    files = sorted(tiny_corpus.glob("LA/*/flac/*.flac"))[:50]
    assert len(files) == 50
    copied = Detector.load(packed)
    assert copied.digest() == detector.digest()
    expected_N = np.array([copied.score_file(file) for file in files])
    assert expected_N.std() > 0.05
    runners = {
        "onnx": OnnxDetector(packed / FILES["onnx"]),
        "torch_export": load_program(packed / FILES["torch_export"]),
        "torchscript": load_torchscript(packed / FILES["torchscript"]),
    }
    for run in runners.values():
        outputs = [run(read_audio(file)[None]) for file in files]
        scores_N, llr_N = (np.array([float(output[place][0]) for output in outputs]) for place in (0, 1))
        np.testing.assert_allclose(scores_N, expected_N, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(
            llr_N, [detector.llr(score) for score in expected_N], rtol=0, atol=TOLERANCE
        )


@pytest.mark.slow
def test_every_file_says_what_it_is(detector: Detector, packed: Path) -> None:
    about = OnnxDetector(packed / FILES["onnx"]).about
    assert about["polarity"] == "higher = more bona fide"
    assert json.loads(about["calibration"]) == detector.card.calibration.model_dump()
    assert json.loads(about["operating_point"]) == detector.card.operating_point.model_dump()
    assert about["detector"] == detector.digest()
    assert "16000 Hz" in about["input"]
    model = onnx.load(packed / FILES["onnx"])
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 18)]
    extra = {"fsd_tuner.json": ""}
    torch.export.load(packed / FILES["torch_export"], extra_files=extra)
    assert json.loads(extra["fsd_tuner.json"])["detector"] == detector.digest()
    written = json.loads((packed / "formats.json").read_text())
    assert set(written["forms"]) == set(FILES.values())
    assert max(form["parity"] for form in written["forms"].values()) <= TOLERANCE
    assert written["parity_files"] > 20


@pytest.mark.slow
def test_eight_bits_are_measured_beside_float(detector: Detector, packed: Path) -> None:
    result = json.loads((packed / "formats.json").read_text())["int8"]
    assert result["utterances"] == detector.card.dev.utterances
    assert result["eer_float"] == pytest.approx(detector.card.dev.eer)
    assert abs(result["eer"] - result["eer_float"]) <= 0.1
    assert 0 < result["largest_difference"] < 1
    small = packed / "detector.int8.onnx"
    assert OnnxDetector(small).about["precision"] == "int8"
    assert small.stat().st_size < 0.8 * (packed / FILES["onnx"]).stat().st_size
    kinds = {node.op_type for node in onnx.load(small).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds


@pytest.mark.slow
def test_cepstra_are_the_same_in_onnx(tmp_path: Path, tiny_corpus: Path) -> None:
    kind: Kind = "lfcc"
    found = package(untrained(kind, tiny_corpus), tmp_path / "out", ["onnx"])
    assert found["forms"]["detector.onnx"]["parity"] <= TOLERANCE
    silence = np.zeros((1, 9_000), np.float32)
    score = OnnxDetector(tmp_path / "out/detector.onnx")(silence)[0]
    assert score[0] == pytest.approx(untrained(kind).score(silence[0]), abs=TOLERANCE)


@pytest.mark.slow
def test_a_network_of_one_s_own_is_exported_too(tmp_path: Path) -> None:
    own = NetworkFactory(factory="tests.fsd_model.support.custom_networks:raw_residual")
    feature = FeatureConfig(kind="waveform", samples=4_000)
    own_card = card(network=own, feature=feature, data=DataConfig(root=tmp_path / "nowhere"))
    detector = Detector(own_card, empty_network(own, feature))
    found = package(detector, tmp_path / "out", ["onnx", "torch_export"])
    assert found["parity_files"] == 0
    assert set(found["forms"]) == {"detector.onnx", "detector.pt2"}
    batch = np.random.default_rng(0).normal(scale=0.1, size=(3, 2_500)).astype(np.float32)
    expected = [detector.score(each) for each in batch]
    for run in (OnnxDetector(tmp_path / "out/detector.onnx"), load_program(tmp_path / "out/detector.pt2")):
        np.testing.assert_allclose(run(batch)[0], expected, rtol=0, atol=TOLERANCE)


def test_what_leaves_early_is_no_fixed_graph(tmp_path: Path) -> None:
    plan = ExitPlan(places=(1, 4), calibrations=(CALIBRATION, CALIBRATION), confidence=1.0)
    early = Detector(card(network=NETWORK, exits=plan), empty_network(NETWORK, FeatureConfig(), plan))
    with pytest.raises(InputError, match=r"leaves early: .* export another use of the exits"):
        package(early, tmp_path / "out", ["onnx"])
    assert not (tmp_path / "out").exists()
    early.save(tmp_path / "early")
    assert "behind blocks 1, 4) with |llr| of 1 or more" in (tmp_path / "early" / "README.md").read_text()


def test_the_mean_of_exits_is_exported(tmp_path: Path) -> None:
    plan = ExitPlan(places=(1, 4), calibrations=(CALIBRATION, CALIBRATION))
    mean = Detector(card(network=NETWORK, exits=plan), empty_network(NETWORK, FeatureConfig(), plan))
    found = package(mean, tmp_path / "out", ["torchscript"])
    assert found["forms"][FILES["torchscript"]]["parity"] <= TOLERANCE


def test_a_file_that_scores_differently_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = DeployedGraph.forward

    def wrong(self, waveform_BS):
        score_B, llr_B = forward(self, waveform_BS)
        return score_B + 2e-4, llr_B

    monkeypatch.setattr(DeployedGraph, "forward", wrong)
    with pytest.raises(InputError, match=r"detector\.torchscript: must give the package's scores to 0\.0001"):
        package(untrained(), tmp_path / "out", ["torchscript"])
    assert not [path for path in (tmp_path / "out").iterdir() if "torchscript" in path.name]
    assert not (tmp_path / "out/formats.json").exists()


def test_another_detector_s_folder_is_left_alone(tmp_path: Path) -> None:
    untrained().save(tmp_path)
    with pytest.raises(InputError, match="contains a detector already"):
        package(untrained(), tmp_path, ["torchscript"])


def test_eight_bits_need_a_corpus(tmp_path: Path) -> None:
    untrained().save(tmp_path)
    with pytest.raises(InputError, match=r"nowhere: --int8 needs the corpus .*--data"):
        app(["package", str(tmp_path), "--int8"], standalone_mode=False)
    assert not list(tmp_path.glob("*.onnx"))


def test_onnx_is_asked_for_only_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pip install 'fsd-tuner\[onnx\]'"):
        package(untrained(), tmp_path / "out", ["onnx"])
    assert not (tmp_path / "out").exists()
    found = package(untrained(), tmp_path / "out", ["torchscript"])
    assert found["forms"]["detector.torchscript"]["parity"] <= TOLERANCE


def test_only_one_module_names_the_runtime() -> None:
    folder = Path(onnx_file.__file__).parents[1]
    naming = [
        path.name for path in folder.rglob("*.py") if "import onnx" in path.read_text(encoding="utf-8")
        or "from onnx" in path.read_text(encoding="utf-8")
    ]  # fmt: skip
    assert naming == ["onnx_export.py"]


def test_a_copy_is_whole(tmp_path: Path) -> None:
    untrained().save(tmp_path / "one")
    loaded = Detector.load(tmp_path / "one")
    package(loaded, tmp_path / "two", [])
    shutil.rmtree(tmp_path / "one")
    assert Detector.load(tmp_path / "two").digest() == loaded.digest()
