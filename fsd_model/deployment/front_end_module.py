"""The front ends as exportable tensor programs: recordings in, features out.

Equal to `features.front_end.extract` and the rounding of the feature store. Transforms are products with a
matrix of cosines and sines, in float64 as there. Crop, padding, mirroring and tiling are index arithmetic:
column j of the output is a frame of the recording, and sample n of that frame is a sample of it or lies
outside. So the output has a fixed shape and only the number of samples varies. That number is counted in the
graph, not read from a shape, and stays variable in every kind of export.

Shapes: B recordings of S samples each, N samples of a frame, K bins, F feature rows, T frames, J frames
before the tiling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchaudio.functional import create_dct, linear_fbanks

from fsd_model.data.audio import SAMPLE_RATE
from fsd_model.features.front_end import (
    COEFFICIENTS,
    FRAMES,
    LFCC_FFT,
    LFCC_FRAMES,
    LFCC_HOP,
    LFCC_WINDOW,
    LOG_FLOOR,
    MAX_SAMPLES,
    FeatureConfig,
    Pad,
    feature_shape,
)
from fsd_model.features.low_band_stft import FFT, HOP, blackman, fourier

_PCM = 32768


def front_end_graph(config: FeatureConfig) -> nn.Module:
    """Return the configured front end as a module: waveforms (B, S) float32 at 16 kHz -> (B, F, T) float32.

    S >= 1, finite samples in [-1, 1]; the module does not check that.
    """
    if config.kind == "waveform":
        return WaveformGraph(config.samples)
    if config.kind == "lfcc":
        return CepstrumGraph(config.pad)
    return SpectrogramGraph(feature_shape(config)[0], config.pad)


class SpectrogramGraph(nn.Module):
    """`f0_subband` and `log_power_spectrum`: the lowest `bins` of the log magnitude spectrogram."""

    fourier_NK: Tensor
    emphasis: Tensor

    def __init__(self, bins: int, pad: Pad) -> None:
        super().__init__()
        self.pad: Pad = pad
        self.register_buffer("fourier_NK", fourier(blackman(), FFT, bins), persistent=False)
        # a tensor, for the ONNX exporter rounds a Python number to float32
        self.register_buffer("emphasis", torch.tensor(0.97, dtype=torch.float64), persistent=False)

    def forward(self, waveform_BS: Tensor) -> Tensor:
        length = _length(waveform_BS, MAX_SAMPLES)
        padded_BS = nn.functional.pad(waveform_BS.double(), (1, 0))
        emphasised_BS = padded_BS[:, 1:] - self.emphasis * padded_BS[:, :-1]
        frame_T = _tiled(1 + length // HOP, FRAMES)
        frames_BTN = _frames(emphasised_BS, length, frame_T, HOP, FFT, self.pad)
        real_BTK, imaginary_BTK = (frames_BTN @ self.fourier_NK).chunk(2, dim=-1)
        magnitude_BTK = (real_BTK.square() + imaginary_BTK.square()).sqrt()
        # not added as in `extract`, for an optimiser of graphs takes e^-80 for 0; in float64 the same for
        # every magnitude that is 0 or above 1e-18
        return _rounded(magnitude_BTK.clamp(min=LOG_FLOOR).log())


class CepstrumGraph(nn.Module):
    """`lfcc`: static, delta and double delta coefficients."""

    fourier_NK: Tensor
    filters_KC: Tensor
    dct_CC: Tensor

    def __init__(self, pad: Pad) -> None:
        super().__init__()
        self.pad: Pad = pad
        window_N = torch.hann_window(LFCC_WINDOW, dtype=torch.float64)
        bins = LFCC_FFT // 2 + 1
        filters_KC = linear_fbanks(bins, 0.0, SAMPLE_RATE / 2, COEFFICIENTS, SAMPLE_RATE)
        dct_CC = create_dct(COEFFICIENTS, COEFFICIENTS, norm="ortho")
        self.register_buffer("fourier_NK", fourier(window_N, LFCC_FFT, bins), persistent=False)
        self.register_buffer("filters_KC", filters_KC.double(), persistent=False)
        self.register_buffer("dct_CC", dct_CC.double(), persistent=False)

    def forward(self, waveform_BS: Tensor) -> Tensor:
        length = _length(waveform_BS, MAX_SAMPLES)
        last = length // LFCC_HOP
        frame_J = torch.arange(1 + MAX_SAMPLES // LFCC_HOP, device=waveform_BS.device)
        frames_BJN = _frames(
            waveform_BS.double(), length, frame_J.minimum(last), LFCC_HOP, LFCC_WINDOW, self.pad
        )
        real_BJK, imaginary_BJK = (frames_BJN @ self.fourier_NK).chunk(2, dim=-1)
        power_BJK = real_BJK.square() + imaginary_BJK.square()
        static_BJC = ((power_BJK @ self.filters_KC) + 1e-6).log() @ self.dct_CC
        delta_BJC = _delta(static_BJC, frame_J, last)
        all_BJF = torch.cat([static_BJC, delta_BJC, _delta(delta_BJC, frame_J, last)], dim=-1)
        return _rounded(all_BJF.index_select(1, _tiled(1 + last, LFCC_FRAMES)))


class WaveformGraph(nn.Module):
    """`waveform`: the first `samples` samples, a shorter recording repeated from its start."""

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.samples = samples

    def forward(self, waveform_BS: Tensor) -> Tensor:
        place_S = torch.arange(self.samples, device=waveform_BS.device)
        repeated_BS = waveform_BS.index_select(1, place_S % _length(waveform_BS, self.samples))
        return ((repeated_BS * _PCM).round().clamp(-_PCM, _PCM - 1) / _PCM)[:, None]


def _length(waveform_BS: Tensor, longest: int) -> Tensor:
    """Return the number of used samples, as a tensor ()."""
    return torch.ones_like(waveform_BS[0], dtype=torch.int64).sum().clamp(max=longest)


def _tiled(frames: Tensor, length: int) -> Tensor:
    """Return the frame that `features.front_end.tile` puts in each of `length` columns: forward, back,
    repeated.
    """
    place_T = torch.arange(length, device=frames.device) % (2 * frames)
    return place_T.minimum(2 * frames - 1 - place_T)


def _frames(samples_BS: Tensor, length: Tensor, frame_T: Tensor, hop: int, size: int, pad: Pad) -> Tensor:
    """Return centred frames (B, T, N) of the first `length` samples, padded by zeros or by reflection."""
    offset_N = torch.arange(size, device=samples_BS.device) - size // 2
    place_TN = frame_T[:, None] * hop + offset_N
    if pad == "reflect":
        period = (2 * (length - 1)).clamp(min=1)
        back_TN = place_TN.abs() % period
        return _at(samples_BS, back_TN.minimum(period - back_TN).minimum(length - 1))
    inside_TN = (place_TN >= 0) & (place_TN < length)
    return _at(samples_BS, place_TN.clamp(min=0).minimum(length - 1)) * inside_TN


def _at(samples_BS: Tensor, place_TN: Tensor) -> Tensor:
    # one axis at a time: indexing by a matrix becomes an operator several times as slow in ONNX
    return samples_BS.index_select(1, place_TN.flatten()).reshape(samples_BS.shape[0], *place_TN.shape)


def _delta(rows_BJC: Tensor, frame_J: Tensor, last: Tensor) -> Tensor:
    """Return the regression over 5 frames of `torchaudio.functional.compute_deltas`, ends repeated."""
    steps = [
        step * (rows_BJC.index_select(1, after_J) - rows_BJC.index_select(1, before_J))
        for step in (1, 2)
        for after_J, before_J in [((frame_J + step).minimum(last), (frame_J - step).clamp(min=0))]
    ]
    return (steps[0] + steps[1]) / 10


def _rounded(features_BTF: Tensor) -> Tensor:
    """Transpose to (B, F, T), and round as the store does: to float32, then to float16."""
    # the transposition lies between, or an optimiser of graphs makes one rounding of the two
    return features_BTF.float().mT.half().float()
