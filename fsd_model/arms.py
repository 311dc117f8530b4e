"""Control arms: what a self-distilled network is compared with to see whether distillation does anything."""

from __future__ import annotations

from typing import Any

from fsd_model.config import TrainConfig
from fsd_model.errors import InputError


def arms(params: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The control arms of a configuration as changes of its settings; the first is the baseline.

    Source: the components named in arXiv 2303.01211; deep supervision is Lee et al. 2015.

    Raises:
        pydantic.ValidationError, InputError: faulty settings, or a network without a cut.
    """
    if not TrainConfig.model_validate(params).split:
        raise InputError("cuts: an ablation needs a network that is cut, got []; give a split such as [2, 4]")
    no_soft, no_feature = {"distill.soft_weight": 0.0}, {"distill.feature_weight": 0.0}
    return {
        "baseline": {"cuts": []},
        "deep supervision": {"distill.hard_on": "all", **no_soft, **no_feature},
        "soft only": no_feature,
        "feature only": no_soft,
        "both": {},
    }


def seeded(seed: int) -> dict[str, Any]:
    """The change that makes another run of the same configuration."""
    return {"seed": seed}
