"""The replay demo corpus: real speech replayed in simulated rooms, in the layout of ASVspoof 2019 PA."""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fsd_model.corpus.folder import (
    ReplaySummary,
    digest,
    finished_replay,
    replay_audio,
    replay_protocol,
    write_replay_summary,
)
from fsd_model.corpus.plan import SPLITS, Variant
from fsd_model.corpus.replay.plan import ReplayItem, replay_plan
from fsd_model.corpus.replay.render import write_replay_item
from fsd_model.corpus.voices import RECORDINGS
from fsd_model.corpus.workers import Progress, in_processes, staging
from fsd_model.errors import InputError

REPLAY_VERSION = 1
"""Raised with every change that alters a sample of the corpus."""


def make_replay_corpus(
    out: Path, variant: Variant = "demo", jobs: int = 0, progress: Progress | None = None
) -> ReplaySummary:
    """Makes the corpus, or returns at once where `out/PA` already holds it.

    Args:
        out: folder that gets `PA/`; it may hold the demo corpus of the other track.
        variant: "demo" (2,900 files) or "tiny" (about 140, for tests).
        jobs: processes; 0 for one a core. The result does not depend on it.
        progress: called with (files made, files in all) after each file.

    Returns:
        What the folder holds.

    Raises:
        InputError: `out/PA` holds something else, it cannot be written, or the extra `replay` is missing.
    """
    track = out / "PA"
    recordings = digest(RECORDINGS, (".ogg", ".tsv"))
    found = finished_replay(track, variant, REPLAY_VERSION, recordings)
    if found is not None:
        return found
    simulator = _simulator()
    items = replay_plan(variant)
    try:
        with staging(track) as stage:
            files = _write_protocols(stage, items)
            _write_audio(stage, items, jobs or os.cpu_count() or 1, progress)
            content = digest(stage, (".flac", ".txt"))
            summary = ReplaySummary(variant, REPLAY_VERSION, simulator, files, recordings, content)
            write_replay_summary(stage, summary)
            os.replace(stage, track)
    except OSError as error:
        raise InputError(f"{track}: cannot make the corpus: {error}") from error
    return summary


def _simulator() -> str:
    """Version of the room simulation."""
    try:
        return version("pyroomacoustics")
    except PackageNotFoundError:
        raise InputError(
            "track PA: needs pyroomacoustics, which is not installed; pip install 'fsd-tuner[replay]'"
        ) from None


def _write_protocols(stage: Path, items: list[ReplayItem]) -> dict[str, dict[str, int]]:
    """Protocols and empty folders; returns how many files each split holds of each attack."""
    counts: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        here = [item for item in items if item.split == split]
        replay_audio(stage, split).mkdir(parents=True)
        protocol = replay_protocol(stage, split)
        protocol.parent.mkdir(exist_ok=True)
        protocol.write_text("".join(item.protocol_line for item in here), encoding="utf-8")
        counts[split] = dict(sorted(Counter(item.attack for item in here).items()))
    return counts


def _write_audio(stage: Path, items: list[ReplayItem], jobs: int, progress: Progress | None) -> None:
    # by voice, so that each process decodes few of them
    ordered = sorted(items, key=lambda item: (item.split, item.voice.label))
    in_processes(partial(_write_one, stage), ordered, jobs=jobs, progress=progress)


def _write_one(stage: Path, item: ReplayItem) -> None:
    write_replay_item(item, replay_audio(stage, item.split))
