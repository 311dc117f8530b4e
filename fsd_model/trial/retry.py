"""Settings to change before a failed trial is retried."""

from __future__ import annotations

from typing import Any

from fsd_model.distillation.total_loss import compares_utterances
from fsd_model.training.config import TrainConfig


def retry_settings(config: dict[str, Any], cause: str) -> dict[str, Any] | None:
    """Return the settings to change for a retry, which can resume from the last checkpoint.

    Only runtime settings change, which are not part of a training's identity.

    Args:
        config: as for `run`.
        cause: "memory": half the micro-batch, the same batch, no recorded updates. "not-finite": segments in
            float32 where they were in less; a repeat in float32 would end the same.

    Returns:
        Dotted keys with values; None where nothing helps: the micro-batch is 1 or a loss needs the whole
        batch, the precision is float32 already, or the cause is another one.

    Raises:
        pydantic.ValidationError, InputError: faulty settings.
    """
    train_config = TrainConfig.model_validate(config)
    if cause == "memory":
        size = min(train_config.runtime.micro_batch or train_config.batch_size, train_config.batch_size)
        can_halve = size > 1 and compares_utterances(train_config.distill) is None
        unrecorded = {"runtime.cuda_graph": False} if train_config.runtime.cuda_graph else {}
        return {"runtime.micro_batch": size // 2, **unrecorded} if can_halve else None
    if cause == "not-finite" and train_config.runtime.precision != "float32":
        return {"runtime.precision": "float32"}
    return None
