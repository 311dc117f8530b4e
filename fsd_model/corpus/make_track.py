"""Make one track of the demo corpus: protocols, audio and `corpus.json`, whole or not at all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsd_model.corpus.folder import CorpusSummary, digest, write_flac
from fsd_model.corpus.plan import SPLITS, Item
from fsd_model.corpus.track import Track
from fsd_model.corpus.workers import in_processes, staging
from fsd_model.errors import InputError
from fsd_model.progress import Progress

Render = Callable[..., NDArray[np.int16]]


def make_track(
    out: Path,
    track: Track,
    items: Sequence[Item],
    render: Render,
    extra: Callable[[Sequence[Item]], Sequence[Any]],
    summary: Callable[..., CorpusSummary],
    jobs: int,
    progress: Progress | None,
) -> CorpusSummary:
    """Make a track in a corpus folder that has room for it.

    Args:
        out: corpus folder, made if missing; may hold the other track.
        items: all files.
        render: computes the samples of an item from the item and its extra; other processes can import it.
        extra: computes one value per item.
        summary: builds the summary from `files` and `digest`.
        jobs: number of processes; 0 for one per core.
        progress: called with (files made, all files) after each file.

    Raises:
        InputError: `out` cannot be written.
    """
    try:
        with staging(out) as stage:
            files = _write_protocols(stage, track, items)
            # sorted by voice, so that each process decodes the recordings of few voices
            pairs = sorted(zip(items, extra(items), strict=True), key=lambda pair: _by_voice(pair[0]))
            write = partial(_write_audio, stage, track, render)
            in_processes(
                write, *zip(*pairs, strict=True), jobs=jobs or os.cpu_count() or 1, progress=progress
            )
            content = summary(files=files, digest=digest(stage / track.home, (".flac", ".txt")))
            content.write(track.summary(stage))
            _move(stage, out)
    except OSError as error:
        raise InputError(f"{out}: cannot make the corpus: {error}") from error
    return content


def _write_protocols(stage: Path, track: Track, items: Sequence[Item]) -> dict[str, dict[str, int]]:
    """Write the protocols and make the folders of audio; return the number of files by split and attack."""
    counts: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        here = [item for item in items if item.split == split]
        track.audio(stage, split).mkdir(parents=True)
        protocol = track.protocol(stage, split)
        protocol.parent.mkdir(exist_ok=True)
        protocol.write_text("".join(item.protocol_line for item in here), encoding="utf-8")
        counts[split] = dict(sorted(Counter(item.attack for item in here).items()))
    return counts


def _by_voice(item: Item) -> tuple[str, str]:
    return item.split, item.voice.label


def _write_audio(stage: Path, track: Track, render: Render, item: Item, extra: Any) -> None:
    write_flac(track.audio(stage, item.split) / f"{item.utterance}.flac", render(item, extra))


def _move(stage: Path, out: Path) -> None:
    """Move the stage to `out`, or its entries into `out` beside the other track."""
    if not out.is_dir() or not any(out.iterdir()):
        os.replace(stage, out)
        return
    for entry in sorted(stage.iterdir()):  # `LA/` first: `corpus.json` must not announce missing files
        entry.rename(out / entry.name)
