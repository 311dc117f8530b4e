"""The table beside the scores: equal lines after a round trip, bad lines named."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsd_model.data.utterance import Utterance
from fsd_model.errors import InputError
from fsd_model.scores.utterance_table import Trial, read_trials, trials_beside, write_trials

HEADER = "utterance\tspeaker\tattack\tenvironment\tcodec\tkey\n"


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    trials = [
        Trial.of(Utterance("PA_E_1", "PA_0029", "BB", 0, Path("x.flac"), "bab")),
        Trial("7.wav", 'A "quoted"\tname', "-", "-", "C01", "bonafide"),
    ]
    write_trials(tmp_path / "t.tsv", trials)
    assert read_trials(tmp_path / "t.tsv") == trials
    assert (tmp_path / "t.tsv").read_text().startswith(f"{HEADER}PA_E_1\tPA_0029\tBB\tbab\t-\tspoof\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ":1: header must be"),
        ("utterance\tspeaker\n", ":1: header must be"),
        (f"{HEADER}a\tb\tc\n", ":2: line must have 6 columns, got 3"),
    ],
)
def test_a_bad_trials_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(InputError, match=f"t\\.tsv{words}"):
        read_trials(tmp_path / "t.tsv")
    with pytest.raises(InputError, match=r"none\.tsv: trials file must be readable"):
        read_trials(tmp_path / "none.tsv")


def test_a_trials_file_lies_beside_its_scores(tmp_path: Path) -> None:
    assert trials_beside(tmp_path / "eval.scores.txt") is None
    write_trials(tmp_path / "eval.trials.tsv", [])
    assert trials_beside(tmp_path / "eval.scores.txt") == tmp_path / "eval.trials.tsv"
    assert trials_beside(tmp_path / "aasist.txt") is None
