"""Prior and costs of a decision, and the threshold that follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, model_validator

from fsd_model.metrics.dcf import C_FA, C_MISS, PRIOR_SPOOF, bayes_threshold, check_cost, check_prior
from fsd_model.settings import Settings

Decision = Literal["bonafide", "spoof"]

_ROUNDING = 1e-9


class OperatingPoint(Settings):
    """Prior and costs of decisions; by default those of ASVspoof 5, track 1.

    Attributes:
        prior_spoof: prior probability of spoofed speech where the detector is used, in (0, 1).
        cost_miss: cost of rejecting bona fide speech, > 0.
        cost_false_alarm: cost of accepting spoofed speech, > 0.
        threshold: log-likelihood ratios at or above it are called bona fide; -ln(beta) with
            beta = cost_miss (1 - prior_spoof) / (cost_false_alarm prior_spoof).
    """

    prior_spoof: float = Field(gt=0, lt=1)
    cost_miss: float = Field(gt=0)
    cost_false_alarm: float = Field(gt=0)
    threshold: float

    @model_validator(mode="after")
    def _threshold_follows(self) -> Self:
        expected = bayes_threshold(self.prior_spoof, self.cost_miss, self.cost_false_alarm)
        if not abs(self.threshold - expected) <= _ROUNDING:
            raise ValueError(f"threshold must follow from prior and costs ({expected}), got {self.threshold}")
        return self

    @classmethod
    def of(
        cls, prior_spoof: float = PRIOR_SPOOF, cost_miss: float = C_MISS, cost_false_alarm: float = C_FA
    ) -> Self:
        """Return the operating point of a prior and costs.

        Raises:
            InputError: a prior outside (0, 1), or a cost that is not positive and finite.
        """
        check_prior("prior_spoof", prior_spoof)
        check_cost("cost_miss", cost_miss)
        check_cost("cost_false_alarm", cost_false_alarm)
        return cls(
            prior_spoof=float(prior_spoof),
            cost_miss=float(cost_miss),
            cost_false_alarm=float(cost_false_alarm),
            threshold=bayes_threshold(prior_spoof, cost_miss, cost_false_alarm),
        )

    def changed(
        self,
        prior_spoof: float | None = None,
        cost_miss: float | None = None,
        cost_false_alarm: float | None = None,
    ) -> Self:
        """Return this point with the given values replaced; raises as `of`."""
        return self.of(
            self.prior_spoof if prior_spoof is None else prior_spoof,
            self.cost_miss if cost_miss is None else cost_miss,
            self.cost_false_alarm if cost_false_alarm is None else cost_false_alarm,
        )

    def verdict(self, score: float, llr: float) -> Verdict:
        """Return the meaning of a score and its log-likelihood ratio at this point."""
        log_odds = llr + math.log1p(-self.prior_spoof) - math.log(self.prior_spoof)
        decision: Decision = "bonafide" if llr >= self.threshold else "spoof"
        return Verdict(score, llr, 0.5 * (1 - math.tanh(log_odds / 2)), decision)

    def words(self) -> str:
        """Return prior, costs and threshold in one line for the screen."""
        return (
            f"spoofed speech is {100 * self.prior_spoof:g} % of all, refusing bona fide speech costs"
            f" {self.cost_miss:g}, accepting spoofed speech {self.cost_false_alarm:g}:"
            f" bona fide from LLR {self.threshold:+.4f} on"
        )


@dataclass(frozen=True)
class Verdict:
    """Output of a detector for one utterance.

    Attributes:
        score: higher = more bona fide; without unit.
        llr: natural log-likelihood ratio; above 0 supports bona fide speech, whatever the prior.
        spoof_probability: probability of spoofed speech at the operating point's prior, in [0, 1].
        decision: decision of least expected cost at the operating point.
    """

    score: float
    llr: float
    spoof_probability: float
    decision: Decision
