"""Front ends of fixed size: F0 subband, log-power spectrum ("LPS"), LFCC, and the waveform itself.

The spectrogram is that of the method's authors: the first 5 s, pre-emphasis 0.97, 1728-point STFT (108 ms,
bins of 9.26 Hz) every 130 samples (8.125 ms), Blackman window, natural log of the magnitude. The F0
subband is its lowest 45 bins (0-407 Hz), the LPS its lowest 432 (0-3.99 kHz). No normalisation.

Computed in float64: in float32 the rounding of loud bins exceeds quiet bins beside them (6 % of the values of
a real recording are off by more than 1e-3).

Source: Xue et al., arXiv 2208.01214 and 2303.01211; the authors' extractor, SRLARes2NetF0Subband 9ba0edb.

Shapes: S samples, K STFT bins, F feature rows, T frames.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor
from torchaudio.functional import compute_deltas, create_dct, linear_fbanks

from fsd_model.data.audio import SAMPLE_RATE, Waveform
from fsd_model.errors import InputError
from fsd_model.features.low_band_stft import FFT, HOP, blackman, magnitudes
from fsd_model.settings import Settings

Spectral: TypeAlias = Literal["f0_subband", "log_power_spectrum", "lfcc"]
Kind: TypeAlias = Literal[Spectral, "waveform"]
Pad: TypeAlias = Literal["zero", "reflect"]
Features: TypeAlias = NDArray[np.float32]

MAX_SAMPLES = 80_000
FRAMES = 600
LFCC_FFT, LFCC_WINDOW, LFCC_HOP, LFCC_FRAMES, COEFFICIENTS = 512, 320, 160, 400, 20
LOG_FLOOR = math.exp(-80)
_SHAPES: dict[Spectral, tuple[int, int]] = {
    "f0_subband": (45, FRAMES),
    "log_power_spectrum": (432, FRAMES),
    "lfcc": (60, LFCC_FRAMES),
}
_NUMPY_PAD: dict[Pad, Literal["constant", "reflect"]] = {"zero": "constant", "reflect": "reflect"}


class FeatureConfig(Settings):
    """Front end of a detector.

    Attributes:
        kind: the front end.
        pad: fills half a window before and after the recording, so it changes only the first and last frames;
            ignored for the waveform.
        samples: length of the waveform; ignored for the others. 64,600 (4.04 s) as AASIST.
    """

    kind: Kind = "f0_subband"
    pad: Pad = "zero"
    samples: int = Field(64_600, ge=1, le=480_000)

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide the result of `extract`."""
        unused = {"pad"} if self.kind == "waveform" else {"samples"}
        return self.model_dump(mode="json", exclude=unused)

    @model_validator(mode="before")
    @classmethod
    def _no_choice_of_window(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "window" not in given:
            return given
        if given["window"] != "symmetric":
            raise InputError(f"feature.window: is no longer a setting, got {given['window']!r}; remove it")
        return {key: value for key, value in given.items() if key != "window"}


def feature_shape(config: FeatureConfig) -> tuple[int, int]:
    """Return rows and frames (F, T) of the features of any recording."""
    return (1, config.samples) if config.kind == "waveform" else _SHAPES[config.kind]


def extract(config: FeatureConfig, waveform_S: Waveform) -> Features:
    """Compute the configured front end; see the function of its name.

    Returns:
        (F, T) float32, `feature_shape(config)`.

    Raises:
        InputError: the waveform is empty, not one-dimensional, not floating point, or contains NaN or inf.
    """
    if config.kind == "waveform":
        return waveform(waveform_S, config.samples)
    if config.kind == "lfcc":
        return lfcc(waveform_S, config.pad)
    spectrogram = f0_subband if config.kind == "f0_subband" else log_power_spectrum
    return spectrogram(waveform_S, config.pad)


def f0_subband(waveform_S: Waveform, pad: Pad = "zero") -> Features:
    """Return the lowest 45 bins (0-407 Hz) of the log spectrogram.

    Args:
        waveform_S: (S,) floating point in [-1, 1), 16 kHz; samples after the first 80,000 are not used.
        pad: padding of the centred frames at both ends. A recording shorter than half a window is reflected
            repeatedly.

    Returns:
        (45, 600) float32, natural log of the magnitude, at least -80. Recordings below 4.87 s are extended by
        their mirror image, then doubled until they fill the 600 frames.

    Raises:
        InputError: as `extract`.
    """
    emphasised_S = _emphasised(_checked(waveform_S))
    hops = min(1 + len(emphasised_S) // HOP, FRAMES) + FFT // HOP  # hops that the frames cover
    magnitude_FT = magnitudes(_padded(emphasised_S, pad, hops * HOP), _SHAPES["f0_subband"][0])
    return _finish(np.log(magnitude_FT + LOG_FLOOR), FRAMES)


def log_power_spectrum(waveform_S: Waveform, pad: Pad = "zero") -> Features:
    """Return the lowest 432 bins (0-3.99 kHz) of the same spectrogram, (432, 600) float32; as
    `f0_subband`.
    """
    spectrum_KT = _stft(_emphasised(_checked(waveform_S)), FFT, HOP, blackman(), pad)
    magnitude_FT = spectrum_KT[: _SHAPES["log_power_spectrum"][0]].abs()
    return _finish(torch.log(magnitude_FT + LOG_FLOOR).numpy(), FRAMES)


def lfcc(waveform_S: Waveform, pad: Pad = "zero") -> Features:
    """Return linear-frequency cepstral coefficients: 20 static, 20 delta, 20 double delta.

    Hann window of 20 ms every 10 ms, 512-point power spectrum, 20 triangular filters from 0 to 8 kHz, natural
    log (offset 1e-6), orthonormal DCT-II; regression deltas over 5 frames, taken before the tiling.

    Args:
        waveform_S: as `f0_subband`.
        pad: as `f0_subband`.

    Returns:
        (60, 400) float32: 4 s. Shorter recordings are tiled by the rule of `f0_subband`.

    Raises:
        InputError: as `extract`.
    """
    window = torch.hann_window(LFCC_WINDOW, dtype=torch.float64)
    power_KT = _stft(_checked(waveform_S), LFCC_FFT, LFCC_HOP, window, pad).abs().square()
    static_FT = _lfcc_dct().T @ torch.log(_lfcc_filters().T @ power_KT + 1e-6)
    delta_FT = compute_deltas(static_FT)
    return _finish(torch.cat([static_FT, delta_FT, compute_deltas(delta_FT)]).numpy(), LFCC_FRAMES)


def waveform(waveform_S: Waveform, samples: int) -> Features:
    """Return the first `samples` samples of the recording, a shorter one repeated from its start.

    Args:
        waveform_S: (S,) floating point in [-1, 1), 16 kHz.
        samples: length.

    Returns:
        (1, samples) float32.

    Raises:
        InputError: as `extract`.

    Source: the loader of AASIST and RawNet2, which also cut first and repeat without mirroring.
    """
    return np.resize(_checked(waveform_S, samples), (1, samples)).astype(np.float32)


def tile(frames_FT: Features, length: int) -> Features:
    """Extend or cut frames to `length`: append the mirror image once, then double until long enough, cut.

    Args:
        frames_FT: (F, T) with T >= 1.
        length: number of frames.

    Returns:
        (F, length); the first T columns are the given ones where T < length.
    """
    if frames_FT.shape[1] < length:
        frames_FT = np.concatenate([frames_FT, frames_FT[:, ::-1]], axis=1)
    doublings = max(0, math.ceil(math.log2(length / frames_FT.shape[1])))
    return np.tile(frames_FT, 2**doublings)[:, :length]


def _emphasised(samples_S: NDArray[np.float64]) -> NDArray[np.float64]:
    emphasised_S = np.empty_like(samples_S)
    emphasised_S[0] = samples_S[0]
    np.multiply(samples_S[:-1], -0.97, out=emphasised_S[1:])
    emphasised_S[1:] += samples_S[1:]
    return emphasised_S


def _finish(features_FT: NDArray[np.float64], length: int) -> Features:
    return np.ascontiguousarray(tile(features_FT.astype(np.float32), length))


def _padded(samples_S: NDArray[np.float64], pad: Pad, length: int) -> NDArray[np.float64]:
    """Pad half a window before the samples, and after them up to `length`."""
    end = FFT // 2 + len(samples_S)
    if pad == "reflect":
        return np.pad(samples_S, (FFT // 2, max(0, length - end)), mode="reflect")[:length]
    padded_S = np.zeros(max(length, end))
    padded_S[FFT // 2 : end] = samples_S
    return padded_S[:length]


def _stft(samples_S: NDArray[np.float64], size: int, hop: int, window: Tensor, pad: Pad) -> Tensor:
    # padded by NumPy: unlike PyTorch it also reflects recordings shorter than the padding
    padded = torch.from_numpy(np.pad(samples_S, size // 2, mode=_NUMPY_PAD[pad]))
    return torch.stft(padded, size, hop, len(window), window, center=False, return_complex=True)


def _checked(waveform_S: Waveform, longest: int = MAX_SAMPLES) -> NDArray[np.float64]:
    waveform_S = np.asarray(waveform_S)
    if waveform_S.ndim != 1 or not waveform_S.size or waveform_S.dtype.kind != "f":
        raise InputError(
            "waveform must be one-dimensional, floating point and not empty,"
            f" got {waveform_S.dtype} {waveform_S.shape}; read it with read_audio"
        )
    if not np.isfinite(waveform_S).all():
        bad = int(np.flatnonzero(~np.isfinite(waveform_S))[0])
        raise InputError(
            f"waveform must be finite, got {waveform_S[bad]} at sample {bad}; read the file again"
        )
    return waveform_S[:longest].astype(np.float64)


@cache
def _lfcc_filters() -> Tensor:
    filters_KF: Tensor = linear_fbanks(
        LFCC_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, COEFFICIENTS, SAMPLE_RATE
    ).double()
    return filters_KF


@cache
def _lfcc_dct() -> Tensor:
    matrix_FF: Tensor = create_dct(COEFFICIENTS, COEFFICIENTS, norm="ortho").double()
    return matrix_FF
