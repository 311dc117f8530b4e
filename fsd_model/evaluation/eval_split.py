"""The evaluation split. Only the final evaluation and `data check` import this module.

Nothing that a search runs may read it. The files of evaluation sets are named in this module only.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from fsd_model.data import training_splits as dataset
from fsd_model.data.formats import asvspoof5, asvspoof2019, asvspoof2021, in_the_wild, manifest
from fsd_model.data.formats.tables import table_rows
from fsd_model.data.protocol import read_listing, split_lines
from fsd_model.data.training_splits import DataConfig
from fsd_model.data.utterance import Utterance
from fsd_model.errors import InputError

EvaluationFormat = Literal["asvspoof2019", "asvspoof2021", "asvspoof5", "in_the_wild", "manifest"]

EVALUATION_SETS = ("asvspoof2021", "in_the_wild")

_PROTOCOL5, _AUDIO5 = "ASVspoof5.eval.track_1.tsv", "flac_E_eval"
_KEY_2021 = "trial_metadata.txt"
_LIST_WILD = "meta.csv"


def read_eval(data: DataConfig) -> list[Utterance]:
    """Read the evaluation split (of ASVspoof 2021: `data.subset`); result as of `training_splits.read_split`.

    Raises:
        InputError: a folder that is not the corpus, or a bad line (`FILE:LINE: ...`).
    """
    return _READERS[evaluation_format(data)](data)


def evaluation_format(data: DataConfig) -> EvaluationFormat:
    """Return the layout of a corpus; "auto" is resolved by the files in it.

    Raises:
        InputError: none of the layouts fits; lists the files that were looked for.
    """
    if data.format != "auto":
        return data.format
    if layout := dataset.recognise(data):
        return layout
    if asvspoof5.find(data.root, _PROTOCOL5):
        return "asvspoof5"
    if _find(_keys_2021(data)):
        return "asvspoof2021"
    if (data.root / _LIST_WILD).is_file():
        return "in_the_wild"
    looked = [*dataset.places(data), _PROTOCOL5, _key_2021_places(data), _LIST_WILD]
    raise InputError(
        f"{data.root}: data folder must contain {looked[0]} or another known corpus, found none of"
        f" {', '.join(looked)}; check the folder and the track (--track)"
    )


def has_eval(data: DataConfig) -> bool:
    """Return whether the corpus has an evaluation split, without reading a line of it."""
    layout = evaluation_format(data)
    if layout == "manifest":
        return "eval" in manifest.splits_in(dataset.find_manifest(data))
    if layout == "asvspoof5":
        return asvspoof5.find(data.root, _PROTOCOL5) is not None
    return layout in EVALUATION_SETS or _protocol_2019(data).is_file()


def _read_2019(data: DataConfig) -> list[Utterance]:
    file = _protocol_2019(data)
    folder = asvspoof2019.track_folder(data.root, data.track)
    audio = asvspoof2019.audio_folder(folder, data.track, "eval")
    parse = partial(asvspoof2019.parse_line, audio=audio, track=data.track)
    return read_listing(file, split_lines(file), parse, not data.skip_bad)


def _protocol_2019(data: DataConfig) -> Path:
    folder = asvspoof2019.track_folder(data.root, data.track)
    return folder / f"ASVspoof2019_{data.track}_cm_protocols" / f"ASVspoof2019.{data.track}.cm.eval.trl.txt"


def _read_2021(data: DataConfig) -> list[Utterance]:
    file = _find(_keys_2021(data))
    if file is None:
        raise InputError(
            f"{data.root}: data folder must contain the key with labels, found no {_key_2021_places(data)}"
            " (parts in brackets may be absent); unpack the keys there, check the track (--track)"
        )
    name = f"ASVspoof2021_{data.track}_eval"
    folders = [data.root / name / "flac", data.root / name / name / "flac", data.root / "flac"]
    audio = next((folder for folder in folders if folder.is_dir()), folders[0])
    parse = partial(asvspoof2021.parse_line, audio=audio, track=data.track, subset=data.subset)
    return read_listing(file, split_lines(file), parse, not data.skip_bad)


def _keys_2021(data: DataConfig) -> list[Path]:
    """Return the places of the key in the unpacked archives, beside the audio or within its folder."""
    track, name = data.track, f"ASVspoof2021_{data.track}_eval"
    archives = [f"{track}-keys-full", f"{track}-keys-stage-1"]
    roots = [data.root, *(data.root / part for part in (name, *archives))]
    roots += [data.root / name / archive for archive in archives]
    inner = [f"keys/{track}/CM", f"{track}/CM", "keys/CM", "CM"]
    return [root / part / _KEY_2021 for root in roots for part in inner]


def _key_2021_places(data: DataConfig) -> str:
    """Return the places of `_keys_2021` in short."""
    track = data.track
    return f"[ASVspoof2021_{track}_eval/][{track}-keys-full/][keys/][{track}/]CM/{_KEY_2021}"


def _read_5(data: DataConfig) -> list[Utterance]:
    file = _found(data, asvspoof5.tries(data.root, _PROTOCOL5), "the protocol of the evaluation split")
    parse = partial(asvspoof5.parse_line, audio=data.root / _AUDIO5)
    return read_listing(file, split_lines(file), parse, not data.skip_bad)


def _read_wild(data: DataConfig) -> list[Utterance]:
    file = _found(data, [data.root / _LIST_WILD], "the list of files")
    parse = partial(in_the_wild.parse_row, folder=data.root)
    return read_listing(file, table_rows(file, in_the_wild.COLUMNS), parse, not data.skip_bad)


def _read_manifest(data: DataConfig) -> list[Utterance]:
    return manifest.read_manifest(dataset.find_manifest(data), "eval", not data.skip_bad)


def _find(files: list[Path]) -> Path | None:
    return next((file for file in files if file.is_file()), None)


def _found(data: DataConfig, files: list[Path], what: str) -> Path:
    if file := _find(files):
        return file
    looked = ", ".join(map(str, files))
    raise InputError(
        f"{data.root}: data folder must contain {what}, found none of {looked}; check the folder"
    )


_READERS = {
    "asvspoof2019": _read_2019,
    "asvspoof2021": _read_2021,
    "asvspoof5": _read_5,
    "in_the_wild": _read_wild,
    "manifest": _read_manifest,
}
