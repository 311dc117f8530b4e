"""Measures of one audio file for `data check`.

Shapes: S samples, C channels.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import soundfile

from fsd_model.data.audio import SAMPLE_RATE, Waveform, decode_audio, read_bytes

SILENCE_DB = -40.0
_FLOOR_DB = -120.0
_DIGEST_BYTES = 16  # two of a million files meet by chance with a probability of 1e-27


@dataclass(frozen=True, slots=True)
class Measured:
    """One file.

    Attributes:
        rate: sampling rate of the file, Hz.
        seconds: duration.
        leading_ms, trailing_ms: silence before the first and after the last sample that is louder than 40 dB
            below the file's own peak, milliseconds; a file of zeros is all silence.
        level_db: root mean square, dB relative to full scale, at least -120.
        content: digest of the file's bytes.
        sound: digest of its decoded samples at 16 kHz.
    """

    rate: int
    seconds: float
    leading_ms: float
    trailing_ms: float
    level_db: float
    content: bytes
    sound: bytes


def measure(path: Path) -> Measured:
    """Read and measure one file.

    Raises:
        InputError: as `fsd_model.data.audio.read_audio`.
    """
    data = read_bytes(path)
    waveform_S = decode_audio(data, path)
    leading, trailing = silence(waveform_S)
    return Measured(
        rate=int(soundfile.info(io.BytesIO(data)).samplerate),
        seconds=len(waveform_S) / SAMPLE_RATE,
        leading_ms=1000 * leading / SAMPLE_RATE,
        trailing_ms=1000 * trailing / SAMPLE_RATE,
        level_db=level(waveform_S),
        content=blake2b(data, digest_size=_DIGEST_BYTES).digest(),
        sound=blake2b(waveform_S.tobytes(), digest_size=_DIGEST_BYTES).digest(),
    )


def silence(waveform_S: Waveform) -> tuple[int, int]:
    """Return the numbers of samples before the first and after the last one above 40 dB below the peak.

    Args:
        waveform_S: S >= 1 samples.
    """
    magnitude_S = np.abs(waveform_S)
    peak = float(magnitude_S.max())
    if peak == 0:
        return len(waveform_S), len(waveform_S)
    loud = np.flatnonzero(magnitude_S > peak * 10 ** (SILENCE_DB / 20))
    return int(loud[0]), int(len(waveform_S) - 1 - loud[-1])


def level(waveform_S: Waveform) -> float:
    """Return the root mean square of a waveform in dB relative to full scale, at least -120."""
    power = float(np.mean(np.square(waveform_S, dtype=np.float64)))
    return max(_FLOOR_DB, 10 * math.log10(power)) if power > 0 else _FLOOR_DB
