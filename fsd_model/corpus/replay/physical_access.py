"""The replay demo corpus: real speech replayed in simulated rooms, in the layout of ASVspoof 2019 PA."""

from __future__ import annotations

from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fsd_model.corpus.folder import CorpusSummary, digest, finished_corpus
from fsd_model.corpus.make_track import make_track
from fsd_model.corpus.plan import Variant
from fsd_model.corpus.replay.plan import replay_plan
from fsd_model.corpus.replay.render import render
from fsd_model.corpus.track import PA
from fsd_model.corpus.voices import RECORDINGS
from fsd_model.errors import InputError
from fsd_model.progress import Progress

REPLAY_VERSION = 1
"""Raised with every change that alters a sample of the corpus."""


def make_replay_corpus(
    out: Path, variant: Variant = "demo", jobs: int = 0, progress: Progress | None = None
) -> CorpusSummary:
    """Make the corpus, or return at once where `out/PA` already holds it.

    Args:
        out: folder that gets `PA/`; may hold the demo corpus of the other track.
        variant: "demo" (2,900 files) or "tiny" (about 140, for tests).
        jobs: number of processes; 0 for one per core. The result does not depend on it.
        progress: called with (files made, all files) after each file.

    Returns:
        Summary of the folder `out/PA`.

    Raises:
        InputError: `out/PA` holds something else, it cannot be written, or the extra `replay` is missing.
    """
    recordings = digest(RECORDINGS, (".ogg", ".tsv"))
    existing = finished_corpus(out, PA, variant, REPLAY_VERSION, recordings)
    if existing is not None:
        return existing
    summary = partial(
        CorpusSummary, variant=variant, version=REPLAY_VERSION, simulator=_simulator(), recordings=recordings
    )
    items = replay_plan(variant)
    return make_track(out, PA, items, render, lambda items: [None] * len(items), summary, jobs, progress)


def _simulator() -> str:
    """Return the version of the room simulation."""
    try:
        return version("pyroomacoustics")
    except PackageNotFoundError:
        raise InputError(
            "track PA: needs pyroomacoustics, which is not installed; pip install 'fsd-tuner[replay]'"
        ) from None
