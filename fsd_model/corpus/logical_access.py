"""The demo corpus: real speech and twelve ways to fake it, in the layout of ASVspoof 2019 LA."""

from __future__ import annotations

import os
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsd_model.corpus.attacks.registry import ATTACKS, usable
from fsd_model.corpus.attacks.text_to_speech import say_all
from fsd_model.corpus.folder import (
    CorpusSummary,
    audio_folder,
    digest,
    finished_corpus,
    protocol_path,
    write_summary,
)
from fsd_model.corpus.plan import SPLITS, Item, Variant, plan
from fsd_model.corpus.render import write_item
from fsd_model.corpus.voices import RECORDINGS
from fsd_model.corpus.workers import Progress, in_processes, staging
from fsd_model.errors import InputError

MAKER_VERSION = 1
"""Raised with every change that alters a sample of the corpus."""


def make_corpus(
    out: Path, variant: Variant = "demo", jobs: int = 0, progress: Progress | None = None
) -> CorpusSummary:
    """Makes the corpus, or returns at once where `out` already holds it.

    Args:
        out: folder to make; it must not exist, be empty, or hold this very corpus (or the other track).
        variant: "demo" (2,450 files) or "tiny" (about 125, for tests).
        jobs: processes; 0 for one a core. The result does not depend on it.
        progress: called with (files made, files in all) after each file.

    Returns:
        What the folder holds.

    Raises:
        InputError: `out` holds something else, or it cannot be written.
    """
    left_out = sorted(set(ATTACKS) - set(usable(ATTACKS)))
    recordings = digest(RECORDINGS, (".ogg", ".tsv"))
    found = finished_corpus(out, variant, MAKER_VERSION, left_out, recordings)
    if found is not None:
        return found
    try:
        with staging(out) as stage:
            files = _write_files(stage, variant, jobs or os.cpu_count() or 1, progress)
            content = digest(stage, (".flac", ".txt"))
            summary = CorpusSummary(variant, MAKER_VERSION, files, left_out, recordings, content)
            write_summary(stage, summary)
            _put(stage, out)
    except OSError as error:
        raise InputError(f"{out}: cannot make the corpus: {error}") from error
    return summary


def _put(stage: Path, out: Path) -> None:
    """The whole stage in the place of `out`, or its parts into `out` beside the other track."""
    if not out.is_dir() or not any(out.iterdir()):
        os.replace(stage, out)
        return
    for part in sorted(stage.iterdir()):  # `LA/` first: `corpus.json` must not announce what is not there
        part.rename(out / part.name)


def _write_files(
    stage: Path, variant: Variant, jobs: int, progress: Progress | None
) -> dict[str, dict[str, int]]:
    """Protocols and audio; returns how many files each split holds of each system."""
    items = plan(variant)
    counts: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        here = [item for item in items if item.split == split]
        audio_folder(stage, split).mkdir(parents=True)
        protocol_path(stage, split).parent.mkdir(exist_ok=True)
        lines = "".join(item.protocol_line for item in here)
        protocol_path(stage, split).write_text(lines, encoding="utf-8")
        counts[split] = dict(sorted(Counter(item.system for item in here).items()))
    _write_audio(stage, variant, items, jobs, progress)
    return counts


def _write_audio(
    stage: Path, variant: Variant, items: list[Item], jobs: int, progress: Progress | None
) -> None:
    spoken = _say(items)
    # by voice, so that each process decodes few of them
    ordered = sorted(items, key=lambda item: (item.split, item.voice.label))
    heard = [spoken.get(item.utterance) for item in ordered]
    in_processes(partial(_write_one, stage, variant), ordered, heard, jobs=jobs, progress=progress)


def _write_one(stage: Path, variant: Variant, item: Item, spoken: NDArray[np.int16] | None) -> None:
    write_item(item, variant, spoken, audio_folder(stage, item.split))


def _say(items: list[Item]) -> dict[str, NDArray[np.int16]]:
    """What the speech synthesiser says, by utterance."""
    wanted = [(item.utterance, item.request) for item in items if item.request is not None]
    said = say_all([request for _, request in wanted])
    return {utterance: wave for (utterance, _), wave in zip(wanted, said, strict=True)}
