"""Control arms: trainings without parts of the method, to show whether distillation helps."""

from __future__ import annotations

from typing import Any

from fsd_model.errors import InputError
from fsd_model.training.config import TrainConfig


def arms(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the control arms of a configuration as changes of its settings; the first is the baseline.

    A configuration with only one of the distillation losses has that arm and no "both".

    Source: the components named in arXiv 2303.01211; deep supervision is Lee et al. 2015.

    Raises:
        pydantic.ValidationError, InputError: faulty settings, a network without a cut, or nothing distilled.
    """
    train_config = TrainConfig.model_validate(config)
    if not train_config.resolved_cuts:
        raise InputError("cuts: an ablation needs a network that is cut, got []; give cuts such as [2, 4]")
    no_soft, no_feature = {"distill.soft_weight": 0.0}, {"distill.feature_weight": 0.0}
    distilled = train_config.distill
    parts = {
        "soft only": no_feature if distilled.soft != "none" and distilled.soft_weight > 0 else None,
        "feature only": no_soft if distilled.feature != "none" and distilled.feature_weight > 0 else None,
    }
    there = {name: changes for name, changes in parts.items() if changes is not None}
    if not there:
        raise InputError(
            "distill: an ablation needs a soft or a feature loss, got both off; give one of them a weight"
        )
    return {
        "baseline": {"cuts": [], **no_soft, **no_feature},
        "deep supervision": {"distill.hard_on": "all", **no_soft, **no_feature},
        **there,
        **({"both": {}} if len(there) == 2 else {}),
    }


def reseeded(config: dict[str, Any], count: int) -> dict[int, dict[str, Any]]:
    """Return the changes that repeat a configuration with `count` other seeds, by seed.

    The seed of `config` is left out: the search selected the configuration by that run, so its result is the
    best of many, and no control arm was selected in that way.
    """
    own = TrainConfig.model_validate(config).seed
    fresh = [seed for seed in range(1, count + 2) if seed != own][:count]
    return {seed: {"seed": seed} for seed in fresh}
