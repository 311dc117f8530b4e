"""The report of `data check` for a person: one table a question, then what is wrong."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fsd_model.data_check.check import Report
from fsd_model.data_check.file_measures import SILENCE_DB
from fsd_model.data_check.findings import Finding, SplitReport
from fsd_model.data_check.shortcuts import MEASURES

_SHOWN = 20


def print_report(report: Report, console: Console, all_names: bool) -> None:
    """Print a report.

    Args:
        report: of `check_data`.
        console: where to.
        all_names: every name of a finding, instead of the first 20.
    """
    console.print(Text(f"{report.root}  ({report.format})"), soft_wrap=True)
    console.print(_overview(report.splits))
    console.print(_attacks(report.splits))
    console.print(_shortcuts(report.splits))
    console.print(
        f"silence: quieter than {-SILENCE_DB:g} dB below the peak of its file; AUC 0.5: says nothing"
    )
    for finding in report.findings:
        _print_finding(finding, console, all_names)
    if report.eval_left_unopened:
        console.print("the evaluation split was left unopened (--eval opens it)")
    errors = sum(finding.level == "error" for finding in report.findings)
    console.print(f"{errors} errors, {len(report.findings) - errors} warnings")


def _overview(splits: dict[str, SplitReport]) -> Table:
    table = Table("", *splits)
    rows: dict[str, Callable[[SplitReport], str]] = {
        "utterances": lambda s: f"{s.utterances}",
        "bona fide": lambda s: f"{s.classes['bonafide']}",
        "spoof": lambda s: f"{s.classes['spoof']}",
        "speakers": lambda s: f"{s.speakers}",
        "missing files": lambda s: f"{len(s.missing)}",
        "undecodable files": lambda s: f"{len(s.undecodable)}",
        "sampling rates, Hz": lambda s: _joined(s.rates),
        "codecs": lambda s: _joined(s.codecs),
        "shortest, s": lambda s: _seconds(s, "min"),
        "median, s": lambda s: _seconds(s, "median"),
        "longest, s": lambda s: _seconds(s, "max"),
        "total, h": lambda s: f"{s.seconds.get('total', 0) / 3600:.2f}",
    }
    for name, cell in rows.items():
        table.add_row(name, *(cell(split) for split in splits.values()))
    return table


def _attacks(splits: dict[str, SplitReport]) -> Table:
    table = Table("attack", *splits)
    for attack in sorted({attack for split in splits.values() for attack in split.attacks}):
        table.add_row(attack, *(str(split.attacks.get(attack, 0)) for split in splits.values()))
    return table


def _shortcuts(splits: dict[str, SplitReport]) -> Table:
    table = Table("split", "measure", "bona fide", "spoof", "AUC", "")
    for name, split in splits.items():
        for measure, values in split.shortcuts.items():
            mark = "tells the classes apart" if values.suspicious else ""
            cells = f"{values.bonafide:.3g}", f"{values.spoof:.3g}", f"{values.auc:.3f}", mark
            table.add_row(name, f"median {MEASURES[measure]}", *cells)
    return table


def _print_finding(finding: Finding, console: Console, all_names: bool) -> None:
    console.print(Text(f"{finding.level}: {finding.where}: {finding.text}"), soft_wrap=True)
    names = finding.names if all_names else finding.names[:_SHOWN]
    for name in names:
        console.print(Text(f"  {name}"), soft_wrap=True)
    if len(names) < len(finding.names):
        console.print(f"  and {len(finding.names) - len(names)} more (--json FILE lists all)")


def _joined(counts: dict[str, int]) -> str:
    if len(counts) > 3:
        return f"{len(counts)} different"
    return ", ".join(f"{value} ({count})" for value, count in counts.items()) or "none"


def _seconds(split: SplitReport, key: str) -> str:
    return f"{split.seconds[key]:.2f}" if split.seconds else "none"
