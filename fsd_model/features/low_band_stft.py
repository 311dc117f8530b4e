"""The lowest bins of the spectrogram, with every sample multiplied once for all the frames that it is in.

Within a hop the windowed cosines and sines of the 45 lowest bins are so slow that 27 numbers hold a hop's
products with all of them, wherever in a frame the hop lies: band-limited functions span few dimensions on a
short stretch. So a hop is reduced once to its coefficients in an orthonormal basis, and two hops to theirs
from those. This holds for any window, so the authors' own needs no more of them than another.

Both windows are symmetric, and the phase of a frame is of no account; so it is counted from the frame's
middle, where cosines are even and sines odd. Then stretches that mirror each other share one product: their
sum has the cosine parts and their difference the sine parts, half the work. The bases are even and odd too,
so the mirror image of a stretch differs from it in signs alone. A frame is three pairs of two hops, a hop in
its middle and 19 samples at either end. The periodic window has an odd number of samples that are not zero:
its middle is a sample shorter and what is left of that begins a sample later, on hops of its own.

Nothing is left out but directions below the rounding of float64. No sum runs from one frame into the next as
prefix sums do, so quiet frames behind loud ones keep their digits and digital silence is exactly zero.

Source: the number of dimensions, Slepian, Bell System Technical Journal 57 (1978), 1371-1430.

Shapes: S samples, N samples of a stretch, K bins, T frames, J hops, C coefficients of a stretch, evens first.
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
    """How many samples later the left of a frame begins (0 or 1); bases; what makes even and odd coefficients
    of two hops of sums and differences of theirs; and what makes a frame's cosine parts of its sums, and its
    sine parts of its differences."""

    late: int
    hop: _Basis
    two_evens: int
    two_even_CC: Floats
    two_odd_CC: Floats
    end_CN: Floats
    middle: _Basis
    cosine_KC: Floats
    sine_KC: Floats


def blackman(window: Window) -> Tensor:
    """The window of a frame, (1728,) float64: symmetric about its middle, or periodic as the transform."""
    return torch.blackman_window(FFT, periodic=window == "periodic", dtype=torch.float64)


def fourier(window_N: Tensor, size: int, bins: int) -> Tensor:
    """Windowed cosines, then sines, of the lowest `bins` (N, 2K); the sign of the sines does not matter."""
    turns_NK = torch.arange(len(window_N))[:, None] * torch.arange(bins) % size  # whole numbers: exact phases
    angle_NK = turns_NK.double() * (2 * math.pi / size)
    return window_N[:, None] * torch.cat([angle_NK.cos(), angle_NK.sin()], dim=1)


def magnitudes(padded_S: Floats, bins: int, window: Window) -> Floats:
    """Magnitude of the lowest bins in every frame.

    Args:
        padded_S: (S,) float64, a whole number of hops, at least 14; the first frame begins at sample 0.
        bins: lowest bins wanted. More of them need more coefficients; from about 100 on an FFT is faster.
        window: as `blackman`.

    Returns:
        (K, T) float64, T = S / 130 - 13: frames that begin a hop apart.
    """
    plan = _plan(bins, window)
    sum_CT, difference_CT = _of_frames(plan, padded_S)
    cosine_KT, sine_KT = _product(plan.cosine_KC, sum_CT), _product(plan.sine_KC, difference_CT)
    np.square(cosine_KT, out=cosine_KT)
    cosine_KT += np.square(sine_KT, out=sine_KT)
    return np.sqrt(cosine_KT, out=cosine_KT)


def _of_frames(plan: _Plan, padded_S: Floats) -> tuple[Floats, Floats]:
    """Sums and differences of all frames: of their pairs of two hops, their ends and their middle."""
    frames = len(padded_S) // HOP - _HOPS
    sum_CT = np.empty((plan.cosine_KC.shape[1], frames))
    difference_CT = np.empty((plan.sine_KC.shape[1], frames))
    right_one_CJ, right_two_CJ = _of_stretches(plan, padded_S[_END:])
    left_two_CJ, middle_CT = right_two_CJ, right_one_CJ[:, _MIDDLE : _MIDDLE + frames]
    if plan.late:
        middle_S = padded_S[_END + plan.late + _MIDDLE * HOP :][: frames * HOP]
        middle_CT = _product(plan.middle.rows_CN, middle_S.reshape(-1, HOP)[:, : -plan.late].T)
        left_two_CJ = _of_stretches(plan, padded_S[_END + plan.late :])[1]
    size = len(left_two_CJ)
    for pair in range(_PAIRS):
        place, mirrored = 2 * pair, _HOPS - 2 - 2 * pair
        _fold(
            left_two_CJ[:, place : place + frames], right_two_CJ[:, mirrored : mirrored + frames],
            plan.two_evens, sum_CT[pair * size :], difference_CT[pair * size :],
        )  # fmt: skip
    padded_JN, done = padded_S.reshape(-1, HOP), _PAIRS * size
    first_CT = _product(plan.end_CN, padded_JN[:frames, plan.late : plan.late + _END].T)
    last_CT = _product(plan.end_CN[:, ::-1].copy(), padded_JN[_HOPS:, _END:_REST].T)
    _fold(first_CT, last_CT, len(first_CT), sum_CT[done:], difference_CT[done:])
    sum_CT[done + len(first_CT) :] = middle_CT[: plan.middle.evens]
    difference_CT[done + len(first_CT) :] = middle_CT[plan.middle.evens :]
    return sum_CT, difference_CT


def _of_stretches(plan: _Plan, samples_S: Floats) -> tuple[Floats, Floats]:
    """Coefficients of every hop, (C, J), and of every two that follow each other, (C, J - 1)."""
    hops = len(samples_S) // HOP
    one_CJ = _product(plan.hop.rows_CN, samples_S[: hops * HOP].reshape(hops, HOP).T)
    sum_CJ, difference_CJ = np.empty((2, len(one_CJ), hops - 1))
    _fold(one_CJ[:, :-1], one_CJ[:, 1:], plan.hop.evens, sum_CJ, difference_CJ)
    halves = _product(plan.two_even_CC, sum_CJ), _product(plan.two_odd_CC, difference_CJ)
    return one_CJ, np.concatenate(halves)


def _product(left: Floats, right: Floats) -> Floats:
    """By PyTorch: NumPy would take every core, whatever `torch.set_num_threads` says, and lose time by it."""
    product: Floats = (torch.from_numpy(left) @ torch.from_numpy(right)).numpy()
    return product


def _fold(left_CT: Floats, right_CT: Floats, evens: int, sum_CT: Floats, difference_CT: Floats) -> None:
    """Writes a stretch plus, and minus, the mirror image of the one opposite into the first rows of both."""
    end = len(left_CT)
    np.add(left_CT[:evens], right_CT[:evens], out=sum_CT[:evens])
    np.subtract(left_CT[evens:], right_CT[evens:], out=sum_CT[evens:end])
    np.subtract(left_CT[:evens], right_CT[:evens], out=difference_CT[:evens])
    np.add(left_CT[evens:], right_CT[evens:], out=difference_CT[evens:end])


@cache
def _plan(bins: int, window: Window) -> _Plan:
    late = int(window == "periodic")
    cosine_NK, sine_NK = _kernels(bins, window)
    both_NK = np.concatenate([cosine_NK, sine_NK], axis=1)
    start, middle = _END + late, _END + late + _MIDDLE * HOP
    end_NK, middle_NK = both_NK[late:start], both_NK[middle : middle + HOP - late]
    ones = both_NK[start:middle].reshape(-1, HOP, 2 * bins)
    twos = both_NK[start:middle].reshape(-1, 2 * HOP, 2 * bins)
    hop = _basis(np.concatenate([ones, middle_NK[None]]) if not late else ones)
    two = _basis(twos)
    central = _basis(middle_NK[None]) if late else hop
    (end_CN,) = _directions(end_NK)
    to_two_CC = two.rows_CN[:, :HOP] @ hop.rows_CN.T
    pairs_KC = [piece_NK.T @ two.rows_CN.T for piece_NK in twos] + [end_NK.T @ end_CN.T]
    middle_KC = middle_NK.T @ central.rows_CN.T
    return _Plan(
        late, hop, two.evens, to_two_CC[: two.evens], to_two_CC[two.evens :], end_CN, central,
        np.concatenate([*pairs_KC, middle_KC[:, : central.evens]], axis=1)[:bins],
        np.concatenate([*pairs_KC, middle_KC[:, central.evens :]], axis=1)[bins:],
    )  # fmt: skip


def _kernels(bins: int, window: Window) -> tuple[Floats, Floats]:
    """Windowed cosines and sines (N, K) whose phase is 0 in the middle of the window."""
    middle = FFT - (window == "symmetric")  # in half samples
    turns_NK = (2 * np.arange(FFT)[:, None] - middle) * np.arange(bins) % (2 * FFT)
    angle_NK = turns_NK * (math.pi / FFT)
    window_N1 = blackman(window).numpy()[:, None]
    return window_N1 * np.cos(angle_NK), window_N1 * np.sin(angle_NK)


def _basis(pieces_PNM: Floats) -> _Basis:
    """Even and odd functions that span those of all pieces (P, N, M), to the rounding of float64."""
    piece_NM = pieces_PNM.swapaxes(0, 1).reshape(pieces_PNM.shape[1], -1)
    size, half = len(piece_NM), len(piece_NM) // 2
    # the first half says it all; a sample in the middle is its own mirror image, and zero in odd functions
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
    """Of each set (N, M), orthonormal rows (C, N) that span it to the rounding of the largest of all sets."""
    found = [np.linalg.svd(each_NM, full_matrices=False)[:2] for each_NM in functions]
    smallest = _ROUNDING * max(size_M[0] for _, size_M in found)
    return [np.ascontiguousarray(left_NM[:, size_M > smallest].T) for left_NM, size_M in found]
