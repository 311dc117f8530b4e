"""The demo corpus: real speech and twelve ways to fake it, in the layout of ASVspoof 2019 LA."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsd_model.corpus.attacks.registry import ATTACKS, SPOKEN, usable
from fsd_model.corpus.attacks.text_to_speech import say_all
from fsd_model.corpus.folder import CorpusSummary, digest, finished_corpus
from fsd_model.corpus.make_track import make_track
from fsd_model.corpus.plan import Item, Variant, plan, speech_request
from fsd_model.corpus.render import render
from fsd_model.corpus.track import LA
from fsd_model.corpus.voices import RECORDINGS
from fsd_model.progress import Progress

MAKER_VERSION = 1
"""Raised with every change that alters a sample of the corpus."""


def make_corpus(
    out: Path, variant: Variant = "demo", jobs: int = 0, progress: Progress | None = None
) -> CorpusSummary:
    """Make the corpus, or return at once where `out` already holds it.

    Args:
        out: folder to make; must not exist, be empty, or hold this very corpus (or the other track).
        variant: "demo" (2,450 files) or "tiny" (about 125, for tests).
        jobs: number of processes; 0 for one per core. The result does not depend on it.
        progress: called with (files made, all files) after each file.

    Returns:
        Summary of the folder.

    Raises:
        InputError: `out` holds something else, or it cannot be written.
    """
    left_out = sorted(set(ATTACKS) - set(usable(ATTACKS)))
    recordings = digest(RECORDINGS, (".ogg", ".tsv"))
    existing = finished_corpus(out, LA, variant, MAKER_VERSION, recordings, left_out)
    if existing is not None:
        return existing
    summary = partial(
        CorpusSummary, variant=variant, version=MAKER_VERSION, left_out=left_out, recordings=recordings
    )
    items = plan(variant)
    return make_track(out, LA, items, partial(render, variant), _speech, summary, jobs, progress)


def _speech(items: Sequence[Item]) -> list[NDArray[np.int16] | None]:
    """Return what the speech synthesiser says for each item; None for attacks without one."""
    spoken = [item for item in items if item.attack in SPOKEN]
    waves = say_all([speech_request(item) for item in spoken])
    by_utterance = {item.utterance: wave for item, wave in zip(spoken, waves, strict=True)}
    return [by_utterance.get(item.utterance) for item in items]
