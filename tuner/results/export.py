"""The winner as files: `best.yaml`, a study of one trial, and the `export/` folder of its checkpoint."""

from __future__ import annotations

import json
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tuner.errors import StudyError
from tuner.files import write_text
from tuner.journal.record import TrialRecord
from tuner.space.space import with_values
from tuner.storage.storage import Storage
from tuner.study.study import Study
from tuner.study.yaml_file import dump

_PACKAGES = ("fsd-tuner", "ray", "optuna", "mlflow", "torch", "numpy")
_SEARCH_ONLY = (
    "default", "points", "warm_start", "concurrency", "budget", "finalists", "storage", "constraints",
    "objectives",
)  # fmt: skip
_COMMENT = """The best configuration that the study `{name}` found: a study of one trial.
Train it again and compare: fsd-tuner train {path}
`origin` says where it comes from; `fsd-tuner train` reports whether {metric} is the same."""


def export_winner(
    study: Study, trial: TrialRecord, storage: Storage, out: Path, replace: bool = False,
    note: Mapping[str, Any] = MappingProxyType({}),
) -> list[Path]:  # fmt: skip
    """Write the winner's export and then `best.yaml` into the study folder.

    Args:
        study: the study that was searched.
        trial: its winner.
        storage: holds the checkpoints.
        out: the study folder, absolute.
        replace: whether files of an earlier session may be replaced.
        note: further entries of `origin`.
    Returns:
        best.yaml and the exported files and folders.
    Raises:
        StudyError: the files cannot be written, as on a full disk; none is left half-written.
    """
    best = out / "best.yaml"
    comment = _COMMENT.format(name=study.name, path=best, metric=study.metric.name)
    try:
        with fetched(storage, trial.checkpoint) as folder:
            text = dump(one_trial(study, trial, folder, note).to_dict(), comment)
            return [best, *copy_export(folder, out, {best.name: text}, replace)]
    except OSError as error:
        kept = f"the trials are kept in {out / 'journal.jsonl'}"
        where = f", the winner's export in {storage.below(trial.checkpoint)}" if trial.checkpoint else ""
        raise StudyError(f"{out}: cannot write the export: {error.strerror}; {kept}{where}") from error


@contextmanager
def fetched(storage: Storage, name: str | None) -> Iterator[Path | None]:
    """Fetch a trial's checkpoint into a local folder; None where it saved none."""
    if name is None:
        yield None
        return
    with storage.fetched(name) as folder:
        yield folder


def copy_export(
    checkpoint: Path | None, into: Path, texts: Mapping[str, str] = MappingProxyType({}),
    replace: bool = False,
) -> list[Path]:  # fmt: skip
    """Copy the `export/` folder of a checkpoint: all of it or, where something fails, nothing.

    Args:
        checkpoint: a folder that a trial saved, or None.
        into: an existing folder.
        texts: further files to write, by name.
        replace: whether entries of these names in `into` may be replaced.
    Returns:
        The copied files and folders, without `texts`.
    Raises:
        OSError: the files cannot be written, as on a full disk.
        StudyError: an entry of that name is there.
    """
    source = checkpoint / "export" if checkpoint else None
    names = sorted(entry.name for entry in source.iterdir()) if source and source.is_dir() else []
    for name in (*names, *texts):
        if (into / name).exists() and not replace:
            raise StudyError(f"{into / name}: is there already; move it away or give another folder")
    with tempfile.TemporaryDirectory(dir=into, prefix=".export-") as staging:
        if source and names:
            shutil.copytree(source, staging, dirs_exist_ok=True)
        for name, text in texts.items():
            write_text(Path(staging) / name, text)
        for name in (*names, *texts):
            _remove(into / name)
            (Path(staging) / name).rename(into / name)
    return [into / name for name in names]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """Return the versions of the packages that the numbers depend on, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def one_trial(
    study: Study, trial: TrialRecord, state: Path | None, note: Mapping[str, Any] = MappingProxyType({})
) -> Study:
    """Return the content of a study that runs one trial again.

    Args:
        study: what was searched.
        trial: one of its trials.
        state: its last checkpoint, or None.
        note: further entries of `origin`.
    """
    origin = {
        "study": study.name,
        "trial": trial.number,
        "metric": study.metric.name,
        "value": trial.value,
        "epoch": trial.epoch,
        "seed": study.sampler.seed,
        "searched": trial.params,
        "versions": versions(),
        "facts": facts(state),
        **note,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    config = with_values(study.config(trial.params), trial.changes)
    settings = {key: value for key, value in config.items() if key != "epochs"}
    changes = {
        "settings": settings,
        "search": {},
        "trials": 1,
        "scheduler": {"name": "none"},
        "origin": origin,
    }
    content = {key: value for key, value in study.to_dict().items() if key not in _SEARCH_ONLY}
    return Study.model_validate(content | changes)


def facts(checkpoint: Path | None) -> dict[str, Any]:
    """Read the flat JSON object in the `facts.json` of a checkpoint; {} where there is none.

    Raises:
        StudyError: not a flat JSON object.
    """
    file = checkpoint / "facts.json" if checkpoint else None
    if file is None or not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StudyError(f"{file}: not valid JSON: {error}") from error
    flat = isinstance(content, Mapping) and not any(
        isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str))
        for value in content.values()
    )
    if not flat:
        raise StudyError(f"{file}: needs a flat JSON object of texts and numbers")
    return dict(content)
