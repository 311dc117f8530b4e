"""The trial function on real audio: report, checkpoint, resume, export, final evaluation."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from pydantic import ValidationError
from torchaudio.functional import resample

from fsd_model import trial
from fsd_model.data.training_splits import DataConfig
from fsd_model.detector.detector import Detector
from fsd_model.errors import InputError
from fsd_model.evaluation.final_evaluation import evaluate
from fsd_model.scores.eer_by_group import pooled_eer
from fsd_model.scores.score_file import read_scores
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import open_training_data
from fsd_model.training.export import ParityError, export_detector
from fsd_model.training.trainer import Trainer
from fsd_model.trial.report.reported_trial import SCORES_PLACE
from tests.fsd_model.support.synthetic import reproducible


class Stopped(BaseException):
    """What a search does to a trial it gives up: not an Exception."""


@dataclass
class Recorder:
    """A context that keeps what is reported, and saves every epoch where it has a folder."""

    folder: Path | None = None
    checkpoint: Path | None = None
    cloned: bool = False
    stop_after: int = 99
    metrics: list = field(default_factory=list)

    def report(self, metrics, save=None):
        self.metrics.append(reproducible(metrics))
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            save(self.folder)
        if len(self.metrics) >= self.stop_after:
            raise Stopped


@pytest.fixture(scope="module")
def settings(tiny_corpus, tmp_path_factory):
    return {
        "data": {"root": str(tiny_corpus)},
        "network": {"depth": 9},
        "optim": {"schedule": "constant", "learning_rate": 2e-3},
        "runtime": {"store": str(tmp_path_factory.mktemp("store")), "device": "cpu"},
        "batch_size": 8,
        "epochs": 3,
        "cuts": [1, 3],
    }


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    """A whole trial: its recorder, whose folder holds the last checkpoint."""
    recorder = Recorder(tmp_path_factory.mktemp("trial") / "last")
    trial.run(settings, recorder)
    return recorder


def test_the_saved_dev_scores_are_those_of_the_exported_detector(finished, settings):
    kept = read_scores(finished.folder / SCORES_PLACE)
    assert pooled_eer(kept).rate == finished.metrics[-1]["dev/eer_best"]
    data = open_training_data(TrainConfig.model_validate(settings)).dev
    assert list(kept.utterances) == [utterance.name for utterance in data.utterances]
    detector = Detector.load(finished.folder / "export/detector")
    again = detector.score_features(data.features(np.arange(len(data.labels_N))))
    assert kept.values == pytest.approx(again, abs=1e-4)


def test_it_reports_each_epoch_with_the_same_keys(finished):
    assert len(finished.metrics) == 3
    assert len({frozenset(m) for m in finished.metrics}) == 1
    assert {"dev/eer", "dev/eer_best", "dev/eer_exit1", "dev/eer_exit4", "train/soft"} <= set(
        finished.metrics[0]
    )
    assert all(np.isfinite(v) for m in finished.metrics for v in m.values())


def test_an_interrupted_trial_goes_on_and_ends_with_the_same_numbers(settings, finished, tmp_path):
    first = Recorder(tmp_path / "saved", stop_after=1)
    with pytest.raises(Stopped):
        trial.run(settings, first)
    second = Recorder(tmp_path / "again", checkpoint=tmp_path / "saved")
    trial.run(settings, second)
    assert first.metrics + second.metrics == finished.metrics
    ours = Detector.load(tmp_path / "again/export/detector").network.state_dict()
    theirs = Detector.load(finished.folder / "export/detector").network.state_dict()
    assert (tmp_path / "again" / SCORES_PLACE).read_text() == (finished.folder / SCORES_PLACE).read_text()
    assert all(bool((ours[k] == theirs[k]).all()) for k in theirs)


def test_the_exported_detector_reaches_the_reported_dev_eer_from_audio(finished, tiny_corpus, tmp_path):
    detector = Detector.load(finished.folder / "export/detector")
    result = evaluate(detector, DataConfig(root=tiny_corpus), "dev", tmp_path)
    assert result.eer == pytest.approx(finished.metrics[-1]["dev/eer_best"], abs=1e-12)
    assert result.eer == detector.card.dev.eer
    assert result.eer_by_attack == detector.card.dev.eer_by_attack
    written = json.loads((tmp_path / "dev.json").read_text())
    scores = read_scores(tmp_path / "dev.scores.txt")
    assert len(scores.labels) == result.utterances == written["utterances"]
    assert result.miss == pytest.approx(detector.card.dev.miss, abs=1e-12)
    assert result.false_alarm == pytest.approx(detector.card.dev.false_alarm, abs=1e-12)


def test_facts_describe_the_export(finished):
    facts = json.loads((finished.folder / "facts.json").read_text())
    card = Detector.load(finished.folder / "export/detector").card
    assert facts["data_digest"] == card.data_digest
    assert facts["parameters"] == card.parameters == 308_156
    assert facts["best_epoch"] == card.epoch


def test_a_detector_scores_files_of_any_rate_and_channel_count(finished, tiny_corpus, tmp_path):
    detector = Detector.load(finished.folder / "export/detector")
    flac = min(tiny_corpus.glob("LA/ASVspoof2019_LA_dev/flac/*.flac"))
    samples, rate = soundfile.read(flac, dtype="float32")
    expected = detector.score_file(flac)
    assert detector.score(samples, rate) == pytest.approx(expected, abs=1e-5)
    stereo = tmp_path / "stereo.wav"
    soundfile.write(stereo, np.stack([samples, samples], 1), rate)
    assert detector.score_file(stereo) == pytest.approx(expected, abs=1e-4)
    fast = resample(torch.from_numpy(samples), rate, 48_000).numpy()
    assert detector.score(fast, 48_000) == pytest.approx(expected, abs=0.2)


def test_parity_is_checked_against_the_training_network(settings, tmp_path):
    trainer = Trainer(TrainConfig.model_validate({**settings, "epochs": 1}))
    list(trainer.epochs())
    trainer.best_weights["classifier.weight"] += 0.5
    with pytest.raises(ParityError, match="differ"):
        export_detector(trainer, tmp_path / "detector")


def test_prepare_makes_paths_absolute_and_fills_the_store(settings, tiny_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny_corpus.parent)
    store = os.path.relpath(tmp_path / "features")
    prepared = trial.prepare({**settings, "data": {"root": tiny_corpus.name}, "runtime": {"store": store}})
    assert Path(prepared["data"]["root"]) == tiny_corpus
    assert Path(prepared["runtime"]["store"]).is_absolute()
    assert list((tmp_path / "features").iterdir())
    assert prepared["cuts"] == settings["cuts"]


def test_check_names_a_cut_outside_the_network(settings):
    trial.check(settings, step=False)
    with pytest.raises(ValidationError, match="7 is outside the network, which has 4 blocks"):
        trial.check({**settings, "cuts": [7]}, step=False)


def test_check_with_a_step_opens_the_data(settings):
    trial.check(settings, step=True)
    with pytest.raises(InputError, match="ASVspoof2019_LA_cm_protocols"):
        trial.check({**settings, "data": {"root": "/nowhere"}}, step=True)


def test_training_runs_without_the_evaluation_split(settings, tiny_corpus, tmp_path, finished):
    copy = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, copy)
    shutil.rmtree(copy / "LA/ASVspoof2019_LA_eval")
    (copy / "LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.eval.trl.txt").unlink()
    recorder = Recorder()
    trial.run({**settings, "data": {"root": str(copy)}, "epochs": 1}, recorder)
    assert recorder.metrics == finished.metrics[:1]
