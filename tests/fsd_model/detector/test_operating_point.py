"""Decisions: the published threshold, least expected cost by enumeration, probabilities by Bayes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fsd_model.detector.operating_point import OperatingPoint
from fsd_model.errors import InputError

PRIORS, COSTS = st.floats(0.001, 0.999), st.floats(0.01, 100)


def test_the_default_is_the_point_of_asvspoof_5() -> None:
    point = OperatingPoint.of()
    assert point.threshold == pytest.approx(-0.6418539, abs=1e-7)
    assert (point.prior_spoof, point.cost_miss, point.cost_false_alarm) == (0.05, 1.0, 10.0)
    assert point.verdict(0.0, point.threshold).decision == "bonafide"
    assert point.verdict(0.0, math.nextafter(point.threshold, -1)).decision == "spoof"
    assert "bona fide from LLR -0.6419 on" in point.words()
    assert "spoofed speech is 5 % of all" in point.words()


@given(prior=PRIORS, miss=COSTS, false_alarm=COSTS, llr=st.floats(-20, 20))
def test_a_decision_costs_least(prior: float, miss: float, false_alarm: float, llr: float) -> None:
    verdict = OperatingPoint.of(prior, miss, false_alarm).verdict(1.0, llr)
    spoof = prior / (prior + (1 - prior) * math.exp(llr))
    assert verdict.spoof_probability == pytest.approx(spoof, abs=1e-12)
    accept, refuse = spoof * false_alarm, (1 - spoof) * miss
    if abs(accept - refuse) > 1e-9 * (accept + refuse):
        assert verdict.decision == ("bonafide" if accept < refuse else "spoof")


def test_extreme_ratios_do_not_overflow() -> None:
    point = OperatingPoint.of()
    assert point.verdict(0.0, 5000.0).spoof_probability == 0
    assert point.verdict(0.0, -5000.0).spoof_probability == 1


def test_what_is_given_takes_the_place_of_its_own() -> None:
    point = OperatingPoint.of(0.2, 3.0, 4.0)
    assert point.changed() == point
    assert point.changed(cost_miss=1) == OperatingPoint.of(0.2, 1.0, 4.0)
    assert point.changed(prior_spoof=0.5).threshold == pytest.approx(math.log(4 / 3))


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"prior_spoof": 0.0}, "prior_spoof must lie between 0 and 1, got 0"),
        ({"prior_spoof": math.nan}, "prior_spoof must lie between 0 and 1, got nan"),
        ({"cost_miss": -1.0}, "cost_miss must be a positive, finite cost, got -1"),
        ({"cost_false_alarm": math.inf}, "cost_false_alarm must be a positive, finite cost, got inf"),
    ],
)
def test_impossible_priors_and_costs_are_named(given: dict[str, float], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        OperatingPoint.of().changed(**given)


def test_a_threshold_of_another_point_is_refused() -> None:
    stated = OperatingPoint.of().model_dump()
    with pytest.raises(ValidationError, match="threshold must follow from prior and costs"):
        OperatingPoint.model_validate({**stated, "prior_spoof": 0.5})
