"""The lossy codec that every file of the demo corpus passed exactly once: Ogg Vorbis at 16 kHz."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile

from fsd_model.corpus.signals import SAMPLE_RATE_HZ, Floats, rms

COMPRESSION = 0.3  # soundfile's scale, 0 is best: about 50 kb/s
STORED_RMS = 0.05  # level of each utterance when it is encoded
_LEAD_IN = 4000  # an encoder needs a moment to settle; the recordings were encoded in the middle of a stream
_BLOCK = 16_000  # libsndfile overruns its stack when a Vorbis stream is written in one piece


def encode(wave_S: Floats, target: Path | io.BytesIO) -> None:
    """Write a signal as Ogg Vorbis with the settings of the corpus.

    Args:
        wave_S: (S,) at 16 kHz, within [-1, 1].
    """
    with soundfile.SoundFile(
        target, "w", SAMPLE_RATE_HZ, 1, format="OGG", subtype="VORBIS", compression_level=COMPRESSION
    ) as stream:
        for start in range(0, len(wave_S), _BLOCK):
            stream.write(wave_S[start : start + _BLOCK])


def stored_level(wave_S: Floats) -> Floats:
    """Scale a signal to the level at which utterances are encoded, lower where its peaks would clip."""
    scaled = wave_S * (STORED_RMS / rms(wave_S))
    return np.asarray(scaled * min(1.0, 0.95 / (np.abs(scaled).max() + 1e-9)))


def through_codec(wave_S: Floats) -> Floats:
    """Encode and decode a signal once; the result has the same length."""
    level = stored_level(wave_S)
    memory = io.BytesIO()
    encode(np.pad(level, _LEAD_IN), memory)
    memory.seek(0)
    decoded, _ = soundfile.read(memory)
    return np.asarray(decoded[_LEAD_IN : _LEAD_IN + len(wave_S)], dtype=np.float64)
