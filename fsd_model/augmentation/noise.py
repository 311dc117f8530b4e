"""Additive noise, synthetic or recorded.

Shapes: S samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator

from fsd_model.augmentation.config import NoiseConfig
from fsd_model.augmentation.levels import Signal, add_at_snr, limit
from fsd_model.data.audio import SAMPLE_RATE, at_16_khz
from fsd_model.data.audio_digests import audio_digests
from fsd_model.errors import InputError


def add_noise(config: NoiseConfig, files: NoiseFiles | None, wave_S: Signal, rng: Generator) -> Signal:
    """Add noise at a random signal-to-noise ratio.

    Args:
        config: colour and ratio.
        files: where the noise comes from; None makes coloured noise.
        wave_S: (S,) in [-1, 1], 16 kHz.
        rng: draws ratio and noise.

    Returns:
        (S,), scaled down where the peak would pass 1 (the ratio stays); silence stays silence.
    """
    snr_db = rng.uniform(*config.snr_db)
    if files is None:
        noise_S = coloured_noise(len(wave_S), rng.uniform(*config.colour), rng)
    else:
        noise_S = files.piece(len(wave_S), rng)
    return limit(add_at_snr(wave_S, noise_S, snr_db))


def coloured_noise(samples: int, colour: float, rng: Generator) -> Signal:
    """Draw Gaussian noise (S,) whose power falls as 1/f^colour; below the lowest bin it is flat."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** (-colour / 2)
    return np.fft.irfft(spectrum, samples)


_SUFFIXES = {".wav", ".flac", ".ogg"}


@dataclass(frozen=True)
class NoiseFiles:
    """Noise recordings of any rate and number of channels.

    Attributes:
        paths: in the order of their names below the folder.
        frames: length of each at its own rate, at least 1.
        rates: Hz.
    """

    paths: tuple[Path, ...]
    frames: tuple[int, ...]
    rates: tuple[int, ...]

    def digest(self, store: Path) -> str:
        """Return the SHA-256 over all files in order; `store` caches the digests of known files."""
        contents = audio_digests(store / "digests", self.paths)
        return sha256("".join(contents).encode()).hexdigest()

    def piece(self, samples: int, rng: Generator) -> Signal:
        """Draw a piece (S,) at 16 kHz from a random place of a random file, repeated if the file is shorter.

        Every file is drawn as often as the others, whatever its length.

        Raises:
            InputError: the file cannot be read any more, holds NaN or inf, or has an odd sampling rate.
        """
        chosen = int(rng.integers(len(self.paths)))
        path, length, rate = self.paths[chosen], self.frames[chosen], self.rates[chosen]
        count = min(math.ceil(samples * rate / SAMPLE_RATE), length)
        start = int(rng.integers(length - count, endpoint=True))
        noise_S = at_16_khz(_read(path, start, count), rate, path)
        return np.resize(noise_S, samples).astype(np.float64)


def open_noise(root: Path) -> NoiseFiles:
    """List a folder of noise and its subfolders; reads the headers only.

    Raises:
        InputError: no such folder, nothing in it, or a file that is no audio.
    """
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not paths:
        raise InputError(
            f"augment.noise.root: {root} must hold WAV, FLAC or OGG files, found none; name another folder"
        )
    headers = [_header(path) for path in paths]
    return NoiseFiles(tuple(paths), tuple(h[0] for h in headers), tuple(h[1] for h in headers))


def _header(path: Path) -> tuple[int, int]:
    try:
        header = soundfile.info(path)
    except soundfile.SoundFileError as error:
        raise InputError(f"{path}: noise must be audio, got: {error}; take it out of the folder") from error
    if not 0 < header.frames < 2**62:
        raise InputError(f"{path}: noise must hold samples, got {header.frames}; take it out of the folder")
    return int(header.frames), int(header.samplerate)


def _read(path: Path, start: int, frames: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    try:
        noise_SC, _ = soundfile.read(path, frames, start, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise InputError(
            f"{path}: noise must be readable, got: {error}; take it out of the folder"
        ) from error
    noise_S = noise_SC.mean(axis=1, dtype=np.float32)
    if not len(noise_S) or not np.isfinite(noise_S).all():
        raise InputError(f"{path}: noise must be whole and finite, got other; take it out of the folder")
    return np.asarray(noise_S)
