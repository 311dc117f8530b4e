"""Features computed once per corpus and front end, then shared by all trials as a memory map.

A store folder is named by the SHA-256 of everything that determines its content, so a changed file or setting
never gets old features. Bad files that were left out are recorded in it (see `store_folder`).

Shapes: N utterances, F feature rows, T frames.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from fsd_model.data.audio import decode_audio, read_bytes
from fsd_model.data.audio_digests import audio_digests
from fsd_model.data.bad_files import WAY_OUT, LeftOut, check_remaining, reason_of
from fsd_model.data.utterance import Utterance
from fsd_model.errors import InputError
from fsd_model.features.front_end import FeatureConfig, extract, feature_shape
from fsd_model.features.storage_format import pack, record_type
from fsd_model.features.store_folder import ABOUT_FILE, bad_rows, build_once
from fsd_model.progress import Progress

STORE_VARIABLE = "FSD_STORE"

_VERSION = 1  # raise when front_end.py, audio.py or the layout below changes what is stored
_FLOAT16_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class StoredFeatures:
    """Features of a sequence of utterances.

    Attributes:
        array: (N, F, T) in the form of `storage_format` (float16; int16 for waveforms), read-only.
        content_digest: hexadecimal SHA-256 over the names, labels and audio bytes of the N utterances, the
            same on every machine and for every front end.
        utterances: the N utterances with a row: all requested ones minus those left out.
        left_out: the others, in order.
        lengths_N: samples of each recording; waveforms only.
    """

    array: NDArray[Any]
    content_digest: str
    utterances: tuple[Utterance, ...]
    left_out: tuple[LeftOut, ...] = ()
    lengths_N: NDArray[np.int32] | None = None


def default_store() -> Path:
    """Return the folder in the environment variable FSD_STORE, or one in the user's cache folder."""
    named = os.environ.get(STORE_VARIABLE)
    return Path(named).expanduser().absolute() if named else user_cache_path("fsd-tuner") / "features"


def open_features(
    store: Path,
    utterances: Sequence[Utterance],
    config: FeatureConfig,
    progress: Progress | None = None,
    skip_bad: bool = False,
) -> StoredFeatures:
    """Open the features of `utterances`, computing them if no process has done so before.

    Safe with several processes: one builds, the others wait. A second opening reads no audio.

    Args:
        store: folder of all features; created if missing.
        utterances: at least one.
        config: the front end.
        progress: called while building, after each utterance, with (done, total).
        skip_bad: whether to skip files that are missing or do not decode, instead of stopping at the first.

    Raises:
        InputError: no utterances, a bad audio file (named; with `skip_bad`: no good file of a class), or a
            store that is full or not writable (named); nothing half-built is left.
    """
    if not utterances:
        raise InputError("features must be of at least one utterance, got none; check the split")
    try:
        return _open(store, utterances, config, progress, skip_bad)
    except OSError as error:
        raise InputError(
            f"{store}: feature store must be writable and have space, got: {error.strerror or error};"
            f" free some space or name another folder in {STORE_VARIABLE}"
        ) from error


def _open(
    store: Path,
    utterances: Sequence[Utterance],
    config: FeatureConfig,
    progress: Progress | None,
    skip_bad: bool,
) -> StoredFeatures:
    missing = [u for u in utterances if not _readable(u.path)] if skip_bad else []
    gone = {u.name: "audio file must exist and be readable, got none" for u in missing}
    present = [u for u in utterances if u.name not in gone]
    digests = audio_digests(store / "digests", [utterance.path for utterance in present])
    folder = store / _key(present, digests, config)
    if not folder.is_dir():
        work = _Rows(present, digests, config, progress, skip_bad)
        build_once(folder, {_file_name(config): iter(work), ABOUT_FILE: work.about()})
    bad = bad_rows(folder)
    if bad and not skip_bad:
        number, reason = min(bad.items())
        raise InputError(f"{present[number].path}: {reason}; {WAY_OUT}")
    gone |= {present[number].name: reason for number, reason in bad.items()}
    good = [row for row in range(len(present)) if row not in bad]
    kept, left_out = tuple(present[row] for row in good), _records(utterances, gone)
    check_remaining(utterances, kept, left_out)
    records_N = _open_records(folder, len(kept), config)
    content = _content_digest(kept, [digests[row] for row in good])
    if config.kind == "waveform":
        return StoredFeatures(records_N["samples"], content, kept, left_out, records_N["length"])
    return StoredFeatures(records_N, content, kept, left_out)


def _readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def _records(utterances: Sequence[Utterance], gone: dict[str, str]) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(name=u.name, reason=gone[u.name]) for u in utterances if u.name in gone)


def _key(utterances: Sequence[Utterance], digests: list[str], config: FeatureConfig) -> str:
    audio = [(utterance.name, digest) for utterance, digest in zip(utterances, digests, strict=True)]
    return _digest([_VERSION, config.identity(), audio])


def _content_digest(utterances: Sequence[Utterance], digests: list[str]) -> str:
    return _digest([(u.name, u.label, digest) for u, digest in zip(utterances, digests, strict=True)])


def _digest(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _file_name(config: FeatureConfig) -> str:
    return "waveforms.i16" if config.kind == "waveform" else "features.f16"


class _Rows:
    """Rows of a store folder while it is built, and the content of `about.json` once all are done."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        digests: list[str],
        config: FeatureConfig,
        progress: Progress | None,
        skip_bad: bool,
    ) -> None:
        self.utterances, self.digests, self.config = utterances, digests, config
        self.progress, self.skip_bad = progress, skip_bad
        self.bad: dict[int, str] = {}

    def __iter__(self) -> Iterator[bytes]:
        for number, (utterance, digest) in enumerate(zip(self.utterances, self.digests, strict=True)):
            data = _unchanged(utterance.path, digest)
            try:
                yield _row(data, utterance.path, self.config)
            except InputError as error:
                if not self.skip_bad:
                    raise InputError(f"{error}; {WAY_OUT}") from error
                self.bad[number] = reason_of(utterance, error)
            if self.progress is not None:
                self.progress(number + 1, len(self.utterances))

    def about(self) -> Iterator[bytes]:
        """Yield the content of `about.json`; iterate the rows first."""
        shape = [len(self.utterances) - len(self.bad), *feature_shape(self.config)]
        about = {"front_end": self.config.identity(), "shape": shape, "record": str(record_type(self.config))}
        yield json.dumps({**about, "left_out": self.bad}).encode()


def _unchanged(path: Path, digest: str) -> bytes:
    data = read_bytes(path)
    if sha256(data).hexdigest() != digest:
        raise InputError(
            f"{path}: audio must not change under a run, got other bytes; touch it and start again"
        )
    return data


def _row(data: bytes, path: Path, config: FeatureConfig) -> bytes:
    waveform_S = decode_audio(data, path)
    features_FT = extract(config, waveform_S)
    peak = float(np.abs(features_FT).max())
    if not peak <= _FLOAT16_MAX:
        raise InputError(
            f"{path}: features must fit float16 (at most {_FLOAT16_MAX:g}), got {peak:g}; leave it out"
        )
    return pack(config, features_FT, len(waveform_S))


def _open_records(folder: Path, count: int, config: FeatureConfig) -> np.memmap[Any, np.dtype[Any]]:
    file = folder / _file_name(config)
    dtype = record_type(config)
    wanted, got = count * dtype.itemsize, file.stat().st_size
    if got != wanted:
        raise InputError(f"{file}: features must be {wanted} bytes, got {got}; delete the folder {folder}")
    return np.memmap(file, dtype=dtype, mode="r", shape=(count,))
