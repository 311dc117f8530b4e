"""Telephony and web codecs: a waveform encoded and decoded in memory by libsndfile.

`narrow_band`, `mu_law`, `a_law` (both G.711) and `gsm` (full rate 06.10) work at 8 kHz, so nothing above
4 kHz is left; `vorbis`, `opus` and `mp3` work at 16 kHz and take a degree of compression.

Shapes: S samples.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.random import Generator
from scipy.signal import resample_poly

from fsd_model.augmentation.config import Codec, CodecConfig
from fsd_model.augmentation.levels import Signal, limit
from fsd_model.data.audio import SAMPLE_RATE

_BLOCK = 16_000  # libsndfile overruns its stack when a Vorbis stream is written in one piece
_FULL_SCALE = 32767 / 32768  # the loudest sample that 16 bits hold on both sides of 0


@dataclass(frozen=True)
class _Coding:
    rate: int
    container: str = ""
    subtype: str = ""
    takes_compression: bool = False


_CODINGS: dict[Codec, _Coding] = {
    "narrow_band": _Coding(SAMPLE_RATE // 2),
    "mu_law": _Coding(SAMPLE_RATE // 2, "WAV", "ULAW"),
    "a_law": _Coding(SAMPLE_RATE // 2, "WAV", "ALAW"),
    "gsm": _Coding(SAMPLE_RATE // 2, "WAV", "GSM610"),
    "vorbis": _Coding(SAMPLE_RATE, "OGG", "VORBIS", takes_compression=True),
    "opus": _Coding(SAMPLE_RATE, "OGG", "OPUS", takes_compression=True),
    "mp3": _Coding(SAMPLE_RATE, "MP3", "MPEG_LAYER_III", takes_compression=True),
}


def random_codec(config: CodecConfig, wave_S: Signal, rng: Generator) -> Signal:
    """Pass the waveform through one of `config.names` at a random compression; see `through_codec`."""
    name = config.names[int(rng.integers(len(config.names)))]
    return through_codec(wave_S, name, rng.uniform(*config.compression))


def through_codec(wave_S: Signal, name: Codec, compression: float = 0.5) -> Signal:
    """Encode and decode a recording.

    Args:
        wave_S: (S,) in [-1, 1], 16 kHz.
        name: of the codec.
        compression: from 0 (best) to 0.99 (smallest); without effect at 8 kHz.

    Returns:
        (S,) in [-1, 1], in step with the recording.
    """
    if _CODINGS[name].rate == SAMPLE_RATE:
        return limit(at_own_rate(wave_S, name, compression)[: len(wave_S)])
    heard_S = np.asarray(resample_poly(at_own_rate(resample_poly(wave_S, 1, 2), name, compression), 2, 1))
    return limit(heard_S[: len(wave_S)])  # codecs work in blocks, and half an odd length rounds up


def at_own_rate(wave_S: Signal, name: Codec, compression: float = 0.5) -> Signal:
    """Encode and decode a signal at the codec's own rate; the result may be longer by a block."""
    coding = _CODINGS[name]
    if not coding.container:
        return wave_S
    scaled_S = limit(wave_S) * _FULL_SCALE  # resampling may pass 1
    memory = io.BytesIO()
    level = {"compression_level": compression} if coding.takes_compression else {}
    with soundfile.SoundFile(
        memory, "w", coding.rate, 1, format=coding.container, subtype=coding.subtype, **level
    ) as stream:
        for start in range(0, len(wave_S), _BLOCK):
            stream.write(scaled_S[start : start + _BLOCK])
    memory.seek(0)
    decoded_S, _ = soundfile.read(memory)
    return np.asarray(decoded_S, dtype=np.float64)
