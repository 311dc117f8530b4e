"""Two processes train one model over gloo: the same as one process but for rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fsd_model import trial
from fsd_model.distributed.processes import ALONE, Processes
from fsd_model.distributed.sync_batch_norm import SyncNorm, synchronise_norms
from fsd_model.errors import InputError
from tests.fsd_model.support.ranks import (
    NORM_PIECES,
    SETTINGS,
    Rank,
    normed,
    run_together,
    stepped,
    trained,
    trainer_of,
)
from tests.fsd_model.support.synthetic import reproducible

# measured: 1.3e-5 for losses and scores, 4e-3 for weights, relative to how far they moved
LOSS, MOVED = 1e-4, 2e-2


@pytest.fixture(scope="module")
def settings(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        "data": {"root": str(tiny_corpus)},
        "network": {"depth": 9},
        "optim": {"schedule": "constant", "learning_rate": 1e-4},
        "runtime": {"store": str(tmp_path_factory.mktemp("store")), "device": "cpu"},
        "batch_size": 31,
        "epochs": 2,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def ranks(settings: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """What each of the two processes saw."""
    return run_together(folder, settings)


def assert_close(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert reproducible(one) == pytest.approx(reproducible(other), rel=LOSS, abs=LOSS)


def assert_near(ours: dict[str, Any], theirs: dict[str, Any], start: dict[str, Any]) -> None:
    """Weights that ended near each other, measured by the way from where both began."""
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        apart, way = (float((weight - other[name]).double().norm()) for other in (ours, start))
        assert apart <= MOVED * way + 1e-6, name


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_the_first_update_s_gradients_are_those_of_one_process(
    ranks: list[dict[str, Any]], name: str
) -> None:
    for parameter, gradient in stepped(name).items():
        found = ranks[0]["gradients"][name][parameter]
        assert torch.equal(found, ranks[1]["gradients"][name][parameter])
        assert float((found - gradient).norm()) <= 1e-3 * float(gradient.norm()) + 1e-6, parameter


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_the_training_is_that_of_one_process(ranks: list[dict[str, Any]], name: str) -> None:
    start = {k: v.clone() for k, v in trainer_of(name).network.state_dict().items()}
    alone = trained(trainer_of(name))
    assert_close(ranks[0][name]["metrics"], alone["metrics"])
    assert_near(ranks[0][name]["weights"], alone["weights"], start)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_the_processes_agree_to_the_last_bit(ranks: list[dict[str, Any]], name: str) -> None:
    first, second = (each[name] for each in ranks)
    assert first["metrics"] == second["metrics"]
    for part in ("weights", "best"):
        assert all(torch.equal(value, second[part][key]) for key, value in first[part].items())


@pytest.mark.slow
def test_a_resumed_training_is_the_uninterrupted_one_and_one_process_may_take_it_over(
    ranks: list[dict[str, Any]], folder: Path
) -> None:
    whole, resumed = ranks[0]["everything"], ranks[0]["resumed"]
    assert [reproducible(m) for m in resumed["metrics"]] == [reproducible(m) for m in whole["metrics"][1:]]
    assert all(torch.equal(value, resumed["weights"][key]) for key, value in whole["weights"].items())
    alone = trainer_of("everything")
    alone.load(folder / "state")
    assert_close(list(alone.epochs()), resumed["metrics"])


@pytest.mark.slow
def test_a_trial_is_reported_by_all_and_saved_by_the_first(
    ranks: list[dict[str, Any]], folder: Path, settings: dict[str, Any]
) -> None:
    alone = Rank(folder / "alone")
    trial.run(settings, alone)
    first, second = (each["trial"] for each in ranks)
    assert first["metrics"] == second["metrics"]
    assert first["saved"] == [True, True]
    assert second["saved"] == [False, False]
    assert_close(first["metrics"], alone.metrics)
    assert [reproducible(m) for m in first["again"]] == [reproducible(first["metrics"][1])]
    assert (folder / "trial0/2/export/detector/detector.json").is_file()
    assert not (folder / "trial1").exists()


@pytest.mark.slow
def test_what_cannot_be_shared_is_refused_by_every_process(ranks: list[dict[str, Any]]) -> None:
    for each in ranks:
        assert each["refused"]["margin_kl"].startswith("distill.soft: margin_kl compares the utterances")
        assert each["refused"]["another seed"].startswith("the processes of this training have different")


@pytest.mark.slow
@pytest.mark.parametrize("name", NORM_PIECES)
def test_the_norm_of_pieces_is_that_of_the_whole(ranks: list[dict[str, Any]], name: str) -> None:
    rows = tuple(row for piece in NORM_PIECES[name] for row in piece)
    whole = normed(rows)
    first, second = (each["norms"][name] for each in ranks)
    counted = len(NORM_PIECES[name][0])
    for key in ("out", "grad"):
        torch.testing.assert_close(first[key], whole[key][:counted])
        torch.testing.assert_close(second[key][: len(rows) - counted], whole[key][counted:])
    for key in whole.keys() - {"out", "grad"}:
        total = first[key] + second[key] if key.startswith("grad") else first[key]
        torch.testing.assert_close(total, whole[key])


def test_alone_the_norm_is_torch_s() -> None:
    """Every form: 1 and 2 axes, with and without weights and running statistics, and in eval mode."""
    for norm, shape in (
        (nn.BatchNorm1d(4), (6, 4)),
        (nn.BatchNorm1d(4, affine=False), (6, 4, 9)),
        (nn.BatchNorm2d(4, track_running_stats=False), (6, 4, 3, 5)),
    ):
        ours = nn.Sequential(
            norm.__class__(4, affine=norm.affine, track_running_stats=norm.track_running_stats)
        )
        synchronise_norms(ours, ALONE)
        assert type(ours[0]) is SyncNorm
        for training in (True, False):
            map_BCx = torch.randn(shape, generator=torch.Generator().manual_seed(3)) + 5
            expected = norm.train(training)(map_BCx)
            torch.testing.assert_close(ours.train(training)(map_BCx), expected, rtol=1e-4, atol=1e-5)
        for key, value in norm.state_dict().items():
            torch.testing.assert_close(ours[0].state_dict()[key], value)


def test_the_norm_keeps_half_precision_and_counts_in_single() -> None:
    map_BCx = torch.randn(6, 4, 9, generator=torch.Generator().manual_seed(3)) + 5
    norm, ours = nn.BatchNorm1d(4), nn.Sequential(nn.BatchNorm1d(4))
    synchronise_norms(ours, ALONE)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = norm(map_BCx.bfloat16()), ours(map_BCx.bfloat16())
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours[0].running_mean, norm.running_mean)


def test_a_norm_of_one_value_and_one_of_another_kind_are_refused() -> None:
    ours = nn.Sequential(nn.BatchNorm1d(4))
    synchronise_norms(ours, ALONE)
    with pytest.raises(ValueError, match="more than 1 value per channel when training, got 1"):
        ours(torch.ones(1, 4))
    with pytest.raises(InputError, match="`0` is a SyncBatchNorm, which several processes cannot share"):
        synchronise_norms(nn.Sequential(nn.SyncBatchNorm(4)), Processes(0, 2))


def test_alone_every_meeting_gives_back_what_it_was_given() -> None:
    part = torch.ones(3)
    assert ALONE.total(part) is part
    assert ALONE.largest({"a": 2.0}, torch.device("cpu")) == {"a": 2.0}
    draws = torch.get_rng_state()
    ALONE.seed(1, 2)
    ALONE.require_same("x", torch.device("cpu"))
    ALONE.take_from_first([part])
    assert torch.equal(torch.get_rng_state(), draws)
    assert ALONE.share(np.arange(3)).tolist() == [0, 1, 2]
