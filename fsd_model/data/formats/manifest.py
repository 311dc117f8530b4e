"""Any corpus with a manifest: a CSV or Parquet table with one row per utterance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from fsd_model.data.formats.tables import table_rows
from fsd_model.data.protocol import check_attack, read_listing
from fsd_model.data.utterance import NO_CODEC, Utterance
from fsd_model.errors import InputError
from fsd_model.labels import LABELS

COLUMNS = ("path", "speaker", "attack", "label", "split")
OPTIONAL = ("codec", "environment")

ManifestSplit = Literal["train", "dev", "eval"]
_SPLITS = ("train", "dev", "eval")


def find(root: Path) -> Path | None:
    """Return the manifest: `root` itself, or `manifest.csv` or `manifest.parquet` in it, or None."""
    return next((file for file in tries(root) if file.is_file()), None)


def tries(root: Path) -> list[Path]:
    """Return the places where a manifest may lie."""
    if root.suffix in (".csv", ".parquet"):
        return [root]
    return [root / "manifest.csv", root / "manifest.parquet"]


def read_manifest(file: Path, split: ManifestSplit, check_files: bool) -> list[Utterance]:
    """Return the utterances of one split; of rows of other splits only the column `split` is read.

    Raises:
        InputError: `FILE:LINE: rule, got ..., way out`.
    """
    folder = file.parent
    rows = table_rows(file, COLUMNS, OPTIONAL)
    own = [(number, row) for number, row in rows if _split_of(file, number, row) == split]
    if not own:
        raise InputError(f"{file}: manifest must have rows of the split {split}, got none; add some")
    return read_listing(file, own, lambda row: parse_row(row, folder), check_files)


def splits_in(file: Path) -> set[str]:
    """Return the splits of a manifest; only the column `split` is read.

    Raises:
        InputError: a damaged table or a split other than train, dev and eval.
    """
    return {_split_of(file, number, row) for number, row in table_rows(file, ("split",))}


def parse_row(row: Mapping[str, str], folder: Path) -> Utterance:
    """Return the utterance of one row; its name is the path without suffix, white space as `_`.

    Args:
        row: text by column.
        folder: folder that relative paths start from.

    Raises:
        InputError: no path, an unknown label, or an attack that does not fit the label.
    """
    text, attack = row["path"], row["attack"] or "-"
    if not text.strip():
        raise InputError("path must name an audio file, got none; fill it in")
    for column in ("attack", "codec", "environment"):
        if len(row.get(column, "").split()) > 1:
            raise InputError(f"{column} must be one word, got `{row[column]}`; write it without spaces")
    check_attack(attack, row["label"])
    name = "_".join(Path(text).with_suffix("").as_posix().split())
    return Utterance(
        name,
        row["speaker"] or "-",
        attack,
        LABELS[row["label"]],
        folder / text,
        row.get("environment") or "-",
        row.get("codec") or NO_CODEC,
    )


def _split_of(file: Path, number: int, row: Mapping[str, str]) -> str:
    split = row["split"]
    if split not in _SPLITS:
        raise InputError(f"{file}:{number}: split must be train, dev or eval, got `{split}`; correct it")
    return split
