"""A batch in micro-batches: every utterance once, the gradients of the whole, one line where that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fsd_model import trial
from fsd_model.distillation.distiller import require_means
from fsd_model.distributed.processes import ALONE, Processes, parts
from fsd_model.errors import InputError
from fsd_model.training.export import export_detector
from fsd_model.training.trainer import Trainer
from fsd_model.trial.retry import retry_settings
from tests.fsd_model.support.custom_networks import HERE
from tests.fsd_model.support.synthetic import config, training_data
from tests.fsd_model.training.test_trainer import assert_same_weights, history, weights

NORM_FREE = {"network": {"factory": f"{HERE}:norm_free"}}
PARAMS = {"data": {"root": "x"}, "batch_size": 64}


@given(count=st.integers(2, 70), micro_batch=st.none() | st.integers(1, 80), size=st.integers(1, 5))
def test_every_row_is_computed_once_and_the_shares_are_those_of_the_batch(
    count: int, micro_batch: int | None, size: int
) -> None:
    rows_B = np.arange(count) + 7
    everyone = [list(parts(rows_B, micro_batch, Processes(rank, size))) for rank in range(size)]
    counted = [rows for each in everyone for rows, share in each if share > 0]
    assert sorted(np.concatenate(counted)) == rows_B.tolist()
    assert sum(share for each in everyone for _, share in each) == pytest.approx(1)
    assert len({len(each) for each in everyone}) == 1
    assert all(len(rows) for each in everyone for rows, _ in each)
    together = [
        sum(len(rows) for rows, share in at_once if share > 0) for at_once in zip(*everyone, strict=True)
    ]
    assert max(together) <= (micro_batch or count)
    assert max(together) - min(together) <= 1


LOSSES: list[dict[str, Any]] = [
    {},
    {"distill.hard_on": "all", "distill.hard_loss": "cross_entropy", "distill.soft": "js"},
    {"distill.feature": "cosine", "distill.adapter": "conv", "distill.teacher": "ensemble"},
    {"distill.feature": "attention_transfer", "distill.teacher": "ema"},
    {"augment.two_view": True, "augment.spec.probability": 1.0},
]


@pytest.mark.parametrize("losses", LOSSES, ids=str)
@pytest.mark.parametrize("micro_batch", [1, 3, 5])
def test_gradients_add_up_to_those_of_the_whole_batch(losses: dict[str, Any], micro_batch: int) -> None:
    whole, cut = (_stepped({**losses, "runtime.micro_batch": size}) for size in (None, micro_batch))
    for name, parameter in whole.network.named_parameters():
        gradient = cut.network.get_parameter(name).grad
        assert gradient is not None
        assert parameter.grad is not None
        torch.testing.assert_close(gradient, parameter.grad, rtol=2e-4, atol=2e-6)


def _stepped(changes: dict[str, Any]) -> Trainer:
    """After one update on 14 utterances, batch norm in eval mode: a network without statistics of a batch."""
    settings = config(batch_size=14, epochs=2, **changes)
    trainer = Trainer(settings, _with_masks(settings))
    trainer.network.eval()
    if trainer.distiller.average is not None:
        trainer.distiller.average.average.eval()
    trainer.train_step(np.arange(20, 34))
    return trainer


def _with_masks(settings: Any) -> Any:
    from dataclasses import replace

    from fsd_model.augmentation.pipeline import Augmentation

    data = training_data()
    if settings.augment.is_off:
        return data
    return replace(data, augmentation=Augmentation(settings.augment, settings.feature, settings.seed))


def test_without_batch_norm_the_training_is_the_same() -> None:
    whole, cut = (
        Trainer(config(epochs=2, **NORM_FREE, **{"runtime.micro_batch": size}), training_data())
        for size in (None, 5)
    )
    for ours, theirs in zip(history(whole), history(cut), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4)
    for name, weight in weights(whole).items():
        torch.testing.assert_close(weights(cut)[name], weight, rtol=1e-2, atol=1e-3)


def test_a_micro_batch_of_the_batch_changes_no_bit() -> None:
    whole, same = (
        Trainer(config(epochs=1, **{"runtime.micro_batch": size}), training_data()) for size in (None, 16)
    )
    assert history(whole) == history(same)
    assert_same_weights(weights(whole), weights(same))


def test_batch_norm_sees_the_micro_batch() -> None:
    whole, cut = (
        Trainer(config(epochs=1, **{"runtime.micro_batch": size}), training_data()) for size in (None, 8)
    )
    assert history(whole)[0]["train/loss"] != history(cut)[0]["train/loss"]
    counted = "backbone.stem.1.num_batches_tracked"
    assert (int(weights(whole)[counted]), int(weights(cut)[counted])) == (6, 12)


def test_an_attempt_goes_on_with_another_micro_batch_and_precision(tmp_path: Path) -> None:
    first = Trainer(config(epochs=2, **{"runtime.precision": "bfloat16"}), training_data())
    next(first.epochs())
    first.save(tmp_path / "state")
    relieved = {"runtime.precision": "float32", "runtime.micro_batch": 8}
    second = Trainer(config(epochs=2, **relieved), training_data())
    second.load(tmp_path / "state")
    assert second.best == first.best
    assert second.best is not None
    assert second.best.precision == "bfloat16"
    export_detector(second, tmp_path / "detector")  # the best epoch is still that of the first attempt
    assert len(history(second)) == 1


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"distill.soft": "margin_kl"}, "distill.soft: margin_kl"),
        ({"distill.feature": "similarity_preserving"}, "distill.feature: similarity_preserving"),
    ],
)
def test_what_needs_the_whole_batch_is_refused_in_one_line(changes: dict[str, Any], setting: str) -> None:
    config(**changes, **{"runtime.micro_batch": 16})
    with pytest.raises(ValidationError, match=f"runtime.micro_batch: {setting} needs the whole batch of 16"):
        config(**changes, **{"runtime.micro_batch": 15})
    distill = config(**changes).distill
    require_means(distill, ALONE)
    with pytest.raises(InputError, match=f"{setting} compares the utterances.*got 2 processes"):
        require_means(distill, Processes(0, 2))


def test_out_of_memory_halves_the_micro_batch_down_to_one() -> None:
    assert retry_settings(PARAMS, "memory") == {"runtime.micro_batch": 32}
    sizes, params = [], {**PARAMS, "batch_size": 20}
    while (changes := retry_settings(params, "memory")) is not None:
        params = {**params, "runtime": {"micro_batch": changes["runtime.micro_batch"]}}
        sizes.append(params["runtime"]["micro_batch"])
    assert sizes == [10, 5, 2, 1]
    assert retry_settings({**PARAMS, "runtime": {"micro_batch": 99}}, "memory") == {"runtime.micro_batch": 32}
    assert retry_settings({**PARAMS, "distill": {"soft": "margin_kl"}}, "memory") is None


def test_what_is_not_finite_is_tried_again_in_float32_alone() -> None:
    half = {**PARAMS, "runtime": {"precision": "bfloat16"}}
    assert trial.retry_settings(half, "not-finite") == {"runtime.precision": "float32"}
    assert trial.retry_settings(PARAMS, "not-finite") is None
    assert trial.retry_settings(half, "lost") is None
