"""Speakers shared between splits and recordings that occur more than once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations

from fsd_model.data.utterance import Utterance
from fsd_model.data_check.file_measures import Measured
from fsd_model.data_check.findings import Checked, Finding

_UNKNOWN_SPEAKER = "-"


def shared_speakers(splits: Mapping[str, Checked]) -> list[Finding]:
    """Return speakers of more than one split, as warnings: some official sets share speakers."""
    speakers = {
        name: {u.speaker for u in checked.utterances} - {_UNKNOWN_SPEAKER} for name, checked in splits.items()
    }
    findings = []
    for first, second in combinations(splits, 2):
        if both := sorted(speakers[first] & speakers[second]):
            text = f"{len(both)} speakers are in both splits"
            findings.append(Finding("warning", f"{first}+{second}", text, both))
    return findings


def duplicates(splits: Mapping[str, Checked]) -> list[Finding]:
    """Return utterances with the same bytes, or the same samples in other bytes.

    An error where a recording is called bona fide and spoof at once; else a warning.
    """
    by_content, by_sound = defaultdict(list), defaultdict(list)
    for split, checked in splits.items():
        for utterance, result in zip(checked.utterances, checked.results, strict=True):
            if isinstance(result, Measured):
                by_content[result.content].append((split, utterance))
                by_sound[result.sound].append((split, utterance, result.content))
    same_sound = [
        [(split, utterance) for split, utterance, _ in group]
        for group in by_sound.values()
        if len({content for *_, content in group}) > 1
    ]
    same_bytes = _findings([group for group in by_content.values() if len(group) > 1], "bytes")
    return same_bytes + _findings(same_sound, "samples in other bytes")


def _findings(groups: list[list[tuple[str, Utterance]]], what: str) -> list[Finding]:
    """Return one finding per set of splits and kind of contradiction."""
    sorted_in: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for group in groups:
        where = "+".join(dict.fromkeys(split for split, _ in group))
        contradicts = len({utterance.label for _, utterance in group}) > 1
        sorted_in[where, contradicts].append(" = ".join(utterance.name for _, utterance in group))
    return [
        Finding(
            "error" if contradicts else "warning",
            where,
            f"{len(names)} recordings occur more than once (same {what})"
            + (" and are called bona fide and spoof at once" if contradicts else ""),
            names,
        )
        for (where, contradicts), names in sorted_in.items()
    ]
