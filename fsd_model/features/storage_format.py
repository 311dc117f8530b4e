"""Storage format of front-end output, and its precision.

Spectral features are float16. A waveform is 16-bit PCM, the format of nearly every corpus, so it is
restored bit for bit at half the size of float32; other formats are rounded as if saved as a 16-bit file.
(float16 would keep 11 bits per sample.) The length of the recording is stored too, since a short one is
repeated.

Shapes: N utterances, F feature rows, T frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fsd_model.features.front_end import FeatureConfig, Features, feature_shape

_PCM = 32768


def record_type(config: FeatureConfig) -> np.dtype[Any]:
    """Return the record type: float16 (F, T), or `samples` int16 (1, samples) and `length` int32."""
    shape = feature_shape(config)
    if config.kind == "waveform":
        return np.dtype([("samples", "<i2", shape), ("length", "<i4")])
    return np.dtype(("<f2", shape))


def pack(config: FeatureConfig, features_FT: Features, length: int) -> bytes:
    """Return one utterance of `length` samples as a record."""
    stored_FT = to_stored(config, features_FT)
    if config.kind != "waveform":
        return stored_FT.tobytes()
    record = np.zeros((), record_type(config))
    record["samples"], record["length"] = stored_FT, length
    return record.tobytes()


def to_stored(config: FeatureConfig, features: Features) -> NDArray[Any]:
    """Round front-end output of any leading shape to the stored form: float16, or int16 for a waveform."""
    if config.kind != "waveform":
        return features.astype("<f2")
    samples = np.clip(np.rint(features * np.float32(_PCM)), -_PCM, _PCM - 1)
    return np.asarray(samples, dtype="<i2")


def from_stored(stored: NDArray[Any]) -> Features:
    """Convert stored features of any shape to float32; int16 is scaled to [-1, 1)."""
    features = stored.astype(np.float32)
    return features / np.float32(_PCM) if stored.dtype.kind == "i" else features


def tensor_from_stored(stored: Tensor) -> Tensor:
    """Convert as `from_stored`, on the tensor's device."""
    features = stored.float()
    return features if stored.is_floating_point() else features / _PCM


def as_stored(config: FeatureConfig, features: Features) -> Features:
    """Round front-end output as storing and reading it would."""
    return from_stored(to_stored(config, features))
