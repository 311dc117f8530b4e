"""Audio files of any length, read block by block, in memory that does not grow with the file.

Shapes: S samples, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from os import PathLike
from typing import IO

import numpy as np
import soundfile

from fsd_model.data.audio import (
    SAMPLE_RATE,
    Waveform,
    at_16_khz,
    check_length,
    is_cut,
    mono,
    scaled,
    unreadable,
)
from fsd_model.errors import InputError

_CONTAINERS = (b"RIFF", b"RF64", b"fLaC", b"OggS")
_BLOCK_S, _BLOCK_VALUES = 10.0, 2_000_000


@dataclass(frozen=True)
class AudioStream:
    """An open audio file of which only the header was read.

    Attributes:
        frames: samples per channel, as the header states.
        rate: sampling rate, Hz.
        channels: number of channels that are averaged.
    """

    frames: int
    rate: int
    channels: int
    _file: soundfile.SoundFile
    _name: str | PathLike[str]

    @property
    def duration_s(self) -> float:
        """Duration in seconds, as the header states; `blocks` never returns more."""
        return self.frames / self.rate

    @property
    def samples(self) -> int:
        """Total number of samples of all `blocks`, at 16 kHz."""
        return math.ceil(self.frames * SAMPLE_RATE / self.rate)

    def blocks(self) -> Iterator[Waveform]:
        """Yield the waveform once, in blocks (S,) float32 in [-1, 1), 16 kHz, of at most 10 s.

        A file of up to 10 s and 2 million values (48 kHz, 4 channels) is one block, equal bit for bit to
        `read_audio`; at the seams between resampled blocks float32 rounds differently.

        Raises:
            InputError: as `read_audio`, when the damage is reached.
        """
        for block_S in self._resampled():
            yield scaled(block_S, self._name)

    def _resampled(self) -> Iterator[Waveform]:
        """Yield blocks at 16 kHz; each is resampled with as much of its neighbours as the filter reaches."""
        if self.rate == SAMPLE_RATE:
            yield from self._mono()
            return
        common = math.gcd(self.rate, SAMPLE_RATE)
        old, new = self.rate // common, SAMPLE_RATE // common  # so many samples become so many
        reach = old * math.ceil(7 * max(1.0, old / new) / old)  # the filter is 6 zero crossings wide, and 1 %
        held_S, left, done = np.empty(0, np.float32), 0, 0
        for block_S in self._mono():
            held_S, done = np.concatenate([held_S, block_S]), done + len(block_S)
            last = done == self.frames
            right = len(held_S) if last else (len(held_S) - reach) // old * old
            if not last and right <= reach:
                continue
            at_16_S = at_16_khz(held_S, self.rate, self._name)
            yield at_16_S[left // old * new : None if last else right // old * new]
            held_S, left = held_S[right - reach :], reach

    def _mono(self) -> Iterator[Waveform]:
        size = min(math.ceil(self.rate * _BLOCK_S), _BLOCK_VALUES // self.channels)
        left = self.frames
        while left:
            try:
                samples_SC = self._file.read(min(left, size), dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                raise _undecodable(error, self._name) from error
            if len(samples_SC) != min(left, size):
                raise InputError(
                    f"{self._name}: audio must be as long as its header says ({self.frames} samples), got"
                    f" {self.frames - left + len(samples_SC)}; copy or download it again"
                )
            left -= len(samples_SC)
            yield mono(samples_SC, self._name)


@contextmanager
def open_audio(file: IO[bytes], name: str | PathLike[str]) -> Iterator[AudioStream]:
    """Read the header of a FLAC, WAV or OGG file; no sample is decoded.

    Args:
        file: a file on disk, open for reading, at any position; it stays open.
        name: name of the file for errors.

    Raises:
        InputError: empty, truncated, another container, or a header without a length.
    """
    _check_container(file, name)
    try:
        file.seek(0)
        opened = soundfile.SoundFile(file.fileno(), closefd=False)
    except soundfile.SoundFileError as error:
        raise _undecodable(error, name) from error
    with opened:
        check_length(opened.frames, name)
        yield AudioStream(opened.frames, opened.samplerate, opened.channels, opened, name)


@contextmanager
def open_audio_file(path: str | PathLike[str]) -> Iterator[AudioStream]:
    """Open an audio file by path; see `open_audio`.

    Raises:
        InputError: as `open_audio`; the file is missing or unreadable.
    """
    with ExitStack() as held:
        try:
            file = held.enter_context(open(path, "rb"))
        except OSError as error:
            raise unreadable(path, error) from error
        yield held.enter_context(open_audio(file, path))


def _check_container(file: IO[bytes], name: str | PathLike[str]) -> None:
    """Check the container by its first and last bytes, before a decoder reads the rest."""
    if not file.seek(0, 2):
        raise InputError(f"{name}: audio file must hold samples, got 0 bytes; copy or record it again")
    with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        if data[:4] not in _CONTAINERS:
            raise InputError(
                f"{name}: audio must be whole FLAC, WAV or OGG, got {len(data)} bytes of something else;"
                " convert it to one of them"
            )
        if is_cut(data):
            raise InputError(
                f"{name}: audio must be as long as its header says, got {len(data)} bytes and a cut-off end;"
                " copy or download it again"
            )


def _undecodable(error: soundfile.SoundFileError, name: str | PathLike[str]) -> InputError:
    reason = str(error).split(": ", 1)[-1].strip(" :.")
    return InputError(
        f"{name}: audio must be whole FLAC, WAV or OGG, got one that does not decode ({reason}); copy or"
        " download it again"
    )
