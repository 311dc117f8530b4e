"""Reads rows of CSV and Parquet tables as text by column, with line numbers."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from fsd_model.errors import InputError

_ROWS_AT_ONCE = 10_000


def table_rows(
    file: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, text by column) of a `.csv` or `.parquet` table; a missing optional value is empty.

    The header of a CSV is line 1; rows of a Parquet table count from 1. Only a part of the table is in
    memory.

    Raises:
        InputError: missing, unreadable or damaged file, a column that is missing, or a row of another length.
    """
    try:
        yield from (_parquet if file.suffix == ".parquet" else _csv)(file, required, optional)
    except FileNotFoundError:
        raise InputError(f"{file}: table must exist, found none; check the name and the folder") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: table must be UTF-8 text, got other bytes; save it as UTF-8") from None
    except OSError as error:
        reason = str(error.strerror or error).splitlines()[0]
        raise InputError(f"{file}: table must be readable, got: {reason}; check it") from error


def _csv(
    file: Path, required: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    with file.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            header = next(reader, [])
            _check_columns(f"{file}:1", header, required)
            columns = [(header.index(name), name) for name in (*required, *optional) if name in header]
            empty = dict.fromkeys(optional, "")
            for values in reader:
                if not values:
                    continue
                if len(values) != len(header):
                    raise InputError(
                        f"{file}:{reader.line_num}: row must have {len(header)} columns as the header has,"
                        f" got {len(values)}; correct it"
                    )
                yield reader.line_num, empty | {name: values[column] for column, name in columns}
        except csv.Error as error:
            raise InputError(f"{file}:{reader.line_num}: row must be CSV, got: {error}; correct it") from None


def _parquet(
    file: Path, required: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            _check_columns(str(file), table.schema_arrow.names, required)
            columns = [name for name in (*required, *optional) if name in table.schema_arrow.names]
            empty = dict.fromkeys(optional, "")
            number = 0
            for batch in table.iter_batches(_ROWS_AT_ONCE, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield (
                        number,
                        empty | {name: "" if row[name] is None else str(row[name]) for name in columns},
                    )
    except pyarrow.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file}: table must be Parquet, got: {reason}; write it again") from None


def _check_columns(place: str, header: Sequence[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in header]
    if missing:
        raise InputError(
            f"{place}: table must have the columns {', '.join(required)}, got no {', '.join(missing)};"
            f" its columns are: {', '.join(header) or 'none'}"
        )
