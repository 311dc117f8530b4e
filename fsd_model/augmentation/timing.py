"""Measured time of augmentation, for cost estimates."""

from __future__ import annotations

from collections.abc import Mapping

from fsd_model.augmentation.config import AugmentConfig, Codec
from fsd_model.features.front_end import FeatureConfig, Kind

_CODEC_MS: Mapping[Codec, float] = {
    "narrow_band": 1.6, "mu_law": 2.3, "a_law": 2.3, "gsm": 11, "vorbis": 11, "opus": 65, "mp3": 21,
}  # fmt: skip
_RAWBOOST_MS = {1: 9.0, 2: 0.1, 3: 2.8, 4: 11.0, 5: 9.0, 6: 11.0, 7: 2.9, 8: 9.0}
_NOISE_MS = 1.7
_FRONT_END_MS: Mapping[Kind, float] = {
    "f0_subband": 5.5, "log_power_spectrum": 11, "lfcc": 2.5, "waveform": 0.1,
}  # fmt: skip


def augmentation_ms(augment: AugmentConfig, feature: FeatureConfig) -> float:
    """Return the expected time to augment one utterance of 3.5 s, milliseconds on one core.

    Source: the table of docs/augmentation.md (`python -m tests.bench.augmentation`); masks count nothing.
    """
    noise, rawboost, codec = augment.noise, augment.rawboost, augment.codec
    steps = (
        noise.probability * _NOISE_MS
        + rawboost.probability * _RAWBOOST_MS[rawboost.algorithm]
        + codec.probability * sum(_CODEC_MS[name] for name in codec.names) / len(codec.names)
    )
    unchanged = (1 - noise.probability) * (1 - rawboost.probability) * (1 - codec.probability)
    return steps + (1 - unchanged) * _FRONT_END_MS[feature.kind]
