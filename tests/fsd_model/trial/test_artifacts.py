"""What a training leaves to look at: rates by attack, configuration, scores, figures, the MLflow model."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame
from ruamel.yaml import YAML
from scipy.stats import norm
from sklearn.metrics import det_curve as reference_curve

from fsd_model.detector.detector import Detector
from fsd_model.detector.mlflow_model import _load_pyfunc, as_mlflow_model
from fsd_model.errors import InputError
from fsd_model.labels import BONAFIDE
from fsd_model.metrics.det import det_curve
from fsd_model.scores.eer_by_group import pooled_eer
from fsd_model.scores.plots import draw_det, draw_histogram
from fsd_model.scores.score_file import Scores, read_scores, write_scores
from fsd_model.training.config import TrainConfig
from fsd_model.trial.artifacts import CONFIG_FILE, SCORES_FILE, draw_plots
from fsd_model.trial.run_trial import run

SETTINGS: dict[str, Any] = {
    "epochs": 2,
    "feature": {"kind": "f0_subband"},
    "network": {"family": "ecanet", "depth": 9},
    "optim": {"schedule": "constant", "learning_rate": 2e-3},
    "cuts": [1, 2],
    "batch_size": 16,
}


class Kept:
    """A context that keeps what is reported and the last state."""

    def __init__(self, folder: Path) -> None:
        self.checkpoint, self.cloned, self.folder = None, False, folder
        self.reports: list[dict[str, float]] = []

    def report(self, metrics: Any, save: Any = None) -> None:
        self.reports.append(dict(metrics))
        state = self.folder / str(len(self.reports))
        state.mkdir(parents=True)
        save(state)


@pytest.fixture(scope="module")
def trained(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    kept = Kept(tmp_path_factory.mktemp("states"))
    store = str(tmp_path_factory.mktemp("store"))
    data = {"root": str(tiny_corpus)}
    run({**SETTINGS, "data": data, "runtime": {"store": store, "device": "cpu", "threads": 1}}, kept)
    return kept


def overlapping(distance: float, count: int = 20_000) -> Scores:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(distance, 1, count), rng.normal(0, 1, count)])
    labels = np.repeat([1, 0], count)
    return Scores([f"u{i}" for i in range(2 * count)], ["-"] * count + ["A01"] * count, labels, values)


def test_every_attack_has_its_eer_in_every_report(trained: Kept) -> None:
    for epoch, report in enumerate(trained.reports, start=1):
        names = {name for name in report if name.startswith("dev/eer_attack_")}
        assert names == {f"dev/eer_attack_A0{number}" for number in range(1, 7)}
        scores = read_scores(trained.folder / str(epoch) / "artifacts" / SCORES_FILE)
        best = min(trained.reports[:epoch], key=lambda each: (each["dev/eer"], each["dev/cllr"]))
        assert pooled_eer(scores).rate == best["dev/eer"]
        bonafide = scores.of_class(BONAFIDE)
        of_one = scores.values[np.array(scores.attacks) == "A03"]
        alone = Scores(
            [str(number) for number in range(len(bonafide) + len(of_one))],
            ["-"] * len(bonafide) + ["A03"] * len(of_one),
            np.repeat([1, 0], [len(bonafide), len(of_one)]),
            np.concatenate([bonafide, of_one]),
        )
        assert best["dev/eer_attack_A03"] == pooled_eer(alone).rate


def test_the_configuration_is_written_whole_and_reads_back(trained: Kept) -> None:
    text = (trained.folder / "2" / "artifacts" / CONFIG_FILE).read_text()
    plain = YAML(typ="safe").load(text)
    config = TrainConfig.model_validate(plain)
    assert config.epochs == 2
    assert config.model_dump(mode="json") == plain
    assert set(plain) == set(TrainConfig.model_fields)


def test_facts_name_the_data(trained: Kept, tiny_corpus: Path) -> None:
    facts = json.loads((trained.folder / "2" / "facts.json").read_text())
    assert facts["dataset"] == f"{tiny_corpus.name} LA"
    assert facts["data_source"] == str(tiny_corpus)


def test_a_served_detector_scores_and_decides_as_the_detector(trained: Kept, tiny_corpus: Path) -> None:
    exported = trained.folder / "2" / "export"
    said = as_mlflow_model(exported)
    assert said is not None
    model, detector = _load_pyfunc(str(exported / said["folder"])), Detector.load(exported / "detector")
    assert model.predict(DataFrame(said["input"])).to_dict("list") == said["output"]
    rows = [np.ones(800) * 0.1, np.sin(np.arange(30_000) / 9)]
    answer = model.predict(DataFrame({"waveform": rows}, index=[7, 9]))
    assert answer.index.tolist() == [7, 9]
    assert answer["score"].tolist() == [detector.score(row.astype(np.float32)) for row in rows]
    assert answer["decision"].tolist() == [detector.decide(score) for score in answer["score"]]
    with pytest.raises(InputError):
        model.predict(DataFrame({"waveform": [[]]}))
    assert as_mlflow_model(trained.folder / "2") is None


def test_the_det_curve_is_that_of_scikit_learn_without_its_ends() -> None:
    scores = overlapping(1.0, 300)
    frr_P, far_P = det_curve(scores.of_class(1), scores.of_class(0))
    far, frr, _ = reference_curve(scores.labels, scores.values)
    ours, theirs = set(zip(frr_P, far_P, strict=True)), set(zip(frr, far, strict=True))
    assert {pair for pair in theirs if min(pair) > 0 and max(pair) < 1} <= ours


def test_two_gaussians_are_a_straight_line_on_probit_axes() -> None:
    scores = overlapping(2.0)
    frr_P, far_P = det_curve(scores.of_class(1), scores.of_class(0))
    middle = (frr_P > 0.01) & (far_P > 0.01)
    np.testing.assert_allclose(norm.ppf(frr_P[middle]) + norm.ppf(far_P[middle]), -2.0, atol=0.1)


def test_figures_are_pictures_of_one_size_also_of_perfect_and_of_constant_scores(tmp_path: Path) -> None:
    perfect = Scores(["a", "b", "c"], ["-", "A01", "A02"], np.array([1, 0, 0]), np.array([1.0, 0.0, -1.0]))
    constant = Scores(["a", "b"], ["-", "A01"], np.array([1, 0]), np.array([0.5, 0.5]))
    for number, scores in enumerate([perfect, constant, overlapping(1.0, 100)]):
        draw_det(scores, tmp_path / f"det{number}.png")
        draw_histogram(scores, tmp_path / f"scores{number}.png")
        assert _size(tmp_path / f"det{number}.png") == (600, 540)
        assert _size(tmp_path / f"scores{number}.png") == (600, 400)


def test_figures_are_drawn_without_pyplot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # its import raises
    write_scores(tmp_path / SCORES_FILE, overlapping(1.0, 50))
    draw_plots(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {SCORES_FILE, "det.png", "scores.png"}


def test_without_scores_nothing_is_drawn_and_damaged_ones_are_named(tmp_path: Path) -> None:
    draw_plots(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / SCORES_FILE).write_text("nonsense\n")
    with pytest.raises(InputError, match=r"dev\.scores\.txt:1"):
        draw_plots(tmp_path)


def _size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:])
    return width, height
