"""The metrics that describe a set of scores, in the order of every table."""

from __future__ import annotations

from functools import partial

from fsd_model.metrics.bootstrap import Statistic
from fsd_model.metrics.dcf import actual_dcf_of, min_dcf_of
from fsd_model.metrics.eer import equal_error_of
from fsd_model.metrics.llr_cost import cllr_of
from fsd_model.metrics.sorted_scores import Ranking
from fsd_model.metrics.t_dcf import AsvErrorRates, min_tdcf_of

EER = "eer"

TITLES = {
    EER: "EER %",
    "min_tdcf_legacy": "min t-DCF (legacy)",
    "min_tdcf_revised": "min t-DCF (revised)",
    "min_dcf": "minDCF",
    "actual_dcf": "actDCF",
    "cllr": "Cllr (bits)",
}


def statistics_of(asv: AsvErrorRates | None) -> dict[str, Statistic]:
    """Return statistics by name, lower is better; min t-DCF if the speaker verification system is known."""
    statistics: dict[str, Statistic] = {EER: _rate}
    if asv is not None:
        statistics["min_tdcf_legacy"] = partial(min_tdcf_of, asv=asv, form="legacy")
        statistics["min_tdcf_revised"] = partial(min_tdcf_of, asv=asv, form="revised")
    return statistics | {"min_dcf": min_dcf_of, "actual_dcf": actual_dcf_of, "cllr": cllr_of}


def format_metric(name: str, value: float, sign: str = "") -> str:
    """Format a metric for the screen: the EER in percent, costs with four digits."""
    return f"{100 * value:{sign}.2f}" if name == EER else f"{value:{sign}.4f}"


def _rate(ranking: Ranking) -> float:
    return equal_error_of(ranking).rate
