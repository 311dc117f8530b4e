"""Report and findings of one split, as data for the table and the JSON file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fsd_model.data.audio import SAMPLE_RATE
from fsd_model.data.bad_files import LeftOut
from fsd_model.data.utterance import Utterance
from fsd_model.data_check.file_measures import Measured
from fsd_model.data_check.shortcuts import MEASURES, Shortcut, shortcut
from fsd_model.labels import BONAFIDE, LABELS, SPOOF

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """A fault to act on.

    Attributes:
        level: errors make the exit code 1.
        where: the split, or two joined by `+`.
        text: the fault, and how many are affected.
        names: all affected utterances or speakers.
    """

    level: Level
    where: str
    text: str
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SplitReport:
    """Report of one split; counts are numbers of utterances unless stated otherwise.

    Attributes:
        utterances: lines of the protocol.
        missing: names of utterances without an audio file.
        undecodable: files that do not decode, and why.
        rates: good files by sampling rate in Hz.
        seconds: min, median, max and total duration of the good files.
        classes, attacks, codecs: utterances by class, attack and codec.
        speakers: number of different speakers.
        shortcuts: by measure, where both classes have good files.
    """

    utterances: int
    missing: list[str]
    undecodable: list[LeftOut]
    rates: dict[str, int]
    seconds: dict[str, float]
    classes: dict[str, int]
    attacks: dict[str, int]
    codecs: dict[str, int]
    speakers: int
    shortcuts: dict[str, Shortcut]


@dataclass(frozen=True)
class Checked:
    """A split as read: per utterance its measures, the reason why there are none, or None if missing."""

    utterances: Sequence[Utterance]
    results: Sequence[Measured | str | None]


def report_split(checked: Checked) -> SplitReport:
    """Count and summarise one split."""
    pairs = list(zip(checked.utterances, checked.results, strict=True))
    good = [(u, result) for u, result in pairs if isinstance(result, Measured)]
    utterances = checked.utterances
    return SplitReport(
        utterances=len(pairs),
        missing=[u.name for u, result in pairs if result is None],
        undecodable=[LeftOut(name=u.name, reason=result) for u, result in pairs if isinstance(result, str)],
        rates=_counts(str(measured.rate) for _, measured in good),
        seconds=_durations([measured.seconds for _, measured in good]),
        classes={key: sum(u.label == label for u in utterances) for key, label in LABELS.items()},
        attacks=_counts(u.attack for u in utterances if u.label == SPOOF),
        codecs=_counts(u.codec for u in utterances),
        speakers=len({u.speaker for u in utterances}),
        shortcuts=_shortcuts(good),
    )


def findings_of(split: str, report: SplitReport, skip_bad: bool) -> list[Finding]:
    """Return the faults within one split; with `skip_bad`, files that can be left out are warnings."""
    level: Level = "warning" if skip_bad else "error"
    findings: list[Finding] = []
    if report.missing:
        findings.append(
            Finding(level, split, f"{len(report.missing)} audio files are missing", report.missing)
        )
    if report.undecodable:
        names = [f"{bad.name}: {bad.reason}" for bad in report.undecodable]
        findings.append(Finding(level, split, f"{len(names)} audio files do not decode", names))
    if set(report.rates) - {str(SAMPLE_RATE)}:
        rates = ", ".join(f"{count} at {rate} Hz" for rate, count in report.rates.items())
        findings.append(Finding("warning", split, f"not all at {SAMPLE_RATE} Hz, will be resampled: {rates}"))
    for measure, each in report.shortcuts.items():
        if each.suspicious:
            findings.append(Finding("warning", split, _message(measure, each)))
    return findings


def _message(measure: str, values: Shortcut) -> str:
    return (
        f"{MEASURES[measure]} alone tells the classes apart: median {values.bonafide:.3g} in bona fide,"
        f" {values.spoof:.3g} in spoof, AUC {max(values.auc, 1 - values.auc):.2f}; a detector may learn that"
    )


def _shortcuts(good: Sequence[tuple[Utterance, Measured]]) -> dict[str, Shortcut]:
    shortcuts = {}
    for measure in MEASURES:
        bonafide = [getattr(measured, measure) for u, measured in good if u.label == BONAFIDE]
        spoof = [getattr(measured, measure) for u, measured in good if u.label == SPOOF]
        if bonafide and spoof:
            shortcuts[measure] = shortcut(bonafide, spoof)
    return shortcuts


def _durations(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {
        "min": min(seconds),
        "median": float(np.median(seconds)),
        "max": max(seconds),
        "total": sum(seconds),
    }


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
