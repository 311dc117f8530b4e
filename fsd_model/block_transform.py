"""The lowest bins of the spectrogram, with every sample multiplied once for all the frames that it is in.

Within a hop the windowed cosines and sines of the 45 lowest bins are so slow that 29 numbers hold a hop's
products with all of them, wherever in a frame the hop lies: band-limited functions span few dimensions on a
short stretch. So a hop is reduced once to its coefficients in an orthonormal basis, two hops to theirs from
those, four likewise, and a frame (13 hops and 38 samples) is a product with 207 coefficients instead of 1728
samples. This holds for any window, so the exact one costs no more than another.

Nothing is left out but directions below the rounding of float64. No sum runs from one frame into the next as
prefix sums do, so quiet frames behind loud ones keep their digits and digital silence is exactly zero.

Source: the number of dimensions, Slepian, Bell System Technical Journal 57 (1978), 1371-1430.

Shapes: S samples, N samples of a stretch, K bins, T frames, J hops, C coefficients of a stretch.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FFT, HOP = 1728, 130
Window: TypeAlias = Literal["symmetric", "periodic"]

_HOPS, _REST = divmod(FFT, HOP)
_ROUNDING = 4 * torch.finfo(torch.float64).eps  # singular values below this share of the largest are noise


class _Plan(NamedTuple):
    """Bases of a hop and of the rest; what makes coefficients of 2 and 4 hops of those of their halves; and
    for each part of a frame, the matrix from its coefficients to the cosine parts, then sine parts."""

    hop_NC: Tensor
    rest_NC: Tensor
    halves: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
    fours_KC: tuple[Tensor, Tensor, Tensor]
    last_KC: Tensor
    rest_KC: Tensor


def blackman(window: Window) -> Tensor:
    """The window of a frame, (1728,) float64: symmetric about its middle, or periodic as the transform."""
    return torch.blackman_window(FFT, periodic=window == "periodic", dtype=torch.float64)


def fourier(window_N: Tensor, size: int, bins: int) -> Tensor:
    """Windowed cosines, then sines, of the lowest `bins` (N, 2K); the sign of the sines does not matter."""
    turns_NK = torch.arange(len(window_N))[:, None] * torch.arange(bins) % size  # whole numbers: exact phases
    angle_NK = turns_NK.double() * (2 * math.pi / size)
    return window_N[:, None] * torch.cat([angle_NK.cos(), angle_NK.sin()], dim=1)


def magnitudes(padded_S: NDArray[np.float64], bins: int, window: Window) -> NDArray[np.float64]:
    """Magnitude of the lowest bins in every frame.

    Args:
        padded_S: (S,) float64, a whole number of hops, at least 14; the first frame begins at sample 0.
        bins: lowest bins wanted. More of them need more coefficients; from about 100 on an FFT is faster.
        window: as `blackman`.

    Returns:
        (K, T) float64, T = S / 130 - 13: frames that begin a hop apart.
    """
    plan = _plan(bins, window)
    hops_JN = torch.from_numpy(padded_S).view(-1, HOP)
    frames = len(hops_JN) - _HOPS
    parts_KT = plan.rest_KC @ (hops_JN[_HOPS:, :_REST] @ plan.rest_NC).T
    of_hops_JC = hops_JN @ plan.hop_NC
    parts_KT.addmm_(plan.last_KC, of_hops_JC[_HOPS - 1 : -1].T)
    for step, (first_CC, second_CC) in zip((1, 2), plan.halves, strict=True):
        of_hops_JC = torch.addmm(of_hops_JC[:-step] @ first_CC, of_hops_JC[step:], second_CC)
    for place, four_KC in enumerate(plan.fours_KC):
        parts_KT.addmm_(four_KC, of_hops_JC[4 * place : 4 * place + frames].T)
    power_KT = np.square(parts_KT.numpy())  # NumPy's simple loops are several times as fast as PyTorch's
    magnitude_KT: NDArray[np.float64] = np.sqrt(power_KT[:bins] + power_KT[bins:])
    return magnitude_KT


@cache
def _plan(bins: int, window: Window) -> _Plan:
    kernel_NK = fourier(blackman(window), FFT, bins)
    ones, twos, fours = (kernel_NK[: 12 * HOP].view(-1, n * HOP, 2 * bins) for n in (1, 2, 4))
    last_NK, rest_NK = kernel_NK[12 * HOP : -_REST], kernel_NK[-_REST:]
    one_NC, rest_NC = _basis(torch.cat([ones, last_NK[None]])), _basis(rest_NK[None])
    two_NC, four_NC = _basis(twos), _basis(fours)
    to_two, to_four = (
        (small_NC.T @ large_NC[: len(small_NC)], small_NC.T @ large_NC[len(small_NC) :])
        for small_NC, large_NC in ((one_NC, two_NC), (two_NC, four_NC))
    )
    first_KC, second_KC, third_KC = (piece_NK.T @ four_NC for piece_NK in fours)
    fours_KC = first_KC, second_KC, third_KC
    return _Plan(one_NC, rest_NC, (to_two, to_four), fours_KC, last_NK.T @ one_NC, rest_NK.T @ rest_NC)


def _basis(pieces_PNM: Tensor) -> Tensor:
    """Orthonormal columns that span the functions of all pieces to the rounding of float64."""
    left_NM: Tensor
    left_NM, size_M, _ = torch.linalg.svd(pieces_PNM.transpose(0, 1).flatten(1), full_matrices=False)
    return left_NM[:, size_M > _ROUNDING * size_M[0]].contiguous()
