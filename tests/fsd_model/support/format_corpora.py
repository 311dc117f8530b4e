"""A miniature corpus in each layout: 0.3 s of noise a file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import soundfile

from fsd_model.data.training_splits import DataConfig

LA_2021 = [
    "LA_0009 LA_E_1 alaw ita_tx A07 spoof notrim eval",
    "LA_0020 LA_E_2 g722 loc_tx bonafide bonafide notrim eval",
    "LA_0020 LA_E_3 none none - bonafide notrim eval",
    "LA_0020 LA_E_4 opus loc_tx A08 spoof notrim progress",
    "LA_0020 LA_E_5 opus loc_tx bonafide bonafide notrim progress",
]
PA_2021 = [
    "PA_0010 PA_E_1 R3 M3 d4 r1 m1 s4 c3 spoof notrim eval",
    "PA_0011 PA_E_2 R1 M2 D2 - - - - bonafide notrim eval",
    "PA_0011 PA_E_3 R1 M2 D2 - - - - bonafide trim hidden",
]
DF_2021 = [
    "LA_0023 DF_E_1 nocodec asvspoof A14 spoof notrim eval traditional_vocoder - - - -",
    "TEF2 DF_E_2 low_m4a vcc2020 Task1-team20 spoof notrim eval neural_vocoder Task1 team20 FF E",
    "LA_0023 DF_E_3 mp3m4a asvspoof - bonafide notrim eval bonafide - - - -",
]
TRAIN_5 = [
    "T_4850 T_1 F - - - AC3 A05 spoof -",
    "T_3734 T_2 F C05 4 T_7 - bonafide bonafide -",
]
OLD_5 = ["T_4850 T_1 - - - spoof", "T_3734 T_2 - - - bonafide"]
WILD = [("0.wav", "Alec Guinness", "spoof"), ("1.wav", "Alec Guinness", "bona-fide")]
MANIFEST = ("path", "speaker", "attack", "label", "split", "codec")
ROWS = [
    ("audio/a.flac", "s1", "-", "bonafide", "train", "-"),
    ("audio/b.flac", "s1", "A01", "spoof", "train", "opus"),
    ("audio/c.flac", "s2", "", "bonafide", "dev", ""),
    ("audio/d.flac", "s2", "A01", "spoof", "dev", ""),
    ("audio/e.flac", "s3", "-", "bonafide", "eval", "-"),
    ("audio/f.flac", "s3", "A02", "spoof", "eval", "-"),
]


def write_noise(
    path: Path, seed: int = 0, seconds: float = 0.3, rate: int = 16000, tail: float = 0.0
) -> Path:
    """A file of noise, different for each seed, with `tail` seconds of silence at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * rate))
    soundfile.write(path, np.append(noise, np.zeros(round(tail * rate))), rate)
    return path


def write_lines(file: Path, lines: Iterable[str]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(line + "\n" for line in lines))
    return file


def write_csv(file: Path, rows: Iterable[Iterable[str]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return file


def write_parquet(file: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Path:
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return file


def flacs(folder: Path, lines: Iterable[str]) -> None:
    for seed, line in enumerate(lines):
        write_noise(folder / f"{line.split()[1]}.flac", seed)


def make_2021(root: Path, track: str = "LA", lines: list[str] | None = None, keys: str = "") -> DataConfig:
    """Audio and key; `keys` is the folder of the key, by default as the archive unpacks."""
    lines = {"LA": LA_2021, "PA": PA_2021, "DF": DF_2021}[track] if lines is None else lines
    folder = root / (keys or f"{track}-keys-full/keys/{track}/CM")
    write_lines(folder / "trial_metadata.txt", lines)
    flacs(root / f"ASVspoof2021_{track}_eval" / "flac", [line for line in lines if len(line.split()) > 1])
    return DataConfig(root=root, track=track)


def make_5(root: Path, lines: list[str] | None = None, split: str = "train", folder: str = "") -> DataConfig:
    names = {"train": "train", "dev": "dev.track_1", "eval": "eval.track_1"}
    audio = {"train": "flac_T", "dev": "flac_D", "eval": "flac_E_eval"}
    lines = TRAIN_5 if lines is None else lines
    write_lines(root / folder / f"ASVspoof5.{names[split]}.tsv", lines)
    flacs(root / audio[split], [line for line in lines if len(line.split()) > 1])
    return DataConfig(root=root)


def make_wild(root: Path, rows: list[tuple[str, ...]] | None = None) -> DataConfig:
    rows = WILD if rows is None else rows
    write_csv(root / "meta.csv", [("file", "speaker", "label"), *rows])
    for seed, row in enumerate(rows):
        if row[0].endswith(".wav"):
            write_noise(root / row[0], seed)
    return DataConfig(root=root)


def make_manifest(
    root: Path, rows: list[tuple[str, ...]] | None = None, header: tuple[str, ...] = MANIFEST
) -> DataConfig:
    rows = ROWS if rows is None else rows
    write_csv(root / "manifest.csv", [header, *rows])
    for seed, row in enumerate(rows):
        if row and row[0].endswith(".flac"):
            write_noise(root / row[0], seed)
    return DataConfig(root=root)
