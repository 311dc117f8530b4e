"""Augmentation of batches: repeatable whatever the batch, off by default, training alone, two views."""

from __future__ import annotations

from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from fsd_model import trial
from fsd_model.augmentation.config import AugmentConfig
from fsd_model.augmentation.pipeline import open_augmentation
from fsd_model.augmentation.rawboost import rawboost
from fsd_model.augmentation.spec_augment import draw_spans, spec_augment
from fsd_model.augmentation.stored_recordings import open_recordings
from fsd_model.data.audio import read_audio
from fsd_model.data.utterance import Utterance
from fsd_model.features.feature_set import FeatureSet
from fsd_model.features.front_end import FeatureConfig, extract
from fsd_model.features.storage_format import as_stored
from fsd_model.features.store import open_features
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import TrainingData, open_training_data
from fsd_model.training.trainer import Trainer
from fsd_model.trial.attack_folds import leave_out
from tests.fsd_model.support.custom_networks import HERE
from tests.fsd_model.support.stored_corpus import make_corpus, whole_stores
from tests.fsd_model.support.synthetic import config as synthetic_config
from tests.fsd_model.support.synthetic import training_data

CPU = torch.device("cpu")
ON = {
    "augment.noise.probability": 0.5,
    "augment.rawboost.probability": 0.5,
    "augment.codec.probability": 0.5,
    "augment.spec.probability": 0.8,
}
KINDS = ["f0_subband", "log_power_spectrum", "lfcc", "waveform"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("augment")


@pytest.fixture(scope="module")
def utterances(folder: Path) -> list[Utterance]:
    return make_corpus(folder / "flac", 12)


def config(**changes: Any) -> TrainConfig:
    own = {"network": f"{HERE}:raw_residual"} if changes.get("feature.kind") == "waveform" else {}
    return synthetic_config(**{"feature.samples": 12_000, **own, **changes})


def opened(folder: Path, utterances: list[Utterance], run: TrainConfig) -> TrainingData:
    """The first utterances as train, the others as dev."""
    sets = []
    for part in (utterances[:8], utterances[8:]):
        stored = open_features(folder / "store", part, run.feature)
        labels = np.array([utterance.label for utterance in part])
        sets.append(FeatureSet(stored.array, labels, tuple(part)))
    return TrainingData(
        *sets,
        "digest",
        augmentation=open_augmentation(
            run.augment, run.feature, run.seed, run.runtime.threads, folder / "store", sets[0].utterances
        ),
    )


def batch(data: TrainingData, rows: list[int], epoch: int = 0) -> np.ndarray:
    return data.train_batch(np.array(rows), epoch, CPU).features_BFT.numpy()


def test_by_default_nothing_is_opened_or_changed(folder: Path, utterances: list[Utterance]) -> None:
    data = opened(folder / "default", utterances, config())
    assert data.augmentation is None
    assert len(whole_stores(folder / "default" / "store")) == 2
    got = data.train_batch(np.arange(8), 0, CPU)
    assert got.clean_BFT is None
    np.testing.assert_array_equal(got.features_BFT, data.train.features_MFT.astype(np.float32))


def test_every_part_is_off_by_default_and_searchable() -> None:
    assert AugmentConfig().is_off
    for key in ON:
        assert not config(**{key: 0.1}).augment.is_off
    changed = config(
        **{
            "augment.rawboost.algorithm": 3,
            "augment.rawboost.snr_db": [0, 5],
            "augment.spec.time_width": 20,
            "augment.codec.names": ["gsm"],
            "augment.noise.snr_db": [5.0, 15.0],
        }
    )
    assert changed.augment.is_off
    assert changed.fingerprint() != config().fingerprint()


@pytest.mark.parametrize("kind", KINDS)
def test_an_utterance_is_augmented_alike_in_any_batch_and_any_number_of_threads(
    folder: Path, utterances: list[Utterance], kind: str
) -> None:
    run = config(**{**ON, "feature.kind": kind})
    data = opened(folder, utterances, run)
    whole = batch(data, list(range(8)), epoch=3)
    np.testing.assert_array_equal(batch(data, [5, 2, 7], epoch=3), whole[[5, 2, 7]])
    threaded = opened(folder, utterances, run.override({"runtime.threads": 3}))
    np.testing.assert_array_equal(batch(threaded, list(range(8)), epoch=3), whole)
    view = TrainingData(data.train.select(np.array([6, 1])), data.dev, "", augmentation=data.augmentation)
    np.testing.assert_array_equal(batch(view, [0, 1], epoch=3), whole[[6, 1]])
    assert whole.dtype == np.float32
    assert np.isfinite(whole).all()


def test_another_epoch_or_seed_is_another_augmentation(folder: Path, utterances: list[Utterance]) -> None:
    always = dict.fromkeys(ON, 1.0)
    data = opened(folder, utterances, config(**always))
    other = opened(folder, utterances, config(**always, seed=4))
    first = batch(data, list(range(8)))
    for changed in (batch(data, list(range(8)), epoch=1), batch(other, list(range(8)))):
        assert all(not np.array_equal(a, b) for a, b in zip(first, changed, strict=True))


def test_probabilities_are_shares_of_the_utterances(folder: Path, utterances: list[Utterance]) -> None:
    data = opened(folder, utterances, config(**{"augment.spec.probability": 0.3}))
    clean = data.train.features(np.arange(8))
    changed = [
        not np.array_equal(row, clean[i])
        for epoch in range(100)
        for i, row in enumerate(batch(data, list(range(8)), epoch))
    ]
    assert np.mean(changed) == pytest.approx(0.3, abs=0.05)


def test_a_changed_recording_goes_through_the_front_end_at_its_own_length(
    folder: Path, utterances: list[Utterance]
) -> None:
    boost = {"augment.rawboost.probability": 1.0}
    data = opened(folder, utterances, config(**boost))
    seen: list[np.ndarray] = []

    def spy(settings: Any, wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        seen.append(wave)
        return rawboost(settings, wave, rng)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fsd_model.augmentation.pipeline.rawboost", spy)
        got = batch(data, [3])
    recording = read_audio(utterances[3].path)
    assert len(recording) == 15_000
    np.testing.assert_array_equal(seen[0], recording)
    rng = np.random.default_rng([7002, 3, 0, _number("U3")])
    assert rng.random() < 1
    expected = rawboost(data.augmentation.config.rawboost, recording.astype(np.float64), rng)
    np.testing.assert_array_equal(
        got[0], as_stored(FeatureConfig(), extract(FeatureConfig(), expected.astype(np.float32)))
    )


def test_turning_on_one_part_leaves_the_draws_of_the_others(
    folder: Path, utterances: list[Utterance]
) -> None:
    both = config(**{"augment.spec.probability": 1.0, "augment.codec.probability": 1.0})
    masks_alone = opened(folder, utterances, both.override({"augment.codec.probability": 0.0}))
    codec_alone = opened(folder, utterances, both.override({"augment.spec.probability": 0.0}))
    together = batch(opened(folder, utterances, both), [0])[0]
    rng = np.random.default_rng([7004, 3, 0, _number("U0")])
    rng.random()
    coded = batch(codec_alone, [0])[0]
    spans = [[span.start, span.stop] for span in draw_spans(both.augment.spec, coded.shape, rng)]
    expected = spec_augment(both.augment.spec, torch.from_numpy(coded)[None], torch.tensor([spans]))[0]
    np.testing.assert_array_equal(together, expected.numpy())
    assert not np.array_equal(together, batch(masks_alone, [0])[0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_clean_view_is_the_stored_features_bit_for_bit(
    folder: Path, utterances: list[Utterance], kind: str
) -> None:
    run = config(**{**dict.fromkeys(ON, 1.0), "augment.two_view": True, "feature.kind": kind})
    data = opened(folder, utterances, run)
    got = data.train_batch(np.array([4, 1, 6]), 0, CPU)
    stored, labels = data.train.batch(np.array([4, 1, 6]), CPU)
    assert got.clean_BFT is not None
    assert torch.equal(got.clean_BFT, stored)
    assert torch.equal(got.labels_B, labels)
    assert not torch.equal(got.features_BFT, stored)


def test_two_views_without_a_part_are_the_same_view(folder: Path, utterances: list[Utterance]) -> None:
    data = opened(folder, utterances, config(**{"augment.two_view": True}))
    got = data.train_batch(np.arange(8), 0, CPU)
    assert got.clean_BFT is not None
    assert torch.equal(got.clean_BFT, got.features_BFT)
    assert got.clean_BFT.data_ptr() != got.features_BFT.data_ptr()


def test_dev_is_never_augmented_and_no_stored_value_is_touched(
    folder: Path, utterances: list[Utterance]
) -> None:
    clean = opened(folder, utterances, config())
    data = opened(folder, utterances, config(**dict.fromkeys(ON, 1.0)))
    before = data.train.features(np.arange(8)).tobytes()
    batch(data, list(range(8)))
    assert data.train.features(np.arange(8)).tobytes() == before
    rows = np.arange(4)
    assert data.dev.batch(rows, CPU)[0].numpy().tobytes() == clean.dev.batch(rows, CPU)[0].numpy().tobytes()
    assert not any(name in data.augmentation.recordings.row_of for name in ("U8", "U9", "U10", "U11"))


def test_recordings_keep_their_own_length_up_to_what_the_front_end_sees(
    folder: Path, utterances: list[Utterance]
) -> None:
    for kind, longest in (("f0_subband", 80_000), ("waveform", 12_000)):
        recordings = open_recordings(
            folder / "store", utterances, FeatureConfig(kind=kind, samples=12_000), None
        )
        for utterance in utterances:
            expected = read_audio(utterance.path)[:longest]
            np.testing.assert_array_equal(recordings.waveform(utterance.name), expected)


def test_noise_files_are_part_of_the_data_and_their_place_is_not(tiny_corpus: Path, tmp_path: Path) -> None:
    digests, prints = set(), set()
    for place, seed in (("one", 0), ("two", 0), ("three", 1)):
        (tmp_path / place).mkdir()
        noise = np.random.default_rng(seed).uniform(-0.5, 0.5, 8_000)
        soundfile.write(tmp_path / place / "hum.wav", noise, 16000)
        run = config(
            **{
                "augment.noise.probability": 1.0,
                "augment.noise.source": "files",
                "augment.noise.root": tmp_path / place,
                "data.root": tiny_corpus,
                "runtime.store": tmp_path / "store",
            }
        )
        digests.add(open_training_data(run).digest)
        prints.add(run.fingerprint())
    assert (len(digests), len(prints)) == (2, 1)


def test_a_fold_keeps_the_augmentation(folder: Path, utterances: list[Utterance]) -> None:
    data = opened(folder, utterances, config(**ON))
    both = [
        Utterance(u.name, u.speaker, "A02" if i % 4 == 0 and u.label == 0 else u.attack, u.label, u.path, "-")
        for i, u in enumerate(utterances)
    ]
    train = FeatureSet(data.train.features_MFT, data.train.labels_N, tuple(both[:8]))
    dev = FeatureSet(data.dev.features_MFT, data.dev.labels_N, tuple(both[8:]))
    fold = leave_out(TrainingData(train, dev, "digest", augmentation=data.augmentation), ("A02",))
    rows = [int(name.name[1:]) for name in fold.data.train.utterances]
    np.testing.assert_array_equal(batch(fold.data, list(range(len(rows)))), batch(data, rows))


def test_a_resumed_run_with_masks_equals_the_uninterrupted_one(tmp_path: Path) -> None:
    run = synthetic_config(epochs=3, **{"augment.spec.probability": 0.7})

    def trainer() -> Trainer:
        data = training_data()
        masks = open_augmentation(run.augment, run.feature, run.seed, 1, tmp_path, data.train.utterances)
        return Trainer(run, TrainingData(data.train, data.dev, data.digest, augmentation=masks))

    def losses(metrics: Any) -> list[float]:
        return [epoch["train/loss"] for epoch in metrics]

    whole = losses(trainer().epochs())
    part = trainer()
    list(islice(part.epochs(), 1))
    part.save(tmp_path / "state")
    resumed = trainer()
    resumed.load(tmp_path / "state")
    assert losses(resumed.epochs()) == whole[1:]
    assert whole != losses(Trainer(synthetic_config(epochs=3), training_data()).epochs())


@pytest.mark.parametrize("kind", ["f0_subband", "lfcc"])
def test_a_step_on_real_audio_with_everything_on_has_a_finite_loss(
    tiny_corpus: Path, tmp_path: Path, kind: str
) -> None:
    run = config(
        **{
            **dict.fromkeys(ON, 1.0),
            "augment.two_view": True,
            "feature.kind": kind,
            "data.root": tiny_corpus,
            "runtime.store": tmp_path / "store",
            "batch_size": 8,
        }
    )
    trainer = Trainer(run)
    assert torch.isfinite(trainer.train_step(np.arange(8)).total)


def test_prepare_makes_the_folder_of_noise_absolute(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {
        "data": {"root": str(tiny_corpus)},
        "runtime": {"store": "store"},
        "augment": {"noise": {"root": "noise", "source": "files"}, "spec": {"time_masks": 2}},
    }
    ready = trial.prepare(settings)
    assert ready["augment"]["noise"] == {"root": str(tmp_path / "noise"), "source": "files"}
    assert ready["augment"]["spec"] == {"time_masks": 2}
    assert settings["augment"]["noise"]["root"] == "noise"


def _number(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:8])
