"""A detector folder: contents, meaning of a score, refusal of damaged and foreign files."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from fsd_model.data.licence import licence_of
from fsd_model.data.training_splits import DataConfig
from fsd_model.detector.calibration import fit_calibration
from fsd_model.detector.detector import Detector, empty_network
from fsd_model.detector.dev_results import dev_metrics
from fsd_model.detector.files import CARD_FILE, WEIGHTS_FILE, read_card, write_card
from fsd_model.detector.model_card import model_card
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig
from fsd_model.networks.attention_resnet import NetworkConfig
from fsd_model.scores.score_file import Scores
from fsd_model.training.export import export_detector
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.cards import card
from tests.fsd_model.support.synthetic import config, training_data

NETWORK = NetworkConfig(depth=9)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """Return a detector after one epoch on a synthetic corpus."""
    trainer = Trainer(config(epochs=1), training_data())
    list(trainer.epochs())
    return export_detector(trainer, tmp_path_factory.mktemp("export") / "detector")


@pytest.fixture
def folder(trained: Detector, tmp_path: Path) -> Path:
    assert trained.folder is not None
    return Path(shutil.copytree(trained.folder, tmp_path / "detector"))


def test_the_card_holds_what_dev_showed(trained: Detector) -> None:
    dev, data = trained.card.dev, training_data().dev
    scores_N = trained.score_features(data.features(np.arange(30)))
    llr_N = np.array([trained.llr(float(score)) for score in scores_N])
    accepted_N = llr_N >= trained.card.operating_point.threshold
    assert (dev.utterances, trained.card.calibration.bonafide, trained.card.calibration.spoof) == (30, 10, 20)
    assert dev.miss == np.mean(~accepted_N[data.labels_N == 1])
    assert dev.false_alarm == np.mean(accepted_N[data.labels_N == 0])
    assert dev.eer_interval.low <= dev.eer <= dev.eer_interval.high
    assert dev.eer_by_attack == {"A01": dev.eer}
    assert dev.cllr_calibrated <= max(dev.cllr, 1)
    assert trained.card.licence == "not stated"
    assert set(trained.card.versions) >= {"python", "torch", "numpy"}
    accepted = [trained.decide(float(score)) == "bonafide" for score in scores_N]
    assert accepted == accepted_N.tolist() == (scores_N >= trained.threshold).tolist()


def test_a_decision_follows_prior_and_costs() -> None:
    detector = Detector(card(network=NETWORK), empty_network(NETWORK, FeatureConfig()))
    assert detector.llr(0.5) == 0
    assert detector.threshold == pytest.approx((1 - 0.6418539) / 2)
    assert detector.decide(0.5) == "bonafide"
    assert detector.decide(0.5, prior_spoof=0.5) == "spoof"
    assert detector.decide(0.5, prior_spoof=0.5, cost_false_alarm=1.0) == "bonafide"
    verdict = detector.verdict(0.5, prior_spoof=0.25)
    assert verdict.spoof_probability == pytest.approx(0.25)
    with pytest.raises(InputError, match="score must be finite, got nan"):
        detector.decide(float("nan"))
    with pytest.raises(InputError, match="prior_spoof must lie between 0 and 1"):
        detector.decide(0.0, prior_spoof=5)


def test_the_model_card_says_what_a_score_means(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    detector = Detector.load(folder)
    weights = json.loads((folder / CARD_FILE).read_text())["weights_sha256"]
    for words in (
        "**Higher = more bona fide.**",
        f"llr = {detector.card.calibration.slope:.6g} * score",
        "**bona fide from llr -0.6419 on**",
        f"**{100 * detector.card.dev.eer:.2f} %**, 95 % interval",
        "| A01 | ",
        "licence: not stated",
        detector.card.data_digest,
        weights,
        "## Limits",
    ):
        assert words in text
    assert not (folder / "README.md").read_text().count("{")


def reseal(folder: Path, change: Callable[[dict], object]) -> None:
    """Change the card and update its digests."""
    content, weights_sha256 = read_card(folder)
    change(content)
    write_card(folder, content, weights_sha256)


def replace_weights(folder: Path, data: bytes) -> None:
    """Write other weights and a card that matches them."""
    content, _ = read_card(folder)
    (folder / WEIGHTS_FILE).write_bytes(data)
    write_card(folder, content, hashlib.sha256(data).hexdigest())


def edit_text(folder: Path, old: str, new: str) -> None:
    text = (folder / CARD_FILE).read_text()
    assert old in text
    (folder / CARD_FILE).write_text(text.replace(old, new))


class Harmful:
    def __reduce__(self):
        return (pytest.fail, ("something was unpickled",))


def other_weights(folder: Path) -> None:
    state = load_file(folder / WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).write_bytes(save({name: value + 0.5 for name, value in state.items()}))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no card": (lambda f: (f / CARD_FILE).unlink(), "not a detector folder"),
    "empty card": (lambda f: (f / CARD_FILE).write_text(""), "not a detector card"),
    "no JSON": (lambda f: (f / CARD_FILE).write_bytes(b"\x80\x04 pickle"), "not a detector card"),
    "deep JSON": (lambda f: (f / CARD_FILE).write_text("[" * 200_000), "not a detector card"),
    "a list": (lambda f: (f / CARD_FILE).write_text("[3]"), "not a detector card"),
    "format 2": (lambda f: edit_text(f, '"format": 3', '"format": 2'), "must have format 3, got 2"),
    "a digit": (lambda f: edit_text(f, '"slope": ', '"slope": 1'), "was changed after the export"),
    "another depth": (lambda f: edit_text(f, '"depth": 9', '"depth": 18'), "was changed after the export"),
    "no weights": (lambda f: (f / WEIGHTS_FILE).unlink(), "weights must be readable"),
    "cut weights": (
        lambda f: (f / WEIGHTS_FILE).write_bytes((f / WEIGHTS_FILE).read_bytes()[:-1]),
        "not this detector's weights",
    ),
    "other weights": (other_weights, "not this detector's weights"),
    "a pickle": (lambda f: (f / WEIGHTS_FILE).write_bytes(pickle.dumps(Harmful())), "not this detector's"),
    "sealed pickle": (lambda f: replace_weights(f, pickle.dumps(Harmful())), "weights must be safetensors"),
    "sealed scraps": (lambda f: replace_weights(f, b"\xff" * 100), "weights must be safetensors"),
    "sealed other network": (
        lambda f: replace_weights(f, save({"x": torch.ones(2)})),
        "not weights of this network",
    ),
    "unknown key": (lambda f: reseal(f, lambda c: c.update(treshold=1)), "unknown key `treshold`"),
    "wrong type": (lambda f: reseal(f, lambda c: c.update(epoch="3")), "epoch: "),
    "missing key": (lambda f: reseal(f, lambda c: c.pop("calibration")), "calibration: Field required"),
    "negative slope": (
        lambda f: reseal(f, lambda c: c["calibration"].update(slope=-1.0)),
        "calibration.slope",
    ),
    "polarity": (lambda f: reseal(f, lambda c: c.update(polarity="lower = more bona fide")), "polarity: "),
    "threshold": (
        lambda f: reseal(f, lambda c: c["operating_point"].update(threshold=0.0)),
        "threshold must follow from prior and costs",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_detector_is_refused_in_one_line(folder: Path, damage: str) -> None:
    break_it, words = DAMAGE[damage]
    break_it(folder)
    with pytest.raises(InputError) as caught:
        Detector.load(folder)
    assert words in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_torch_s_own_file_is_no_weights(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS_FILE), folder / "weights.pt")
    replace_weights(folder, (folder / "weights.pt").read_bytes())
    with pytest.raises(InputError, match="weights must be safetensors"):
        Detector.load(folder)


def test_layout_and_order_of_the_card_do_not_matter(folder: Path, trained: Detector) -> None:
    content = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps(dict(reversed(content.items()))))
    assert Detector.load(folder).digest() == trained.digest()


def test_a_card_costs_little(trained: Detector) -> None:
    """Check the time: the card is written at every saved epoch."""
    rng = np.random.default_rng(0)
    labels_N = (np.arange(500) % 5 == 0).astype(np.int64)
    attacks = ["-" if label else f"A0{i % 6}" for i, label in enumerate(labels_N)]
    scores = Scores([str(i) for i in range(500)], attacks, labels_N, rng.normal(size=500) + labels_N)
    speakers = [f"S{i % 20}" for i in range(500)]
    seconds = []
    for _ in range(5):
        began = time.process_time()
        calibration = fit_calibration(scores.of_class(1), scores.of_class(0))
        dev_metrics(scores, speakers, calibration, trained.card.operating_point)
        model_card(trained.card, "")
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.05


def test_the_licence_is_what_the_corpus_states(tmp_path: Path) -> None:
    data = DataConfig(root=tmp_path)
    assert licence_of(data) == "not stated"
    (tmp_path / "LA").mkdir()
    (tmp_path / "LA/LICENSE_text.txt").write_text("\n  ODC  Attribution\nmore\n")
    assert licence_of(data) == "ODC Attribution (LICENSE_text.txt)"
    (tmp_path / "manifest.csv").touch()
    assert licence_of(DataConfig(root=tmp_path / "manifest.csv")) == "ODC Attribution (LICENSE_text.txt)"
    (tmp_path / "LA/corpus.json").write_text('{"licence": "CC0-1.0"}')
    assert licence_of(data) == "CC0-1.0"
    (tmp_path / "LA/corpus.json").write_text("[]")
    assert licence_of(data) == "ODC Attribution (LICENSE_text.txt)"


def test_the_demo_corpus_states_its_licence(tiny_corpus: Path) -> None:
    assert "CC-BY-SA-3.0" in licence_of(DataConfig(root=tiny_corpus))
