"""The lowest STFT bins without computing the others: each sample is multiplied once for all frames.

Derivation, for 45 bins below 407 Hz, frames of 1728 samples and hops of 130:

1. Within a hop the windowed cosines and sines of the lowest bins vary slowly, so they span few dimensions: 27
   coefficients in an orthonormal basis hold a hop's products with all of them, wherever in a frame the hop
   lies. A hop is reduced once to these coefficients, and two adjacent hops to theirs from those of each.
2. The window is symmetric and only magnitudes are wanted, so phase is counted from the middle of the frame,
   where cosines are even and sines odd. Stretches that mirror each other share one product: their sum has the
   cosine parts, their difference the sine parts. The bases are even and odd, too, so mirroring a stretch
   changes signs only.
3. A frame is three mirrored pairs of two hops, a hop in its middle, and 19 samples at either end.

Only directions below the rounding of float64 are left out. No sum runs from one frame into the next as prefix
sums do, so quiet frames after loud ones keep their precision and digital silence is exactly zero.

Source: number of dimensions, Slepian, Bell System Technical Journal 57 (1978), 1371-1430.

Shapes: S samples, N samples of a stretch, K bins, T frames, J hops, C coefficients of a stretch, evens first.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FFT, HOP = 1728, 130
Floats: TypeAlias = NDArray[np.float64]

_HOPS, _REST = divmod(FFT, HOP)
_END, _PAIRS = _REST // 2, _HOPS // 4
_MIDDLE = 2 * _PAIRS  # hops before that in the middle
_ROUNDING = 4 * np.finfo(np.float64).eps  # singular values below this share of the largest are noise


class _Basis(NamedTuple):
    """Orthonormal rows (C, N), of which the first `evens` are symmetric and the others antisymmetric."""

    rows_CN: Floats
    evens: int


class _Plan(NamedTuple):
    """Matrices of the transform.

    Attributes:
        hop: basis of a hop.
        two_evens: number of even coefficients of two adjacent hops.
        two_even_CC, two_odd_CC: coefficients of two hops from sums and differences of the coefficients of
            each.
        end_CN: basis of the samples at an end of a frame.
        cosine_KC, sine_KC: cosine parts of a frame from its sums, sine parts from its differences.
    """

    hop: _Basis
    two_evens: int
    two_even_CC: Floats
    two_odd_CC: Floats
    end_CN: Floats
    cosine_KC: Floats
    sine_KC: Floats


def blackman() -> Tensor:
    """Return the window of a frame, (1728,) float64, symmetric as the authors'."""
    return torch.blackman_window(FFT, periodic=False, dtype=torch.float64)


def fourier(window_N: Tensor, size: int, bins: int) -> Tensor:
    """Return windowed cosines, then sines, of the lowest `bins` (N, 2K); the sign of the sines does not
    matter.
    """
    turns_NK = torch.arange(len(window_N))[:, None] * torch.arange(bins) % size  # whole numbers: exact phases
    angle_NK = turns_NK.double() * (2 * math.pi / size)
    return window_N[:, None] * torch.cat([angle_NK.cos(), angle_NK.sin()], dim=1)


def magnitudes(padded_S: Floats, bins: int) -> Floats:
    """Return the magnitude of the lowest bins in every frame.

    Args:
        padded_S: (S,) float64, a whole number of hops, at least 14; the first frame begins at sample 0.
        bins: number of lowest bins. More bins need more coefficients; from about 100 on an FFT is faster.

    Returns:
        (K, T) float64, T = S / 130 - 13: frames that begin a hop apart.
    """
    plan = _plan(bins)
    sum_CT, difference_CT = _of_frames(plan, padded_S)
    cosine_KT, sine_KT = _product(plan.cosine_KC, sum_CT), _product(plan.sine_KC, difference_CT)
    np.square(cosine_KT, out=cosine_KT)
    cosine_KT += np.square(sine_KT, out=sine_KT)
    return np.sqrt(cosine_KT, out=cosine_KT)


def _of_frames(plan: _Plan, padded_S: Floats) -> tuple[Floats, Floats]:
    """Return sums and differences of the mirrored parts of all frames: pairs of two hops, ends, middle."""
    frames = len(padded_S) // HOP - _HOPS
    sum_CT = np.empty((plan.cosine_KC.shape[1], frames))
    difference_CT = np.empty((plan.sine_KC.shape[1], frames))
    one_CJ, two_CJ = _of_stretches(plan, padded_S[_END:])
    middle_CT = one_CJ[:, _MIDDLE : _MIDDLE + frames]
    size = len(two_CJ)
    for pair in range(_PAIRS):
        place, mirrored = 2 * pair, _HOPS - 2 - 2 * pair
        _fold(
            two_CJ[:, place : place + frames], two_CJ[:, mirrored : mirrored + frames],
            plan.two_evens, sum_CT[pair * size :], difference_CT[pair * size :],
        )  # fmt: skip
    padded_JN, done = padded_S.reshape(-1, HOP), _PAIRS * size
    first_CT = _product(plan.end_CN, padded_JN[:frames, :_END].T)
    last_CT = _product(plan.end_CN[:, ::-1].copy(), padded_JN[_HOPS:, _END:_REST].T)
    _fold(first_CT, last_CT, len(first_CT), sum_CT[done:], difference_CT[done:])
    sum_CT[done + len(first_CT) :] = middle_CT[: plan.hop.evens]
    difference_CT[done + len(first_CT) :] = middle_CT[plan.hop.evens :]
    return sum_CT, difference_CT


def _of_stretches(plan: _Plan, samples_S: Floats) -> tuple[Floats, Floats]:
    """Return coefficients of every hop, (C, J), and of every two adjacent hops, (C, J - 1)."""
    hops = len(samples_S) // HOP
    one_CJ = _product(plan.hop.rows_CN, samples_S[: hops * HOP].reshape(hops, HOP).T)
    sum_CJ, difference_CJ = np.empty((2, len(one_CJ), hops - 1))
    _fold(one_CJ[:, :-1], one_CJ[:, 1:], plan.hop.evens, sum_CJ, difference_CJ)
    halves = _product(plan.two_even_CC, sum_CJ), _product(plan.two_odd_CC, difference_CJ)
    return one_CJ, np.concatenate(halves)


def _product(left: Floats, right: Floats) -> Floats:
    """Multiply by PyTorch: NumPy would use every core, whatever `torch.set_num_threads` says, and
    be slower.
    """
    product: Floats = (torch.from_numpy(left) @ torch.from_numpy(right)).numpy()
    return product


def _fold(left_CT: Floats, right_CT: Floats, evens: int, sum_CT: Floats, difference_CT: Floats) -> None:
    """Write the sum and the difference of a stretch and the mirror image of the opposite one."""
    end = len(left_CT)
    np.add(left_CT[:evens], right_CT[:evens], out=sum_CT[:evens])
    np.subtract(left_CT[evens:], right_CT[evens:], out=sum_CT[evens:end])
    np.subtract(left_CT[:evens], right_CT[:evens], out=difference_CT[:evens])
    np.add(left_CT[evens:], right_CT[evens:], out=difference_CT[evens:end])


@cache
def _plan(bins: int) -> _Plan:
    # bases span the windowed cosines and sines of every stretch of the left half; the right half mirrors it
    cosine_NK, sine_NK = _kernels(bins)
    both_NK = np.concatenate([cosine_NK, sine_NK], axis=1)
    middle = _END + _MIDDLE * HOP
    end_NK, middle_NK = both_NK[:_END], both_NK[middle : middle + HOP]
    ones = both_NK[_END:middle].reshape(-1, HOP, 2 * bins)
    twos = both_NK[_END:middle].reshape(-1, 2 * HOP, 2 * bins)
    hop = _basis(np.concatenate([ones, middle_NK[None]]))
    two = _basis(twos)
    (end_CN,) = _directions(end_NK)
    to_two_CC = two.rows_CN[:, :HOP] @ hop.rows_CN.T
    pairs_KC = [piece_NK.T @ two.rows_CN.T for piece_NK in twos] + [end_NK.T @ end_CN.T]
    middle_KC = middle_NK.T @ hop.rows_CN.T
    return _Plan(
        hop, two.evens, to_two_CC[: two.evens], to_two_CC[two.evens :], end_CN,
        np.concatenate([*pairs_KC, middle_KC[:, : hop.evens]], axis=1)[:bins],
        np.concatenate([*pairs_KC, middle_KC[:, hop.evens :]], axis=1)[bins:],
    )  # fmt: skip


def _kernels(bins: int) -> tuple[Floats, Floats]:
    """Return windowed cosines and sines (N, K) whose phase is 0 in the middle of the window."""
    middle = FFT - 1  # in half samples
    turns_NK = (2 * np.arange(FFT)[:, None] - middle) * np.arange(bins) % (2 * FFT)
    angle_NK = turns_NK * (math.pi / FFT)
    window_N1 = blackman().numpy()[:, None]
    return window_N1 * np.cos(angle_NK), window_N1 * np.sin(angle_NK)


def _basis(pieces_PNM: Floats) -> _Basis:
    """Return even and odd functions that span those of all pieces (P, N, M), to the rounding of float64."""
    piece_NM = pieces_PNM.swapaxes(0, 1).reshape(pieces_PNM.shape[1], -1)
    size, half = len(piece_NM), len(piece_NM) // 2
    # the first half determines the rest; a middle sample is its own mirror image, and 0 in odd functions
    weight_N1 = np.where(np.arange(size - half) < half, math.sqrt(2), 1)[:, None]
    even_NM = weight_N1 * (piece_NM + piece_NM[::-1])[: size - half]
    odd_NM = weight_N1[:half] * (piece_NM - piece_NM[::-1])[:half]
    even_CN, odd_CN = _directions(even_NM, odd_NM)
    even_CN, odd_CN = even_CN / weight_N1.T, odd_CN / math.sqrt(2)
    middle_CN = np.zeros((len(odd_CN), size - 2 * half))
    rows_CN = np.concatenate([
        np.concatenate([even_CN, even_CN[:, :half][:, ::-1]], axis=1),
        np.concatenate([odd_CN, middle_CN, -odd_CN[:, ::-1]], axis=1),
    ])  # fmt: skip
    return _Basis(rows_CN, len(even_CN))


def _directions(*functions: Floats) -> list[Floats]:
    """Return orthonormal rows (C, N) that span each set (N, M), to the rounding of the largest of
    all sets.
    """
    decompositions = [np.linalg.svd(each_NM, full_matrices=False)[:2] for each_NM in functions]
    smallest = _ROUNDING * max(size_M[0] for _, size_M in decompositions)
    return [np.ascontiguousarray(left_NM[:, size_M > smallest].T) for left_NM, size_M in decompositions]
