"""Features computed once per corpus and front end, then shared by all trials as a memory map.

A store folder is named by the SHA-256 of all that determines its content, so a changed file or setting can
never meet old features. It is built under a lock in a temporary folder and renamed when complete: a folder
under its final name is whole, whoever was killed when.

Shapes: N utterances, F feature rows, T frames.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from platformdirs import user_cache_path

from fsd_model.audio import decode_audio, read_bytes
from fsd_model.audio_digests import audio_digests
from fsd_model.dataset import Utterance
from fsd_model.errors import InputError
from fsd_model.features import FeatureConfig, extract, feature_shape
from fsd_model.packing import pack, record_type

STORE_VARIABLE = "FSD_STORE"

Progress: TypeAlias = Callable[[int, int], None]

_VERSION = 1  # raise when features.py, audio.py or the layout below changes what is stored
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class StoredFeatures:
    """Features of a sequence of utterances.

    `array` is (N, F, T) in the form of `packing` (float16; int16 for waveforms), read-only, in the order
    asked for; `content_digest` is the hexadecimal SHA-256 over the names, labels and audio bytes, the same on
    every machine and for every front end; `lengths_N`, of waveforms only, is each recording's samples.
    """

    array: NDArray[Any]
    content_digest: str
    lengths_N: NDArray[np.int32] | None = None


def default_store() -> Path:
    """Folder named by the environment variable FSD_STORE, else one in the user's cache folder."""
    named = os.environ.get(STORE_VARIABLE)
    return Path(named).expanduser().absolute() if named else user_cache_path("fsd-tuner") / "features"


def open_features(
    store: Path, utterances: Sequence[Utterance], config: FeatureConfig, progress: Progress | None = None
) -> StoredFeatures:
    """Open the features of `utterances`, computing them if no process has done so before.

    Safe in several processes at once: one builds, the others wait. A second opening reads no audio.

    Args:
        store: folder of all features; made if missing.
        utterances: at least one.
        config: the front end.
        progress: called while building, after each utterance, with (done, total).

    Raises:
        InputError: no utterances, a bad audio file (named), or a store that is full or not writable (named);
            no half-built features stay behind.
    """
    if not utterances:
        raise InputError("features must be of at least one utterance, got none; check the split")
    try:
        digests = audio_digests(store / "digests", [utterance.path for utterance in utterances])
        folder = store / _key(utterances, digests, config)
        if not folder.is_dir():
            files = {_file_name(config): _rows(utterances, digests, config, progress)}
            _build_once(folder, {**files, "about.json": iter([_about(utterances, config)])})
        records_N = _open_records(folder, len(utterances), config)
    except OSError as error:
        raise InputError(
            f"{store}: feature store must be writable and have space, got: {error.strerror or error};"
            f" free some space or name another folder in {STORE_VARIABLE}"
        ) from error
    content = _content_digest(utterances, digests)
    if config.kind == "waveform":
        return StoredFeatures(records_N["samples"], content, records_N["length"])
    return StoredFeatures(records_N, content)


def _key(utterances: Sequence[Utterance], digests: list[str], config: FeatureConfig) -> str:
    audio = [(utterance.name, digest) for utterance, digest in zip(utterances, digests, strict=True)]
    return _digest([_VERSION, config.identity(), audio])


def _content_digest(utterances: Sequence[Utterance], digests: list[str]) -> str:
    return _digest([(u.name, u.label, digest) for u, digest in zip(utterances, digests, strict=True)])


def _digest(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _about(utterances: Sequence[Utterance], config: FeatureConfig) -> bytes:
    shape = [len(utterances), *feature_shape(config)]
    record = str(record_type(config))
    return json.dumps({"front_end": config.identity(), "shape": shape, "record": record}).encode()


def _file_name(config: FeatureConfig) -> str:
    return "waveforms.i16" if config.kind == "waveform" else "features.f16"


def _rows(
    utterances: Sequence[Utterance], digests: list[str], config: FeatureConfig, progress: Progress | None
) -> Iterator[bytes]:
    for done, (utterance, digest) in enumerate(zip(utterances, digests, strict=True), start=1):
        yield _row(utterance.path, digest, config)
        if progress is not None:
            progress(done, len(utterances))


def _row(path: Path, digest: str, config: FeatureConfig) -> bytes:
    data = read_bytes(path)
    if sha256(data).hexdigest() != digest:
        raise InputError(
            f"{path}: audio must not change under a run, got other bytes; touch it and start again"
        )
    waveform_S = decode_audio(data, path)
    features_FT = extract(config, waveform_S)
    peak = float(np.abs(features_FT).max())
    if not peak <= _LARGEST:
        raise InputError(
            f"{path}: features must fit float16 (at most {_LARGEST:g}), got {peak:g}; leave it out"
        )
    return pack(config, features_FT, len(waveform_S))


def _build_once(folder: Path, files: dict[str, Iterator[bytes]]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if folder.is_dir():
            return
        temporary = folder.with_name(f"{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)  # of a builder that was killed: the lock is ours now
        try:
            _build(temporary, files)
            os.replace(temporary, folder)
            _flush(folder.parent)
        except BaseException:  # Ctrl-C and a stopped trial too: leave nothing behind
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _build(folder: Path, files: dict[str, Iterator[bytes]]) -> None:
    folder.mkdir()
    for name, pieces in files.items():
        # written, not mapped: a full disk is then an OSError here and no SIGBUS
        with open(folder / name, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
    _flush(folder)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_records(folder: Path, count: int, config: FeatureConfig) -> np.memmap[Any, np.dtype[Any]]:
    file = folder / _file_name(config)
    dtype = record_type(config)
    wanted, got = count * dtype.itemsize, file.stat().st_size
    if got != wanted:
        raise InputError(f"{file}: features must be {wanted} bytes, got {got}; delete the folder {folder}")
    return np.memmap(file, dtype=dtype, mode="r", shape=(count,))
