"""The paired test: calibrated under no difference, tighter than unpaired, refused on other utterances."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

from fsd_model.cli import app
from fsd_model.errors import InputError
from fsd_model.evaluation.comparison import Difference, aligned, compare, compare_files, p_value, score_files
from fsd_model.metrics.dcf import min_dcf
from fsd_model.metrics.eer import equal_error_rate
from fsd_model.metrics.llr_cost import cllr
from fsd_model.metrics.summary import statistics_of
from fsd_model.scores.score_file import Scores, write_scores
from fsd_model.scores.utterance_table import Trial, write_trials

METRICS = statistics_of(None)
EER_ALONE = {"eer": METRICS["eer"]}


def scores_of(values: np.ndarray) -> Scores:
    """Return scores: every second utterance bona fide, the others A01 and A02 in turn."""
    labels = (np.arange(len(values)) + 1) % 2
    attacks = ["-" if label else f"A0{1 + place // 2 % 2}" for place, label in enumerate(labels)]
    return Scores([f"U{place}" for place in range(len(values))], attacks, labels, values)


def pair(seed: int, count: int, better: float, shared: float = 0.9) -> tuple[Scores, Scores]:
    """Return two detectors whose scores share most of their noise; the second separates the
    classes better.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(3, count))
    own = np.sqrt(1 - shared**2)
    labels = (np.arange(count) + 1) % 2
    return (
        scores_of(2 * labels + shared * noise[0] + own * noise[1]),
        scores_of((2 + better) * labels + shared * noise[0] + own * noise[2]),
    )


def eer_difference(a: Scores, b: Scores, speakers: list[str] | None = None, seed: int = 0) -> Difference:
    return compare(a, b, EER_ALONE, speakers, resamples=199, seed=seed)[0]


def test_equal_detectors_are_told_apart_as_seldom_as_said() -> None:
    smooth = {name: METRICS[name] for name in ("eer", "cllr")}
    rows = [compare(*pair(seed, 300, better=0.0), smooth, resamples=99, seed=seed) for seed in range(200)]
    p_eer, p_cllr = np.array([[row.p_value for row in found] for found in rows]).T
    assert np.mean(p_cllr <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(p_cllr <= 0.5) == pytest.approx(0.5, abs=0.1)
    # the EER moves in steps of an utterance: with few of them the test is cautious, never bold
    assert np.mean(p_eer <= 0.05) <= 0.07


def test_the_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    truth = norm.cdf(-2.5 / 2) - norm.cdf(-2 / 2)
    rows = [eer_difference(*pair(seed, 300, 0.5, shared=0.0), seed=seed) for seed in range(100)]
    assert np.mean([row.interval.low <= truth <= row.interval.high for row in rows]) >= 0.90


def test_pairing_shows_what_scores_without_pairs_hide() -> None:
    a, b = pair(1, 800, better=0.3, shared=0.99)
    row = eer_difference(a, b)
    unpaired = eer_difference(a, pair(2, 800, better=0.3, shared=0.99)[1])
    assert row.shown
    assert row.difference < 0
    assert not unpaired.shown
    assert row.interval.high - row.interval.low < 0.6 * (unpaired.interval.high - unpaired.interval.low)


def test_a_detector_equals_itself_and_swapping_turns_the_sign() -> None:
    a, b = pair(3, 200, better=1.0)
    for row in compare(a, a, METRICS, resamples=99):
        assert (row.difference, row.interval.low, row.interval.high, row.p_value) == (0, 0, 0, 1)
        assert not row.shown
    for row, turned in zip(compare(a, b, METRICS), compare(b, a, METRICS), strict=True):
        assert (turned.difference, turned.p_value) == (-row.difference, row.p_value)
        assert (turned.interval.low, turned.interval.high) == (-row.interval.high, -row.interval.low)


def test_figures_are_those_of_the_metrics() -> None:
    a, b = pair(4, 200, better=1.0)
    found = {row.figure: (row.a, row.b) for row in compare(a, b, METRICS, resamples=39)}
    for name, metric in (
        ("eer", lambda b, s: equal_error_rate(b, s).rate),
        ("min_dcf", min_dcf),
        ("cllr", cllr),
    ):
        assert found[name] == tuple(pytest.approx(metric(x.of_class(1), x.of_class(0))) for x in (a, b))


def test_the_p_value_agrees_with_the_interval() -> None:
    for seed in range(30):
        row = eer_difference(*pair(seed, 200, better=0.35), seed=seed)
        assert row.shown == (row.p_value <= 0.05)
    assert p_value(np.ones(999)) == 2 / 1000


def test_speakers_are_drawn_for_both_at_once() -> None:
    a, b = pair(5, 400, better=0.5)
    speakers = [f"S{place // 20}" for place in range(400)]
    row = eer_difference(a, b, speakers)
    assert (row.interval.unit, row.interval.units) == ("speaker", 20)
    assert eer_difference(a, a, speakers).interval.high == 0


def test_the_order_of_lines_does_not_matter() -> None:
    a, b = pair(6, 50, better=0.5)
    order = np.random.default_rng(0).permutation(50)
    shuffled = Scores(
        [b.utterances[i] for i in order], [b.attacks[i] for i in order], b.labels[order], b.values[order]
    )
    back = aligned(a, shuffled)
    assert (back.utterances, back.attacks) == (b.utterances, b.attacks)
    np.testing.assert_array_equal(back.values, b.values)


def test_the_first_difference_of_two_files_is_named() -> None:
    a = scores_of(np.arange(6.0))
    fewer = Scores(a.utterances[:4], a.attacks[:4], a.labels[:4], a.values[:4])
    with pytest.raises(InputError, match=r"a\.txt and b\.txt .* no U4 \(line 5 of the first\) in the second"):
        aligned(a, fewer, ("a.txt", "b.txt"))
    with pytest.raises(InputError, match=r"no U4 \(line 5 of the second\) in the first"):
        aligned(fewer, a)
    with pytest.raises(InputError, match=r"another key of U2 \(lines 3 and 3\)"):
        aligned(a, replace(a, labels=np.array([1, 0, 0, 0, 1, 0])))
    with pytest.raises(InputError, match="another attack of U3"):
        aligned(a, replace(a, attacks=["-", "A01", "-", "A09", "-", "A01"]))


def written(folder: Path, scores: Scores, split: str = "dev", speakers: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    write_scores(folder / f"{split}.scores.txt", scores)
    if speakers:
        trials = [
            Trial(name, f"S{place % speakers}", attack, "-", "-", "bonafide" if label else "spoof")
            for place, (name, attack, label) in enumerate(
                zip(scores.utterances, scores.attacks, scores.labels, strict=True)
            )
        ]
        write_trials(folder / f"{split}.trials.tsv", trials)
    return folder


def test_folders_are_compared_on_the_split_they_share(tmp_path: Path) -> None:
    a, b = pair(7, 60, better=0.5)
    one, two = written(tmp_path / "a", a), written(tmp_path / "b", b)
    written(one, a, "eval")
    assert score_files(one, two) == (one / "dev.scores.txt", two / "dev.scores.txt")
    written(two, b, "eval")
    assert score_files(one, two)[1].name == "eval.scores.txt"
    assert score_files(one, two / "dev.scores.txt")[1].name == "dev.scores.txt"
    with pytest.raises(InputError, match=r"must contain eval\.scores\.txt or dev\.scores\.txt"):
        score_files(tmp_path, one)


def test_speakers_come_from_the_trials_file_beside(tmp_path: Path) -> None:
    a, b = pair(8, 200, better=0.5)
    one, two = written(tmp_path / "a", a), written(tmp_path / "b", b, speakers=20)
    result = compare_files(one, two, None, 99, 0)
    assert result.differences[0].interval.unit == "speaker"
    (two / "dev.trials.tsv").unlink()
    assert compare_files(one, two, None, 99, 0).differences[0].interval.unit == "utterance"
    other = Scores([f"V{i}" for i in range(200)], a.attacks, a.labels, a.values)
    written(two, other, speakers=20)
    write_scores(two / "dev.scores.txt", b)
    with pytest.raises(InputError, match=r"dev\.trials\.tsv: must list every utterance .* got no U0"):
        compare_files(one, two, None, 99, 0)


def test_min_tdcf_is_compared_where_the_asv_is_known(tmp_path: Path) -> None:
    a, b = pair(9, 200, better=0.5)
    asv = tmp_path / "asv.txt"
    rows = [f"bonafide target {x}\nbonafide nontarget {x - 3}\nA01 spoof {x - 1}\n" for x in range(9)]
    asv.write_text("".join(rows))
    names = [
        row.figure
        for row in compare_files(
            written(tmp_path / "a", a), written(tmp_path / "b", b), asv, 99, 0
        ).differences
    ]
    assert names == ["eer", "min_tdcf_legacy", "min_tdcf_revised", "min_dcf", "actual_dcf", "cllr"]


def test_the_command_says_what_is_shown_and_what_is_odd(tmp_path: Path) -> None:
    a, b = pair(10, 400, better=1.5)
    flipped = replace(b, values=-np.round(b.values))
    one, two, three = (written(tmp_path / name, s) for name, s in (("a", a), ("b", b), ("c", flipped)))
    run = CliRunner().invoke
    better = run(app, ["compare", str(one), str(two)]).output
    assert "EER: B is better by" in better
    assert "resamples of 400 utterances" in better
    assert "note" not in better
    alike = run(app, ["compare", str(one), str(one)]).output
    assert "EER: no difference shown" in alike
    odd = run(app, ["compare", str(one), str(three)]).output
    assert "note on B: EER" in odd
    assert "look flipped" in odd
    assert "distinct scores for 400 utterances" in odd
    report = json.loads(run(app, ["compare", str(one), str(two), "--json", "--resamples", "99"]).output)
    assert report["differences"][0]["shown"] is True
    assert report["differences"][0]["interval"]["resamples"] == 99
    assert report["notes"] == {"A": [], "B": []}


def test_too_few_resamples_are_refused() -> None:
    with pytest.raises(InputError, match="at least 39"):
        compare(*pair(0, 20, 0.0), EER_ALONE, resamples=10)
