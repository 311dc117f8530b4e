"""The training and development splits of an ASVspoof 2019 corpus, and the terms all data share.

The evaluation split is out of reach from here on purpose (see `evaluation_data`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fsd_model.errors import InputError
from fsd_model.protocol import BONAFIDE, SPOOF, Track, Utterance, read_protocol, track_folder
from fsd_model.settings import Settings

__all__ = ["BONAFIDE", "SPOOF", "DataConfig", "Split", "Track", "Utterance", "read_split"]

Split = Literal["train", "dev"]

_SUFFIX = {"train": "train.trn", "dev": "dev.trl"}


class DataConfig(Settings):
    """A corpus in the official ASVspoof 2019 layout.

    Attributes:
        root: the folder that holds `ASVspoof2019_<track>_cm_protocols`, or its parent.
        track: "LA" (synthesis and conversion) or "PA" (replay).
    """

    root: Annotated[Path, Field(strict=False)]
    track: Track = "LA"


def read_split(data: DataConfig, split: Split) -> list[Utterance]:
    """Read the training or the development split.

    Args:
        data: the corpus.
        split: "train" or "dev".

    Returns:
        Utterances in protocol order, both classes present, every audio file there.

    Raises:
        InputError: another split, a folder that is not the corpus, or a bad protocol line (`FILE:LINE: ...`).
    """
    if split not in _SUFFIX:
        raise InputError(
            f"split must be train or dev, got `{split}`; the evaluation split is scored once, at the end"
        )
    track = data.track
    folder = track_folder(data.root, track)
    protocol = folder / f"ASVspoof2019_{track}_cm_protocols" / f"ASVspoof2019.{track}.cm.{_SUFFIX[split]}.txt"
    return read_protocol(protocol, folder / f"ASVspoof2019_{track}_{split}" / "flac", track)
