"""Audio files as mono float32 at 16 kHz; the one place that converts seconds to samples.

A damaged file must never pass as a shorter one, and libsndfile alone does not ensure that: it refuses a
truncated FLAC, but reads a truncated WAV or OGG without an error. So the lengths in their containers are
checked.

Shapes: S samples.
"""

from __future__ import annotations

import io
import math
from mmap import mmap
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torchaudio.functional import resample

from fsd_model.errors import InputError

SAMPLE_RATE = 16000

Waveform: TypeAlias = NDArray[np.float32]

_LARGEST = np.nextafter(np.float32(1), np.float32(0))
_OVERSHOOT = 2.0  # lossy decoders exceed 1.0 slightly; beyond 2.0 the samples are not scaled to [-1, 1)
_LONGEST_FILTER = (
    1000  # larger term of the reduced ratio of rates (44100:16000 = 441:160); a prime rate would need a GB
)


def seconds_to_samples(seconds: float) -> int:
    """Convert a duration in seconds to the nearest number of samples at 16 kHz.

    Raises:
        InputError: negative, NaN or infinite.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(f"duration must be a finite number of seconds >= 0, got {seconds}; give e.g. 4.0")
    return round(seconds * SAMPLE_RATE)


def read_audio(path: str | PathLike[str]) -> Waveform:
    """Read a FLAC, WAV or OGG file.

    Args:
        path: audio file of any sampling rate and number of channels (resampled, averaged).

    Returns:
        (S,) float32 in [-1, 1), 16 kHz.

    Raises:
        InputError: missing, empty, truncated, undecodable, not finite or not scaled to [-1, 1).
    """
    return decode_audio(read_bytes(path), path)


def read_bytes(path: str | PathLike[str]) -> bytes:
    """Return the bytes of a file.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str | PathLike[str], error: OSError) -> InputError:
    """Return the error for a file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: audio file must exist, found none; check the name and the folder")
    return InputError(f"{path}: audio file must be readable, got: {error.strerror}; check it")


def decode_audio(data: bytes, path: str | PathLike[str]) -> Waveform:
    """Decode the bytes of an audio file; see `read_audio`. `path` is only used in error messages."""
    if not data:
        raise InputError(f"{path}: audio file must hold samples, got 0 bytes; copy or record it again")
    if is_cut(data):
        raise InputError(
            f"{path}: audio must be as long as its header says, got {len(data)} bytes and a cut-off end;"
            " copy or download it again"
        )
    samples_SC, rate = _decode(data, path)
    return scaled(at_16_khz(mono(samples_SC, path), rate, path), path)


def mono(samples_SC: NDArray[np.float32], path: str | PathLike[str]) -> Waveform:
    """Return the mean of C channels, (S,). `path` is only used in error messages.

    Raises:
        InputError: NaN or inf.
    """
    if not np.isfinite(samples_SC).all():
        raise InputError(f"{path}: samples must be finite, got NaN or inf; export it again as 16-bit PCM")
    # NumPy is slow at the mean of one channel
    mean_S: Waveform = (
        samples_SC[:, 0] if samples_SC.shape[1] == 1 else samples_SC.mean(axis=1, dtype=np.float32)
    )
    return mean_S


def scaled(waveform_S: Waveform, path: str | PathLike[str]) -> Waveform:
    """Clip a waveform (S >= 1,) to [-1, 1), which lossy decoders exceed slightly.

    Raises:
        InputError: samples that are not scaled to that range.
    """
    peak = float(np.abs(waveform_S).max())
    if not peak <= _OVERSHOOT:
        raise InputError(
            f"{path}: samples must lie in [-1, 1), got a peak of {peak:g}; save it as 16-bit PCM"
        )
    return np.clip(waveform_S, np.float32(-1), _LARGEST)


def _decode(data: bytes, path: str | PathLike[str]) -> tuple[NDArray[np.float32], int]:
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            announced, rate = file.frames, file.samplerate
            check_length(announced, path)
            samples_SC = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, MemoryError) as error:  # MemoryError: a damaged length in the header
        reason = str(error).split(": ", 1)[-1].strip(" :.")
        raise InputError(
            f"{path}: audio must be whole FLAC, WAV or OGG, got {len(data)} bytes that do not decode"
            f" ({reason}); copy or download it again, or leave it out"
        ) from error
    if len(samples_SC) != announced:
        raise InputError(
            f"{path}: audio must be as long as its header says ({announced} samples), got {len(samples_SC)};"
            " copy or download it again"
        )
    return samples_SC, rate


def check_length(announced: int, path: str | PathLike[str]) -> None:
    """Raise if a header announces no samples or an unknown number."""
    if announced == 0:
        raise InputError(f"{path}: audio must hold samples, got a header and 0 samples; record it again")
    if announced >= 2**62:  # libsndfile's way to say that a FLAC written to a pipe does not know its length
        raise InputError(f"{path}: a FLAC must state its length, got an unknown one; encode it again")


def at_16_khz(waveform_S: Waveform, rate: int, path: str | PathLike[str] = "waveform") -> Waveform:
    """Resample a waveform (S,) of `rate` Hz to 16 kHz; `path` names it in errors.

    Raises:
        InputError: a rate without a small common divisor with 16 kHz.
    """
    if rate == SAMPLE_RATE:
        return waveform_S
    terms = max(rate, SAMPLE_RATE) // math.gcd(rate, SAMPLE_RATE)
    if terms > _LONGEST_FILTER:
        raise InputError(
            f"{path}: sampling rate must be a usual one, got {rate} Hz; resample it to {SAMPLE_RATE} Hz"
        )
    resampled: Waveform = resample(torch.from_numpy(waveform_S), rate, SAMPLE_RATE).numpy()
    return resampled


def is_cut(data: bytes | mmap) -> bool:
    """Return whether a WAV or OGG is shorter than its container states."""
    if data[:4] == b"RIFF":
        size = int.from_bytes(data[4:8], "little")
        # 0xFFFFFFFF: written to a pipe, size unknown. One byte less: some writers leave the padding byte out.
        return size != 0xFFFFFFFF and len(data) + 1 < size + 8
    return data[:4] == b"OggS" and not _ends_ogg(data)


def _ends_ogg(data: bytes | mmap) -> bool:
    """Return whether the last page is complete and has the end-of-stream flag (RFC 3533, section 6)."""
    page = data[data.rfind(b"OggS") :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return False
    return bool(page[5] & 4) and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
