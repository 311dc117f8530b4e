"""Score files: equal numbers after a round trip, bad lines named; EER per attack and per exit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fsd_model.errors import InputError
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.metrics.eer import equal_error_rate
from fsd_model.scores.eer_by_group import eer_by_exit, per_attack_eer, pooled_eer
from fsd_model.scores.score_file import Scores, read_scores, write_scores

LINES = ["U1 - bonafide 2.5", "U2 A01 spoof -1.25", "U3 A02 spoof 3e-05"]


def scores_of(values: np.ndarray) -> Scores:
    """Return scores: every second utterance bona fide, the others of attack A07 or A08."""
    count = len(values)
    labels = np.arange(count) % 2
    attacks = ["-" if label else f"A0{7 + i // 2 % 2}" for i, label in enumerate(labels)]
    return Scores([f"LA_E_{i}" for i in range(count)], attacks, labels, values)


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


@given(
    values=hnp.arrays(
        np.float32, st.integers(2, 20), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
    )
)
@settings(max_examples=100, deadline=None)
def test_float32_scores_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray
) -> None:
    path = tmp_path_factory.mktemp("scores") / "scores.txt"
    written = scores_of(values)
    write_scores(path, written)
    read = read_scores(path)
    np.testing.assert_array_equal(read.values.astype(np.float32), values)
    np.testing.assert_array_equal(read.labels, written.labels)
    assert (read.utterances, read.attacks) == (written.utterances, written.attacks)


def test_the_format_is_four_columns(tmp_path: Path) -> None:
    scores = Scores(["U1", "U2"], ["-", "A05"], np.array([BONAFIDE, SPOOF]), np.array([0.5, -3.25]))
    write_scores(tmp_path / "s.txt", scores)
    assert (tmp_path / "s.txt").read_text() == "U1 - bonafide 0.5\nU2 A05 spoof -3.25\n"


def test_the_attack_of_bona_fide_speech_may_be_a00(tmp_path: Path) -> None:
    scores = read_scores(write_lines(tmp_path / "s.txt", ["U1 A00 bonafide 1", *LINES[1:]]))
    assert scores.attacks == ["-", "A01", "A02"]
    assert list(per_attack_eer(scores)) == ["A01", "A02"]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("U4 A01 spoof", "line must be `UTTERANCE ATTACK KEY SCORE`, got 3 columns"),
        ("U4 A01 spoof 1 2", "got 5 columns"),
        ("", "got 0 columns"),
        ("U4 A01 fake 1", "key must be bonafide or spoof, got `fake`"),
        ("U4 - spoof 1", "a spoof line must name its attack"),
        ("U4 A00 spoof 1", "a spoof line must name its attack"),
        ("U4 A03 bonafide 1", "a bonafide line must have attack `-`, got `A03`"),
        ("U4 A01 spoof nan", "score must be a finite number, got `nan`"),
        ("U4 A01 spoof -inf", "score must be a finite number, got `-inf`"),
        ("U4 A01 spoof high", "score must be a finite number, got `high`"),
        ("U2 A01 spoof 1", "utterance must be unique, got U2 again (first in line 2)"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, rule: str) -> None:
    path = write_lines(tmp_path / "s.txt", [*LINES, line])
    with pytest.raises(InputError) as caught:
        read_scores(path)
    assert str(caught.value).startswith(f"{path}:4: ")
    assert rule in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("lines", "key"), [(LINES[:1], "spoof"), (LINES[1:], "bonafide"), ([], "bonafide")])
def test_both_classes_must_be_there(tmp_path: Path, lines: list[str], key: str) -> None:
    with pytest.raises(InputError, match=f"got no {key} line"):
        read_scores(write_lines(tmp_path / "s.txt", lines))


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"s\.txt: score file must be readable"):
        read_scores(tmp_path / "s.txt")
    (tmp_path / "s.txt").write_bytes(b"\xff\x00")
    with pytest.raises(InputError, match="must be UTF-8"):
        read_scores(tmp_path / "s.txt")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "s.txt", LINES)
    for values, rule in [([1.0, np.nan], "score must be finite, got nan for LA_E_1")]:
        with pytest.raises(InputError, match=rule):
            write_scores(path, scores_of(np.array(values)))
    with pytest.raises(InputError, match="label must be 1 or 0, got 2 for U1"):
        write_scores(path, Scores(["U1"], ["-"], np.array([2]), np.array([0.0])))
    assert path.read_text().splitlines() == LINES
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file must be writable"):
        write_scores(tmp_path / "none" / "s.txt", scores_of(np.zeros(2)))


def test_columns_must_agree() -> None:
    with pytest.raises(InputError, match=r"must be of one length, got \[2, 1, 2, 2\]"):
        Scores(["a", "b"], ["-"], np.zeros(2, dtype=int), np.zeros(2))


def test_each_attack_meets_all_bona_fide_speech() -> None:
    scores = scores_of(np.random.default_rng(0).normal(size=400) + np.arange(400) % 2)
    bonafide = scores.values[1::2]
    a07, a08 = scores.values[0::4], scores.values[2::4]
    assert per_attack_eer(scores) == {
        "A07": equal_error_rate(bonafide, a07),
        "A08": equal_error_rate(bonafide, a08),
    }
    assert pooled_eer(scores) == equal_error_rate(bonafide, scores.values[0::2])


def test_an_attack_that_is_always_caught_scores_zero() -> None:
    values = np.where(np.arange(8) % 4 == 2, -9.0, np.tile([0.0, 1.0], 4))
    values[0] = 5.0
    result = per_attack_eer(scores_of(values))
    assert result["A08"].rate == 0
    assert result["A07"].rate > 0


def test_each_exit_has_its_own_rate() -> None:
    labels = np.array([BONAFIDE, BONAFIDE, SPOOF, SPOOF])
    scores_NE = np.array([[3.0, 0.0, -3.0], [2.0, 0.0, -2.0], [-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0]])
    assert [point.rate for point in eer_by_exit(scores_NE, labels)] == [0.0, 0.5, 1.0]
