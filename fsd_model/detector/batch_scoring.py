"""Batch scoring of files, folders and streams of paths, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsd_model.data.audio import read_audio
from fsd_model.detector.detector import Detector
from fsd_model.errors import InputError

BATCH = 32
STREAM = "-"
SUFFIXES = (".flac", ".wav", ".ogg")


def audio_files(arguments: Iterable[str], stream: Iterable[str]) -> Iterator[Path]:
    """Yield the audio files that arguments name.

    Args:
        arguments: files; folders, for their FLAC, WAV and OGG files at any depth, sorted by path; `-` for the
            lines of `stream`, each a file or a folder, without empty lines.
        stream: such as standard input; read only as far as files are consumed.

    Raises:
        InputError: a folder without audio.
    """
    for name in arguments:
        if name == STREAM:
            yield from audio_files((line.rstrip("\r\n") for line in stream if line.strip()), ())
        elif Path(name).is_dir():
            yield from _in_folder(Path(name))
        else:
            yield Path(name)


def _in_folder(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise InputError(f"{folder}: must contain FLAC, WAV or OGG files, found none; check the folder")
    return files


def score_files(
    detector: Detector, paths: Iterable[Path], jobs: int = 1, batch: int = BATCH
) -> Iterator[tuple[Path, float | InputError]]:
    """Score files in order.

    Args:
        detector: front end and network.
        paths: audio files, also an endless stream; read `batch` at a time.
        jobs: threads that read audio and compute features.
        batch: number of files that the network computes at once; results come after each batch.

    Yields:
        Each path with its score (higher = more bona fide), or with the error of the file.
    """

    def features(path: Path) -> NDArray[np.float32] | InputError:
        try:
            return detector.features(read_audio(path))
        except InputError as error:
            return error

    rest = iter(paths)
    with ThreadPoolExecutor(jobs) as pool:
        while chunk := list(islice(rest, batch)):
            results = list(pool.map(features, chunk))
            good = [each for each in results if not isinstance(each, InputError)]
            scores = iter(detector.score_features(np.stack(good)).tolist() if good else ())
            for path, each in zip(chunk, results, strict=True):
                yield path, each if isinstance(each, InputError) else next(scores)
