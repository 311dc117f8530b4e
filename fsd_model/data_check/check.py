"""The check of a corpus before anything is trained on it: every file read once, nothing written.

The evaluation split of a corpus is left alone unless asked for; a set made for evaluation is checked itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal

from fsd_model.data.bad_files import reason_of
from fsd_model.data.formats.manifest import splits_in
from fsd_model.data.training_splits import DataConfig, find_manifest, read_split, recognise
from fsd_model.data.utterance import Utterance
from fsd_model.data_check.across_splits import duplicates, shared_speakers
from fsd_model.data_check.file_measures import SILENCE_DB, Measured, measure
from fsd_model.data_check.findings import Checked, Finding, SplitReport, findings_of, report_split
from fsd_model.errors import InputError
from fsd_model.evaluation.eval_split import EVALUATION_SETS, evaluation_format, has_eval, read_eval
from fsd_model.progress import Progress

CheckedSplit = Literal["train", "dev", "eval"]
_AT_ONCE = 64


@dataclass(frozen=True)
class Report:
    """Result of a check.

    Attributes:
        root: folder or manifest.
        format: its layout.
        splits: by name, in the order train, dev, eval.
        findings: faults, errors first.
        eval_left_unopened: there is an evaluation split, and it was not read.
    """

    root: str
    format: str
    splits: dict[str, SplitReport]
    findings: list[Finding]
    eval_left_unopened: bool

    @property
    def failed(self) -> bool:
        """Return whether there is an error."""
        return any(finding.level == "error" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return plain data, with the definition of silence."""
        tree = asdict(self)
        for split in tree["splits"].values():
            split["undecodable"] = [bad.model_dump() for bad in split["undecodable"]]
        return {**tree, "silence_db_below_peak": -SILENCE_DB}


def splits_to_check(data: DataConfig, with_eval: bool) -> list[CheckedSplit]:
    """Return train and dev; with `with_eval` also eval; only eval for evaluation sets.

    Raises:
        InputError: no corpus.
    """
    layout = evaluation_format(data)
    if layout in EVALUATION_SETS or (data.format == "auto" and recognise(data) is None):
        return ["eval"]
    chosen: list[CheckedSplit] = ["train", "dev"]
    if layout == "manifest":
        there = splits_in(find_manifest(data))
        chosen = [split for split in chosen if split in there]
    return [*chosen, "eval"] if not chosen or (with_eval and has_eval(data)) else chosen


def check_data(
    data: DataConfig, splits: Sequence[CheckedSplit], jobs: int = 1, progress: Progress | None = None
) -> Report:
    """Read every file of `splits` and report.

    Args:
        data: the corpus; with `skip_bad`, bad files are warnings.
        splits: splits to read.
        jobs: number of threads.
        progress: called with (done, total).

    Raises:
        InputError: no corpus, or a bad line in a protocol.
    """
    layout = evaluation_format(data)
    listed = {split: _utterances(data, split) for split in splits}
    results = iter(_results([u for utterances in listed.values() for u in utterances], jobs, progress))
    checked: dict[str, Checked] = {
        split: Checked(utterances, [next(results) for _ in utterances])
        for split, utterances in listed.items()
    }
    reports = {split: report_split(each) for split, each in checked.items()}
    findings = [f for split, report in reports.items() for f in findings_of(split, report, data.skip_bad)]
    findings += shared_speakers(checked) + duplicates(checked)
    findings.sort(key=lambda finding: finding.level)
    unopened = "eval" not in splits and has_eval(data)
    return Report(str(data.root), layout, reports, findings, unopened)


def _utterances(data: DataConfig, split: CheckedSplit) -> list[Utterance]:
    tolerant = data.model_copy(update={"skip_bad": True})  # missing files are counted here
    return read_eval(tolerant) if split == "eval" else read_split(tolerant, split)


def _results(
    utterances: Sequence[Utterance], jobs: int, progress: Progress | None
) -> list[Measured | str | None]:
    """Measure all files, in order; the audio of at most `_AT_ONCE` files is in memory."""
    results: list[Measured | str | None] = []
    with ThreadPoolExecutor(jobs) as pool:
        for start in range(0, len(utterances), _AT_ONCE):
            results += pool.map(_result, utterances[start : start + _AT_ONCE])
            if progress is not None:
                progress(len(results), len(utterances))
    return results


def _result(utterance: Utterance) -> Measured | str | None:
    if not utterance.path.is_file():
        return None
    try:
        return measure(utterance.path)
    except InputError as error:
        return reason_of(utterance, error)
