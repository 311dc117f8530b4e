"""A small spectrogram of a recording of any length: level by time and frequency, one byte per point.

Shapes: S samples, K frequency rows, T columns.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fsd_model.data.audio import SAMPLE_RATE, Waveform

ROWS, COLUMNS = 128, 900
RANGE_DB = 80
_FFT = 512
_QUIETEST = 1e-10  # of full scale, -100 dB: digital silence is black and not amplified


class Spectrogram:
    """A spectrogram computed block by block.

    A column is the mean power of its frames; a row is the mean of two adjacent bins.

    Args:
        samples: number of samples of all blocks, at 16 kHz.
    """

    def __init__(self, samples: int) -> None:
        self._columns = max(1, min(COLUMNS, samples // (SAMPLE_RATE // 100)))
        self._width = samples / self._columns
        self._hop = int(np.clip(self._width / 2, 128, 4096))
        self._window = np.hanning(_FFT + 1)[:_FFT].astype(np.float32)
        self._held_S = np.zeros(_FFT // 2, np.float32)  # the first frame is centred on the first sample
        self._skip = self._frames = 0
        self._power_KT = np.zeros((ROWS, self._columns))
        self._count_T = np.zeros(self._columns)

    def add(self, block_S: Waveform) -> None:
        """Add the next samples, 16 kHz, in [-1, 1)."""
        held_S = np.concatenate([self._held_S, block_S])
        if len(held_S) < self._skip + _FFT:
            self._held_S = held_S
            return
        frames_NS = sliding_window_view(held_S, _FFT)[self._skip :: self._hop]
        spectra = np.fft.rfft(frames_NS * self._window, axis=1)[:, 1:]
        power_NK = (spectra.real**2 + spectra.imag**2).reshape(len(frames_NS), ROWS, 2).mean(axis=2)
        centres_N = (self._frames + np.arange(len(frames_NS))) * self._hop
        columns_N = np.minimum((centres_N / self._width).astype(np.int64), self._columns - 1)
        np.add.at(self._power_KT.T, columns_N, power_NK)
        np.add.at(self._count_T, columns_N, 1)
        self._frames += len(frames_NS)
        # keep only the samples that the next frame needs; if it starts beyond them, skip the rest later
        following = self._skip + len(frames_NS) * self._hop
        begin = min(following, len(held_S))
        self._held_S, self._skip = held_S[begin:], following - begin

    def picture(self) -> NDArray[np.uint8]:
        """Return levels (K, T), lowest frequency first: 255 is the loudest point, 0 at least 80 dB below."""
        self.add(np.zeros(_FFT // 2, np.float32))
        power_KT = self._power_KT / np.maximum(self._count_T, 1)
        full_scale = float(self._window.sum()) ** 2 / 4
        level_KT = 10 * np.log10(np.maximum(power_KT / full_scale, _QUIETEST))
        shade_KT = np.clip(1 + (level_KT - max(level_KT.max(), RANGE_DB - 100)) / RANGE_DB, 0, 1)
        picture_KT: NDArray[np.uint8] = np.rint(255 * shade_KT).astype(np.uint8)
        return picture_KT
