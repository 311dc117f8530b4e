"""The sections that speech adds to the report: EER by cut, by exit, by attack, and DET curves.

A section is a plain dict, as defined by the trial contract, so nothing of the search is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fsd_model.trial.report.attacks import attack_section, det_section
from fsd_model.trial.report.network import exit_section, network_section
from fsd_model.trial.report.reported_trial import Section, read_trials


def report_sections(study: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Return the sections about speech.

    Args:
        study: the study file's content.
        trials: each with number, role, state, config, metrics and, if it has a role, its folder.

    Returns:
        The sections with content.

    Raises:
        pydantic.ValidationError, InputError: settings or scores that cannot be read.
    """
    rows = read_trials(study, trials)
    sections = [make(rows) for make in (network_section, exit_section, attack_section, det_section)]
    return [section for section in sections if section is not None]
