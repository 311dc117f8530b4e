"""The training and development splits of a corpus.

This module must not read the evaluation split (see `evaluation.eval_split`): it names none of its files and
does not look for sets that are for evaluation only.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import Field

from fsd_model.data.formats import asvspoof5, asvspoof2019, manifest
from fsd_model.data.protocol import read_listing, split_lines
from fsd_model.data.utterance import Subset, Track, Utterance
from fsd_model.errors import InputError
from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.settings import Settings

__all__ = ["BONAFIDE", "SPOOF", "DataConfig", "Split", "Track", "Utterance", "read_split", "training_format"]

Split = Literal["train", "dev"]
Format = Literal["auto", "asvspoof2019", "asvspoof2021", "asvspoof5", "in_the_wild", "manifest"]
TrainingFormat = Literal["asvspoof2019", "asvspoof5", "manifest"]

_SUFFIX = {"train": "train.trn", "dev": "dev.trl"}
_PROTOCOL5 = {"train": "ASVspoof5.train.tsv", "dev": "ASVspoof5.dev.track_1.tsv"}
_AUDIO5 = {"train": "flac_T", "dev": "flac_D"}
_EVALUATION_SETS = {"asvspoof2021": "ASVspoof 2021", "in_the_wild": "In-the-Wild"}


class DataConfig(Settings):
    """A corpus.

    Attributes:
        root: its folder, or a manifest (`.csv`, `.parquet`).
        format: its layout; "auto" detects it by files.
        track: track of ASVspoof 2019 and 2021: "LA" (synthesis and conversion), "PA" (replay), "DF" (2021).
        subset: subset of ASVspoof 2021.
        skip_bad: whether to leave out and record files that are missing or do not decode; otherwise the first
            one is an error.
    """

    root: Annotated[Path, Field(strict=False)]
    format: Format = "auto"
    track: Track = "LA"
    subset: Subset = "eval"
    skip_bad: bool = False


def read_split(data: DataConfig, split: Split) -> list[Utterance]:
    """Read the training or the development split.

    Args:
        data: the corpus.
        split: "train" or "dev".

    Returns:
        Utterances in protocol order, both classes present; every audio file exists unless `data.skip_bad`.

    Raises:
        InputError: another split, a folder without a training corpus, or a bad line (`FILE:LINE: ...`).
    """
    if split not in _SUFFIX:
        raise InputError(
            f"split must be train or dev, got `{split}`; the evaluation split is scored once, at the end"
        )
    return _READERS[training_format(data)](data, split)


def training_format(data: DataConfig) -> TrainingFormat:
    """Return the layout of a corpus to train on; "auto" is resolved by the files present.

    Raises:
        InputError: an evaluation set, or no known layout.
    """
    if data.format == "auto":
        return recognise(data) or _refuse_unknown(data)
    if data.format in ("asvspoof2021", "in_the_wild"):
        raise InputError(
            f"{data.root}: {_EVALUATION_SETS[data.format]} is an evaluation set; train on another corpus,"
            " evaluate on this one with --data"
        )
    return cast(TrainingFormat, data.format)


def recognise(data: DataConfig) -> TrainingFormat | None:
    """Return the layout of `data.root` by its files, or None."""
    if manifest.find(data.root) or data.root.suffix in (".csv", ".parquet"):
        return "manifest"
    if asvspoof2019.corpus_folder(data.root, data.track):
        return "asvspoof2019"
    return "asvspoof5" if asvspoof5.find(data.root, _PROTOCOL5["train"]) else None


def places(data: DataConfig) -> list[str]:
    """Return where `recognise` looks, relative to `data.root`."""
    looked = [
        *asvspoof2019.protocol_folders(data.root, data.track),
        *asvspoof5.tries(data.root, _PROTOCOL5["train"]),
        *manifest.tries(data.root),
    ]
    return [str(place.relative_to(data.root)) for place in looked]


def find_manifest(data: DataConfig) -> Path:
    """Return the manifest file.

    Raises:
        InputError: there is none.
    """
    if file := manifest.find(data.root):
        return file
    looked = ", ".join(str(place) for place in manifest.tries(data.root))
    raise InputError(f"{data.root}: manifest must exist, found none of: {looked}; check data.root")


def _refuse_unknown(data: DataConfig) -> TrainingFormat:
    looked = places(data)
    raise InputError(
        f"{data.root}: data folder must hold {looked[0]} (ASVspoof 2019 {data.track}), an ASVspoof 5"
        f" protocol or a manifest, found none of {', '.join(looked)}; check data.root and"
        " data.track (ASVspoof 2021 and In-the-Wild are evaluation sets: train on another, evaluate with"
        " --data)"
    )


def _read_2019(data: DataConfig, split: Split) -> list[Utterance]:
    folder = asvspoof2019.track_folder(data.root, data.track)
    file = asvspoof2019.protocol_file(folder, data.track, _SUFFIX[split])
    audio = asvspoof2019.audio_folder(folder, data.track, split)
    parse = partial(asvspoof2019.parse_line, audio=audio, track=data.track)
    return read_listing(file, split_lines(file), parse, not data.skip_bad)


def _read_5(data: DataConfig, split: Split) -> list[Utterance]:
    name = _PROTOCOL5[split]
    file = asvspoof5.find(data.root, name) or data.root / name
    parse = partial(asvspoof5.parse_line, audio=data.root / _AUDIO5[split])
    return read_listing(file, split_lines(file), parse, not data.skip_bad)


def _read_manifest(data: DataConfig, split: Split) -> list[Utterance]:
    return manifest.read_manifest(find_manifest(data), split, not data.skip_bad)


_READERS = {"asvspoof2019": _read_2019, "asvspoof5": _read_5, "manifest": _read_manifest}
