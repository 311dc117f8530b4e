"""The final evaluation: min t-DCF with the organisers' ASV scores, faulty score files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fsd_model.data.training_splits import DataConfig, read_split
from fsd_model.detector.detector import Detector, empty_network
from fsd_model.errors import InputError
from fsd_model.evaluation.access_log import read_openings
from fsd_model.evaluation.final_evaluation import earlier_evaluation, evaluate
from fsd_model.features.front_end import FeatureConfig
from fsd_model.metrics.t_dcf import AsvErrorRates, min_tdcf
from fsd_model.networks.attention_resnet import NetworkConfig
from fsd_model.scores.asv_scores import read_asv_scores
from fsd_model.scores.score_file import read_scores
from fsd_model.scores.utterance_table import read_trials
from tests.fsd_model.support.cards import card

NETWORK = NetworkConfig(depth=9)


def detector() -> Detector:
    """Return an untrained detector: its scores are arbitrary but finite."""
    return Detector(card(network=NETWORK), empty_network(NETWORK, FeatureConfig()))


def asv_file(corpus: Path, text: str) -> Path:
    folder = corpus / "LA/ASVspoof2019_LA_asv_scores"
    folder.mkdir()
    file = folder / "ASVspoof2019.LA.asv.dev.gi.trl.scores.txt"
    file.write_text(text)
    return file


def test_min_tdcf_is_told_where_the_asv_scores_are(tiny_corpus: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    rng = np.random.default_rng(0)
    asv = {"target": rng.normal(4, 1, 50), "nontarget": rng.normal(0, 1, 60), "spoof": rng.normal(3, 1, 40)}
    lines = [f"{'A01' if key == 'spoof' else 'bonafide'} {key} {v}\n" for key in asv for v in asv[key]]
    asv_file(corpus, "".join(lines))
    result = evaluate(detector(), DataConfig(root=corpus), "dev", tmp_path)
    scores = read_scores(tmp_path / "dev.scores.txt")
    rates = AsvErrorRates.from_scores(**asv)
    bonafide, spoof = scores.of_class(1), scores.of_class(0)
    assert result.min_tdcf == {
        "legacy": min_tdcf(bonafide, spoof, rates, "legacy"),
        "revised": min_tdcf(bonafide, spoof, rates, "revised"),
    }
    assert result.false_alarm == np.mean(spoof > 0)
    assert result.miss == np.mean(bonafide <= 0)


def test_an_earlier_evaluation_is_that_of_this_detector_and_corpus_only(
    tiny_corpus: Path, tmp_path: Path
) -> None:
    first = detector()
    corpus = DataConfig(root=tiny_corpus)
    result = evaluate(first, corpus, "dev", tmp_path)
    assert result.min_tdcf == {}
    assert earlier_evaluation(first, corpus, "dev", tmp_path) == result
    assert earlier_evaluation(first, corpus, "eval", tmp_path) is None
    assert earlier_evaluation(first, DataConfig(root=tmp_path), "dev", tmp_path) is None
    changed = Detector(first.card.model_copy(update={"epoch": 2}), first.network)
    assert earlier_evaluation(changed, corpus, "dev", tmp_path) is None
    report = json.loads((tmp_path / "dev.json").read_text())
    (tmp_path / "dev.json").write_text(json.dumps({k: v for k, v in report.items() if k != "figures"}))
    assert earlier_evaluation(first, DataConfig(root=tiny_corpus), "dev", tmp_path) is None


def test_the_trials_file_describes_the_scores(tiny_corpus: Path, tmp_path: Path) -> None:
    evaluate(detector(), DataConfig(root=tiny_corpus), "dev", tmp_path)
    trials, scores = read_trials(tmp_path / "dev.trials.tsv"), read_scores(tmp_path / "dev.scores.txt")
    known = read_split(DataConfig(root=tiny_corpus), "dev")
    assert [trial.utterance for trial in trials] == list(scores.utterances)
    assert [trial.attack for trial in trials] == list(scores.attacks)
    assert [trial.speaker for trial in trials] == [utterance.speaker for utterance in known]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("A01 spoof", "line must be"),
        ("A01 impostor 1.0", "line must be"),
        ("A01 spoof nan", "finite number"),
        ("A01 spoof 1,5", "finite number"),
    ],
)
def test_a_bad_asv_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "asv.txt"
    file.write_text(f"bonafide target 2.0\n{line}\n")
    with pytest.raises(InputError, match=words) as caught:
        read_asv_scores(file)
    assert str(caught.value).startswith(f"{file}:2: ")


def test_an_asv_file_without_a_class_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "asv.txt"
    file.write_text("bonafide target 2.0\nbonafide nontarget 1.0\n")
    with pytest.raises(InputError, match="spoof"):
        read_asv_scores(file)


def test_eval_is_on_record_before_its_first_recording_is_read(tiny_corpus: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(tiny_corpus, corpus)
    data = DataConfig(root=corpus)
    scored = detector()
    evaluate(scored, data, "dev", tmp_path)
    assert read_openings(tmp_path) == []
    first = min((corpus / "LA/ASVspoof2019_LA_eval/flac").iterdir())
    first.write_bytes(b"")
    with pytest.raises(InputError, match="0 bytes"):
        evaluate(scored, data, "eval", tmp_path)
    (opening,) = read_openings(tmp_path)
    assert opening.detector == scored.digest()
    assert (opening.data, opening.utterances) == (str(corpus), len(list(first.parent.iterdir())))


def test_a_corpus_whose_files_changed_is_scored_again(tiny_corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_corpus, tmp_path / "corpus")
    data, scored = DataConfig(root=tmp_path / "corpus"), detector()
    result = evaluate(scored, data, "dev", tmp_path)
    assert earlier_evaluation(scored, data, "dev", tmp_path) == result
    first, second = sorted((tmp_path / "corpus/LA/ASVspoof2019_LA_dev/flac").iterdir())[:2]
    shutil.copyfile(second, first)
    assert earlier_evaluation(scored, data, "dev", tmp_path) is None
