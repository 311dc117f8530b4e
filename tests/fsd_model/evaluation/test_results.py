"""Evaluation results: metrics with intervals, EER by condition, warnings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fsd_model.commands.evaluate import _show
from fsd_model.evaluation.results import (
    Evaluation,
    Scored,
    asv_beside,
    read_evaluation,
    summarise,
    write_evaluation,
)
from fsd_model.metrics.dcf import actual_dcf, min_dcf
from fsd_model.metrics.eer import equal_error_rate
from fsd_model.metrics.llr_cost import cllr
from fsd_model.metrics.t_dcf import AsvErrorRates, min_tdcf
from fsd_model.scores.score_file import Scores
from fsd_model.scores.utterance_table import Trial

ASV = AsvErrorRates(
    false_alarm=0.024605, miss=0.024581, spoof_miss=0.239348, threshold=-5.680051, eer=0.0245778
)
SCORED = Scored("dev", "digest", "corpus", threshold=0.5)


def sample(
    environments: tuple[str, ...] = ("-",), codecs: tuple[str, ...] = ("-",)
) -> tuple[Scores, list[Trial]]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 240)
    attacks = ["-" if label else f"A0{1 + i % 2}" for i, label in enumerate(labels)]
    scores = Scores([f"U{i}" for i in range(240)], attacks, labels, rng.normal(size=240) + 2 * labels)
    trials = [
        Trial(
            name,
            f"S{i % 12}",
            attack,
            environments[i % len(environments)],
            codecs[i % len(codecs)],
            "bonafide" if label else "spoof",
        )
        for i, (name, attack, label) in enumerate(zip(scores.utterances, attacks, labels, strict=True))
    ]
    return scores, trials


def result(asv: AsvErrorRates | None = ASV, **conditions: tuple[str, ...]) -> Evaluation:
    return summarise(SCORED, *sample(**conditions), asv)


def test_figures_are_those_of_the_metrics_and_lie_in_their_intervals() -> None:
    scores, _ = sample()
    classes = scores.of_class(1), scores.of_class(0)
    found = result()
    assert found.figures == pytest.approx(
        {
            "eer": equal_error_rate(*classes).rate,
            "min_tdcf_legacy": min_tdcf(*classes, ASV),
            "min_tdcf_revised": min_tdcf(*classes, ASV, "revised"),
            "min_dcf": min_dcf(*classes),
            "actual_dcf": actual_dcf(*classes),
            "cllr": cllr(*classes),
        }
    )
    assert found.eer == found.figures["eer"]
    for name, interval in found.intervals.items():
        assert interval.low < found.figures[name] < interval.high
        assert (interval.unit, interval.units, interval.level) == ("speaker", 12, 0.95)
    assert set(result(asv=None).figures) == {"eer", "min_dcf", "actual_dcf", "cllr"}
    assert result().intervals == found.intervals


def test_conditions_are_told_where_there_are_several() -> None:
    found = result(environments=("aaa", "abc", "ccc"))
    scores, trials = sample(environments=("aaa", "abc", "ccc"))
    here = np.array([trial.environment == "abc" for trial in trials])
    expected = equal_error_rate(
        scores.values[here & (scores.labels == 1)], scores.values[here & (scores.labels == 0)]
    )
    assert found.eer_by_environment["abc"] == expected.rate
    assert set(found.eer_by_environment) == {"aaa", "abc", "ccc"}
    assert found.eer_by_codec == {}
    assert set(result(codecs=("-", "C01")).eer_by_codec) == {"-", "C01"}


def test_a_condition_without_a_class_is_left_out() -> None:
    scores, trials = sample()
    codecs = ["C02" if label else f"C0{i % 2}" for i, label in enumerate(scores.labels)]
    trials = [replace(trial, codec=codec) for trial, codec in zip(trials, codecs, strict=True)]
    assert summarise(SCORED, scores, trials, None).eer_by_codec == {}


def test_the_results_file_comes_back_and_older_ones_count_as_none(tmp_path: Path) -> None:
    found, path = result(), tmp_path / "dev.json"
    write_evaluation(path, found)
    assert read_evaluation(path) == found
    assert asv_beside(tmp_path / "dev.scores.txt") == ASV
    assert asv_beside(tmp_path / "other.txt") is None
    old = {key: value for key, value in json.loads(path.read_text()).items() if key != "intervals"}
    for text in (json.dumps(old), "[]", "{", json.dumps(old | {"intervals": {"eer": 3}})):
        path.write_text(text)
        assert read_evaluation(path) is None
    assert asv_beside(tmp_path / "dev.scores.txt") is None


def test_the_command_shows_figures_conditions_and_odd_scores(capsys: pytest.CaptureFixture[str]) -> None:
    scores, trials = sample(environments=("aaa", "abc"))
    scores = replace(scores, values=-scores.values)
    _show(summarise(SCORED, scores, trials, ASV), Path("out"))
    shown = capsys.readouterr().out
    for words in (
        "EER %",
        "min t-DCF (legacy)",
        "minDCF",
        "actDCF",
        "Cllr",
        "environment",
        "abc",
        "A02",
        "all",
    ):
        assert words in shown
    assert "codec" not in shown
    assert "note: EER" in shown
    assert "1000 resamples of 12 speakers" in shown
    _show(result(asv=None), Path("out"))
    assert "needs the organisers' ASV scores" in capsys.readouterr().out
