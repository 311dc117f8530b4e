"""Fundamental frequency of speech: normalised autocorrelation and the best path through its peaks.

Shape suffixes: T frames (5 ms apart), N candidates, L lags.
"""

from __future__ import annotations

import numpy as np

from fsd_model.corpus.signals import SAMPLE_RATE_HZ, Floats, fit_length, frames, hann

HOP = 80
LOWEST_HZ, HIGHEST_HZ = 65.0, 500.0
_WINDOW = 640  # 40 ms: at least two and a half periods at the lowest pitch
_FFT = 2048
_CANDIDATES = 5
_VOICING = 0.45  # an autocorrelation peak below this counts as noise
_OCTAVE_COST = 0.02  # of a peak one octave lower: among equals the higher pitch wins
_JUMP_COST = 0.5  # of a pitch jump of one octave between two frames
_VOICING_COST = 0.15  # of switching between voiced and unvoiced


def track_pitch(wave_S: Floats) -> Floats:
    """Return the pitch every 5 ms.

    Args:
        wave_S: (S,) at 16 kHz.

    Returns:
        (T,) in Hz between 65 and 500; 0 where unvoiced. T = S // 80 + 2.

    Source: Boersma, "Accurate short-term analysis of the fundamental frequency ...", 1993.
    """
    pieces = frames(wave_S, _WINDOW, HOP)
    strength_TN, pitch_TN = _candidates(_normalised_autocorrelation(pieces))
    quiet = pieces.std(axis=1) < 0.02 * (np.abs(wave_S).max() + 1e-9)
    strength_TN[quiet, 1:] = 0
    return _best_path(strength_TN, pitch_TN)


def _normalised_autocorrelation(pieces_TN: Floats) -> Floats:
    """Return the autocorrelation divided by the window's: 1 at the period of any periodic signal."""
    window = hann(_WINDOW)
    centred = (pieces_TN - pieces_TN.mean(1, keepdims=True)) * window
    own = np.fft.irfft(np.abs(np.fft.rfft(window, _FFT)) ** 2)
    raw = np.fft.irfft(np.abs(np.fft.rfft(centred, _FFT, axis=1)) ** 2, axis=1)
    last = int(SAMPLE_RATE_HZ / LOWEST_HZ) + 2
    ratio = raw[:, :last] / (raw[:, :1] + 1e-9)
    return np.asarray(ratio / (own[:last] / own[0]))


def _candidates(correlation_TL: Floats) -> tuple[Floats, Floats]:
    """Return strength and pitch of the five best peaks, refined by a parabola; column 0 is unvoiced."""
    first = int(SAMPLE_RATE_HZ / HIGHEST_HZ)
    left, here, right = (correlation_TL[:, first + k : correlation_TL.shape[1] - 2 + k] for k in (0, 1, 2))
    lags = np.arange(first + 1, correlation_TL.shape[1] - 1)
    peak = np.where((here > left) & (here >= right), here, 0.0)
    ranked = peak - _OCTAVE_COST * np.log2(lags / first)
    best = np.argsort(-ranked, axis=1, kind="stable")[:, :_CANDIDATES]
    curve = left - 2 * here + right
    shift = 0.5 * (left - right) / np.where(np.abs(curve) < 1e-12, 1e-12, curve)
    lag = lags[best] + np.clip(np.take_along_axis(shift, best, 1), -1, 1)
    rows = len(correlation_TL)
    strength = np.hstack([np.full((rows, 1), _VOICING), np.take_along_axis(ranked, best, 1)])
    return strength, np.hstack([np.zeros((rows, 1)), SAMPLE_RATE_HZ / lag])


def _best_path(strength_TN: Floats, pitch_TN: Floats) -> Floats:
    """Return the best path by Viterbi search: strong candidates, few pitch jumps, few voicing switches."""
    # Forward: total[n] is the best score of a path that ends in candidate n, came_from its predecessor.
    # Backward: follow the predecessors from the best end.
    log_pitch = np.log2(np.maximum(pitch_TN, 1))
    voiced = pitch_TN > 0
    total = strength_TN[0].copy()
    came_from = np.zeros(pitch_TN.shape, dtype=np.int64)
    columns = np.arange(pitch_TN.shape[1])
    for t in range(1, len(pitch_TN)):
        both = voiced[t][:, None] & voiced[t - 1]
        jump = _JUMP_COST * np.abs(log_pitch[t][:, None] - log_pitch[t - 1])
        cost = np.where(both, jump, _VOICING_COST * (voiced[t][:, None] != voiced[t - 1]))
        gain = total - cost
        came_from[t] = gain.argmax(axis=1)
        total = gain[columns, came_from[t]] + strength_TN[t]
    path = np.zeros(len(pitch_TN))
    state = int(total.argmax())
    for t in range(len(pitch_TN) - 1, -1, -1):
        path[t] = pitch_TN[t, state]
        state = came_from[t, state]
    return path


def pulses_and_noise(pitch_T: Floats, samples: int, rng: np.random.Generator, breath: float) -> Floats:
    """Return an excitation of unit power: a pulse per period plus some noise where voiced, noise elsewhere.

    Args:
        pitch_T: Hz every 5 ms, 0 where unvoiced.
        breath: share of noise power in voiced speech, 0 to 1.
    """
    pitch_S = fit_length(np.repeat(pitch_T, HOP), samples)
    turns = np.cumsum(pitch_S / SAMPLE_RATE_HZ)
    pulse_starts = np.flatnonzero(np.diff(np.floor(turns)) > 0)
    pulses = np.zeros(samples)
    pulses[pulse_starts] = np.sqrt(SAMPLE_RATE_HZ / np.maximum(pitch_S[pulse_starts], LOWEST_HZ))
    noise = rng.standard_normal(samples)
    return np.where(pitch_S > 0, pulses * np.sqrt(1 - breath) + noise * np.sqrt(breath), noise)
