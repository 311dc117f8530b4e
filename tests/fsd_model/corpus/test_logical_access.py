"""The demo corpus: layout, content, repeatability, and that nothing trivial gives the fakes away."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fsd_model.corpus.attacks import text_to_speech
from fsd_model.corpus.attacks.registry import KNOWN, UNKNOWN, usable
from fsd_model.corpus.folder import digest
from fsd_model.corpus.logical_access import make_corpus
from fsd_model.corpus.plan import NO_ATTACK, SPLITS, plan
from fsd_model.corpus.track import LA
from fsd_model.corpus.voices import RECORDINGS, VOICES, Split, read_index
from fsd_model.errors import InputError
from tests.fsd_model.support.trivial_measures import MEASURES, Wave, equal_error_rate

COUNTS = {"train": (400, 600), "dev": (200, 300), "eval": (350, 600)}
LETTER = {"train": "T", "dev": "D", "eval": "E"}


@dataclass(frozen=True)
class Row:
    speaker: str
    utterance: str
    environment: str
    system: str
    key: str


def rows(root: Path, split: Split) -> list[Row]:
    return [Row(*line.split(" ")) for line in LA.protocol(root, split).read_text("utf-8").splitlines()]


@cache
def waves(root: Path, split: Split) -> list[Wave]:
    folder = LA.audio(root, split)
    return [soundfile.read(folder / f"{row.utterance}.flac")[0] for row in rows(root, split)]


def separations(root: Path) -> dict[str, dict[str, float]]:
    """EER of every measure on dev and eval, its direction chosen on train."""
    found = {}
    for name, measure in MEASURES.items():
        rate = {}
        sign = 1.0
        for split in SPLITS:
            values = np.array([measure(wave) for wave in waves(root, split)])
            real = np.array([row.key == "bonafide" for row in rows(root, split)])
            if split == "train":
                sign = 1.0 if equal_error_rate(values[real], values[~real]) <= 0.5 else -1.0
            rate[split] = equal_error_rate(sign * values[real], sign * values[~real])
        found[name] = rate
    return found


@pytest.fixture(scope="module")
def separations_in_part(demo_part: Path) -> dict[str, dict[str, float]]:
    return separations(demo_part)


@pytest.fixture(scope="module")
def separations_in_all(demo_corpus: Path) -> dict[str, dict[str, float]]:
    return separations(demo_corpus)


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_no_trivial_measure_tells_a_fake_in_a_part(
    measure: str, separations_in_part: dict[str, dict[str, float]]
) -> None:
    """Wider bounds than for the whole: dev has 83 files here, where an EER has a deviation of 0.06."""
    rates = separations_in_part[measure]
    assert all(0.3 <= rates[split] <= 0.7 for split in ("dev", "eval")), rates


@pytest.mark.long
@pytest.mark.parametrize("measure", MEASURES)
def test_no_trivial_measure_tells_a_fake(
    measure: str, separations_in_all: dict[str, dict[str, float]]
) -> None:
    rates = separations_in_all[measure]
    assert 0.4 <= rates["dev"] <= 0.6, f"{measure} separates the classes on dev: EER {rates['dev']:.1%}"
    assert 0.4 <= rates["eval"] <= 0.6, f"{measure} separates the classes on eval: EER {rates['eval']:.1%}"


def test_the_leak_measures_would_see_a_leak() -> None:
    """The rates above mean something: a measure that differs by two deviations has EER Phi(-1) = 15.9 %."""
    rng = np.random.default_rng(0)
    rate = equal_error_rate(rng.normal(2, 1, 20_000), rng.normal(0, 1, 20_000))
    assert rate == pytest.approx(0.1587, abs=0.005)
    assert equal_error_rate(np.zeros(30), np.zeros(40)) == 0.5


@pytest.mark.parametrize("split", SPLITS)
def test_demo_holds_what_it_promises(split: Split) -> None:
    here = [item for item in plan("demo") if item.split == split]
    spoofs = [item.attack for item in here if item.attack != NO_ATTACK]
    assert (len(here) - len(spoofs), len(spoofs)) == COUNTS[split]
    assert set(spoofs) == set(usable(UNKNOWN if split == "eval" else KNOWN))
    per_system = Counter(spoofs).values()
    assert max(per_system) - min(per_system) <= 1


@pytest.mark.long
@pytest.mark.parametrize("split", SPLITS)
def test_the_whole_demo_is_what_was_planned(split: Split, demo_corpus: Path) -> None:
    planned = [item.protocol_line for item in plan("demo") if item.split == split]
    assert LA.protocol(demo_corpus, split).read_text("utf-8") == "".join(planned)
    sound(demo_corpus, split)


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_demo_audio_is_sound(split: Split, demo_part: Path) -> None:
    sound(demo_part, split)


def sound(root: Path, split: Split) -> None:
    """Speech level, no clipping, no stretch of silence longer than a pause, one to six seconds."""
    for row, wave in zip(rows(root, split), waves(root, split), strict=True):
        level_db = 20 * np.log10(np.sqrt(np.mean(wave**2)))
        assert -36 < level_db < -16, row
        assert np.abs(wave).max() < 0.97, row
        assert 0.8 < len(wave) / 16_000 < 6, row


@pytest.mark.parametrize("split", SPLITS)
def test_layout_is_that_of_asvspoof(split: Split, tiny_corpus: Path) -> None:
    here = rows(tiny_corpus, split)
    for row in here:
        assert re.fullmatch(r"LA_\d{4}", row.speaker)
        assert re.fullmatch(rf"LA_{LETTER[split]}_\d{{7}}", row.utterance)
        assert row.environment == "-"
        assert (row.key == "bonafide") == (row.system == "-")
        assert row.key in ("bonafide", "spoof")
    listed = sorted(f"{row.utterance}.flac" for row in here)
    assert len(set(listed)) == len(listed)
    assert sorted(file.name for file in LA.audio(tiny_corpus, split).iterdir()) == listed


@pytest.mark.parametrize("split", SPLITS)
def test_files_are_16_khz_16_bit_mono_flac(split: Split, tiny_corpus: Path) -> None:
    for file in LA.audio(tiny_corpus, split).iterdir():
        info = soundfile.info(file)
        assert (info.format, info.subtype, info.samplerate, info.channels) == ("FLAC", "PCM_16", 16_000, 1)
        assert len(soundfile.read(file)[0]) == info.frames > 8000


def test_speakers_are_disjoint_and_have_both_classes(tiny_corpus: Path) -> None:
    speakers = {split: {row.speaker for row in rows(tiny_corpus, split)} for split in SPLITS}
    assert not speakers["train"] & speakers["dev"]
    assert not (speakers["train"] | speakers["dev"]) & speakers["eval"]
    for split in SPLITS:
        for key in ("bonafide", "spoof"):
            assert {row.speaker for row in rows(tiny_corpus, split) if row.key == key} == speakers[split]


def test_known_attacks_stay_out_of_eval(tiny_corpus: Path) -> None:
    systems = {split: {row.system for row in rows(tiny_corpus, split)} - {"-"} for split in SPLITS}
    assert systems["train"] == systems["dev"] == set(KNOWN)
    assert systems["eval"] == set(usable(UNKNOWN))
    assert not systems["eval"] & set(KNOWN)
    assert UNKNOWN["A16"] is KNOWN["A04"]
    assert UNKNOWN["A19"] is KNOWN["A06"]
    assert len({*KNOWN.values(), *UNKNOWN.values()}) >= 10


@pytest.mark.parametrize("split", SPLITS)
def test_ids_do_not_tell_the_class(split: Split) -> None:
    """In the order of the ids, which is that of the protocol, both classes lie evenly."""
    here = [item for item in plan("demo") if item.split == split]
    assert [item.utterance for item in here] == sorted(item.utterance for item in here)
    number = np.array([int(item.utterance[5:]) for item in here], dtype=float)
    real = np.array([item.attack == "-" for item in here])
    assert 0.45 <= equal_error_rate(number[real], number[~real]) <= 0.55


def test_two_makes_are_bit_identical_whatever_the_number_of_processes(
    tiny_corpus: Path, tmp_path: Path
) -> None:
    """The fixture has one process per core, this one a single one, which also counts every file."""
    seen: list[tuple[int, int]] = []
    summary = make_corpus(tmp_path / "out", "tiny", 1, lambda done, total: seen.append((done, total)))
    assert summary == make_corpus(tiny_corpus, "tiny")
    files = [sorted(root.rglob("*.flac")) for root in (tiny_corpus, tmp_path / "out")]
    total = sum(sum(by_system.values()) for by_system in summary.files.values())
    assert len(files[0]) == total
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_a_finished_corpus_is_left_as_it_is(tiny_corpus: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_corpus.rglob("*")}
    summary = make_corpus(tiny_corpus, "tiny", progress=lambda done, total: pytest.fail("made again"))
    assert {path: path.stat().st_mtime_ns for path in tiny_corpus.rglob("*")} == before
    assert summary.digest == digest(tiny_corpus, (".flac", ".txt"))
    assert json.loads((tiny_corpus / "corpus.json").read_text("utf-8"))["digest"] == summary.digest


def test_an_interrupted_make_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_corpus(tmp_path / "out", "tiny", 2, interrupt)
    assert list(tmp_path.iterdir()) == []


def _foreign(folder: Path) -> Iterator[Path]:
    file = folder / "file"
    file.write_text("not a folder")
    yield file
    other = folder / "other"
    (other / "LA").mkdir(parents=True)
    (other / "LA" / "mine.flac").write_bytes(b"mine")
    yield other
    broken = folder / "broken"
    broken.mkdir()
    (broken / "corpus.json").write_text('{"variant": "tiny"}')
    yield broken


def test_a_folder_with_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    for folder in _foreign(tmp_path):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(
            InputError, match=r"holds something other than a demo corpus; delete it or choose"
        ):
            make_corpus(folder, "tiny")
        assert sorted(tmp_path.rglob("*")) == before


def test_the_other_variant_is_refused(tiny_corpus: Path) -> None:
    with pytest.raises(InputError, match=r"holds another corpus \(tiny\)"):
        make_corpus(tiny_corpus, "demo")


def test_a_corpus_that_lost_a_file_is_refused(tiny_corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_corpus, tmp_path / "out")
    next(LA.audio(tmp_path / "out", "dev").iterdir()).unlink()
    with pytest.raises(InputError, match=r"dev/flac: 25 files of 26"):
        make_corpus(tmp_path / "out", "tiny")


def test_without_a_synthesiser_the_other_attacks_fill_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_to_speech, "is_available", lambda: False)
    spoofs = [item for item in plan("demo") if item.split == "eval" and item.attack != "-"]
    assert {item.attack for item in spoofs} == set(UNKNOWN) - {"A07", "A15"}
    assert len(spoofs) == COUNTS["eval"][1]


def test_recordings_are_complete_and_licensed() -> None:
    sizes = [file.stat().st_size for file in RECORDINGS.rglob("*") if file.is_file()]
    assert sum(sizes) < 20e6
    assert max(sizes) < 4.5e6
    samples = 0
    for stem in (stem for voice in VOICES for stem in voice.stems):
        source, name = stem.split("/")
        folder = RECORDINGS / source
        assert len((folder / "LICENSE.txt").read_text("utf-8")) > 10_000, "the full text, not a reference"
        assert "Debian package" in (folder / "ATTRIBUTION.md").read_text("utf-8")
        frames = soundfile.info(folder / f"{name}.ogg").frames
        index = [row for row in read_index(folder) if row["recording"] == name]
        for row in index:
            assert 16_000 <= int(row["length"]) <= 5 * 16_000, row
            assert int(row["start"]) + int(row["length"]) <= frames, row
        samples += sum(int(row["length"]) for row in index)
    assert 35 <= samples / 16_000 / 60 <= 45
