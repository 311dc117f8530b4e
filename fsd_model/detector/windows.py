"""Scoring of long audio window by window, in memory that does not grow with the audio.

A detector uses the first 4 to 5 s only. Here it slides over the whole recording: windows of that length, each
half a window after the one before, the last one aligned to the end. Audio not longer than a window has a
single one, with exactly the score of `Detector.score`.

The threshold of a detector was set on single utterances. The lowest of many scores is lower than a single
score even if everything is bona fide: the longer the recording, the less a single low window means.

Shapes: S samples, W windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import NDArray

from fsd_model.data.audio import SAMPLE_RATE, Waveform, at_16_khz
from fsd_model.data.audio_stream import open_audio_file
from fsd_model.detector.detector import Detector
from fsd_model.errors import InputError
from fsd_model.features.front_end import MAX_SAMPLES, FeatureConfig

_LFCC_SAMPLES = 64_000
_SHORTEST_S = 0.1
_BATCH = 4  # log spectra take 15 MB a window in 34 layers; more at once is hardly quicker on one thread


@dataclass(frozen=True)
class WindowScores:
    """Scores of W >= 1 windows, in temporal order.

    Attributes:
        starts_s, ends_s: (W,) start and end, seconds.
        scores: (W,) scores, higher = more bona fide.
    """

    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    scores: NDArray[np.float32]

    @property
    def mean(self) -> float:
        """Mean score."""
        return float(self.scores.mean(dtype=np.float64))

    @property
    def worst(self) -> float:
        """Lowest score, of the window most like a spoof."""
        return float(self.scores.min())

    @property
    def worst_at(self) -> int:
        """Number of the lowest window, from 0; the first of ties."""
        return int(self.scores.argmin())


@dataclass(frozen=True)
class Windows:
    """How a recording is divided, in samples.

    Attributes:
        length: length of a window.
        hop: distance between two starts.
        reach: samples that the front end gets from a start on; more than `length` only if it looks ahead.
    """

    length: int
    hop: int
    reach: int

    def starts(self, samples: int) -> list[int]:
        """Return the starts of the windows of a recording; the last window ends with it."""
        last = max(0, samples - self.length)
        return [*range(0, last, self.hop), last]


def plan_windows(
    feature: FeatureConfig, window_s: float | None = None, hop_s: float | None = None
) -> Windows:
    """Return the windows for a front end.

    Args:
        feature: the detector's front end.
        window_s: at most the length that the front end uses (the default): 5 s, LFCC 4 s, a waveform its own
            length.
        hop_s: in (0, window_s]; half a window by default.

    Raises:
        InputError: a length outside its range.
    """
    length, reach = _extent(feature)
    if window_s is not None:
        if not _SHORTEST_S <= window_s <= length / SAMPLE_RATE:
            raise InputError(
                f"window: must be {_SHORTEST_S} to {length / SAMPLE_RATE:g} s, which is what this front end"
                f" ({feature.kind}) uses, got {window_s:g}"
            )
        length = reach = round(window_s * SAMPLE_RATE)
    hop = length / 2 if hop_s is None else hop_s * SAMPLE_RATE
    if not 1 <= hop <= length:
        raise InputError(
            f"hop: must be above 0 and at most the window, {length / SAMPLE_RATE:g} s, got {hop_s}"
        )
    return Windows(length, round(hop), reach)


def score_windows(
    detector: Detector,
    waveform_S: Waveform,
    sample_rate: int = SAMPLE_RATE,
    window_s: float | None = None,
    hop_s: float | None = None,
) -> WindowScores:
    """Score each window of a waveform.

    Args:
        detector: any detector.
        waveform_S: float32 mono in [-1, 1], S >= 1.
        sample_rate: Hz; resampled to 16 kHz if it differs.
        window_s, hop_s: see `plan_windows`.

    Raises:
        InputError: an empty or non-finite waveform, or a length outside its range.
    """
    waveform_S = at_16_khz(waveform_S, sample_rate)
    windows = plan_windows(detector.card.feature, window_s, hop_s)
    return score_blocks(detector, [waveform_S], len(waveform_S), windows)


def score_file_windows(
    detector: Detector, path: str | PathLike[str], window_s: float | None = None, hop_s: float | None = None
) -> WindowScores:
    """Score each window of an audio file, read block by block; as `score_windows`.

    Raises:
        InputError: also for missing, empty, truncated or undecodable audio.
    """
    windows = plan_windows(detector.card.feature, window_s, hop_s)
    with open_audio_file(path) as stream:
        return score_blocks(detector, stream.blocks(), stream.samples, windows)


def score_blocks(
    detector: Detector, blocks: Iterable[Waveform], samples: int, windows: Windows, batch: int = _BATCH
) -> WindowScores:
    """Score each window of a waveform that comes in blocks.

    Args:
        detector: any detector.
        blocks: blocks of samples at 16 kHz.
        samples: number of samples of all blocks.
        windows: division of the waveform into windows.
        batch: number of windows computed at once; scores differ by rounding only.

    Raises:
        InputError: as raised by the blocks and the front end.
    """
    starts = windows.starts(samples)
    scores: list[float] = []
    held: list[NDArray[np.float32]] = []
    for piece_S in _pieces(blocks, starts, windows.reach):
        held.append(detector.features(piece_S))
        if len(held) == batch or len(scores) + len(held) == len(starts):
            scores += detector.score_features(np.stack(held)).tolist()
            held = []
    starts_W = np.array(starts) / SAMPLE_RATE
    ends_W = np.minimum(np.array(starts) + windows.length, samples) / SAMPLE_RATE
    return WindowScores(starts_W, ends_W, np.array(scores, dtype=np.float32))


def _extent(feature: FeatureConfig) -> tuple[int, int]:
    """Return how many samples the front end's frames cover, and how many it reads: LFCC's deltas
    look ahead.
    """
    if feature.kind == "waveform":
        return feature.samples, feature.samples
    return (_LFCC_SAMPLES, MAX_SAMPLES) if feature.kind == "lfcc" else (MAX_SAMPLES, MAX_SAMPLES)


def _pieces(blocks: Iterable[Waveform], starts: list[int], reach: int) -> Iterator[Waveform]:
    """Yield the samples from each start on, `reach` of them or as many as there are."""
    # `held_S` contains the samples from `begin` on. Before a block is added, samples before the next window
    # are dropped, so memory is bounded by a window and a block, whatever the length of the recording.
    held_S, begin = np.empty(0, np.float32), 0
    source = iter(blocks)
    for start in starts:
        while begin + len(held_S) < start + reach:
            block_S = next(source, None)
            if block_S is None:
                break
            drop = min(max(0, start - begin), len(held_S))
            held_S, begin = np.concatenate([held_S[drop:], block_S]), begin + drop
        yield held_S[start - begin : start - begin + reach]
