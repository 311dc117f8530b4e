"""Metrics of a countermeasure; docs/metrics.md has the definitions.

In reading order:

sorted_scores.py  scores sorted once, with counts: the input of every metric and resample
eer.py            equal error rate
dcf.py            minDCF, actDCF (ASVspoof 5)
t_dcf.py          min t-DCF, with the speaker verification system behind (ASVspoof 2019, 2021)
agnostic_dcf.py   a-DCF
llr_cost.py       Cllr
det.py            the DET curve
bootstrap.py      intervals by speaker
summary.py        the metrics of a result, their titles and formats

Higher score = more bona fide. All rates are fractions. A score is accepted when it is above the threshold.
"""

from __future__ import annotations

from fsd_model.metrics.agnostic_dcf import ASVSPOOF5_COSTS, AgnosticCosts, a_dcf
from fsd_model.metrics.bootstrap import bootstrap_intervals
from fsd_model.metrics.dcf import actual_dcf, min_dcf
from fsd_model.metrics.eer import EqualErrorRate, equal_error_rate
from fsd_model.metrics.llr_cost import cllr
from fsd_model.metrics.t_dcf import (
    COST_FALSE_ALARM_ASV,
    COST_FALSE_ALARM_CM,
    COST_MISS_ASV,
    COST_MISS_CM,
    PRIOR_NONTARGET,
    PRIOR_SPOOF,
    PRIOR_TARGET,
    AsvErrorRates,
    Form,
    min_tdcf,
)

__all__ = [
    "ASVSPOOF5_COSTS",
    "COST_FALSE_ALARM_ASV",
    "COST_FALSE_ALARM_CM",
    "COST_MISS_ASV",
    "COST_MISS_CM",
    "PRIOR_NONTARGET",
    "PRIOR_SPOOF",
    "PRIOR_TARGET",
    "AgnosticCosts",
    "AsvErrorRates",
    "EqualErrorRate",
    "Form",
    "a_dcf",
    "actual_dcf",
    "bootstrap_intervals",
    "cllr",
    "equal_error_rate",
    "min_dcf",
    "min_tdcf",
]
