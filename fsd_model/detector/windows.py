"""Long audio: a score for each window of it, in memory that does not grow with the audio.

A detector hears the first 4 to 5 s and no more. Here it is slid over the whole recording: windows of the
length that it hears, each half a window after the one before, the last one aligned to the end. Audio that is
no longer than a window has one, whose score is that of `Detector.score`, to the last bit.

The threshold of a detector was set on single utterances. The lowest of many scores is lower than one score
even where all is bona fide: the longer the recording, the less a single low window says.

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
    """Scores of W >= 1 windows, in the order of time.

    Attributes:
        starts_s, ends_s: (W,) seconds.
        scores: (W,), higher = more bona fide.
    """

    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    scores: NDArray[np.float32]

    @property
    def mean(self) -> float:
        """The mean score."""
        return float(self.scores.mean(dtype=np.float64))

    @property
    def worst(self) -> float:
        """The lowest score: that of the window most like a spoof."""
        return float(self.scores.min())

    @property
    def worst_at(self) -> int:
        """Number of that window, from 0; the first of equals."""
        return int(self.scores.argmin())


@dataclass(frozen=True)
class Windows:
    """How a recording is cut, in samples.

    Attributes:
        length: of a window.
        hop: from one start to the next.
        reach: what the front end is given from a start on; more than `length` only where it looks ahead.
    """

    length: int
    hop: int
    reach: int

    def starts(self, samples: int) -> list[int]:
        """Where the windows of a recording begin; the last one ends with it."""
        last = max(0, samples - self.length)
        return [*range(0, last, self.hop), last]


def plan_windows(
    feature: FeatureConfig, window_s: float | None = None, hop_s: float | None = None
) -> Windows:
    """Windows for a front end.

    Args:
        feature: the detector's front end.
        window_s: at most what the front end hears (the default): 5 s, LFCC 4 s, a waveform its own length.
        hop_s: in (0, window_s]; half a window by default.

    Raises:
        InputError: a length outside its range.
    """
    length, reach = _heard(feature)
    if window_s is not None:
        if not _SHORTEST_S <= window_s <= length / SAMPLE_RATE:
            raise InputError(
                f"window: must be {_SHORTEST_S} to {length / SAMPLE_RATE:g} s, which is what this front end"
                f" ({feature.kind}) hears, got {window_s:g}"
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
        detector: any.
        waveform_S: float32 mono in [-1, 1], S >= 1.
        sample_rate: Hz; resampled to 16 kHz where it differs.
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
        InputError: missing, empty, truncated or undecodable audio too.
    """
    windows = plan_windows(detector.card.feature, window_s, hop_s)
    with open_audio_file(path) as stream:
        return score_blocks(detector, stream.blocks(), stream.samples, windows)


def score_blocks(
    detector: Detector, blocks: Iterable[Waveform], samples: int, windows: Windows, batch: int = _BATCH
) -> WindowScores:
    """Score each window of a waveform that comes in blocks.

    Args:
        detector: any.
        blocks: 16 kHz; all of it is taken.
        samples: of all blocks together.
        windows: how to cut.
        batch: windows that are computed at once; the scores are the same but for rounding.

    Raises:
        InputError: as the blocks and the front end.
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


def _heard(feature: FeatureConfig) -> tuple[int, int]:
    """How many samples the front end's frames cover, and how many it uses: LFCC's deltas look ahead."""
    if feature.kind == "waveform":
        return feature.samples, feature.samples
    return (_LFCC_SAMPLES, MAX_SAMPLES) if feature.kind == "lfcc" else (MAX_SAMPLES, MAX_SAMPLES)


def _pieces(blocks: Iterable[Waveform], starts: list[int], reach: int) -> Iterator[Waveform]:
    """From each start on, `reach` samples or what there is."""
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
