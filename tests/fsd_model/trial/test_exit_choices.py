"""What a trial on real audio leaves to deploy: the rows, the detectors, and error against cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from fsd_model import trial
from fsd_model.data.training_splits import DataConfig
from fsd_model.detector.detector import Detector
from fsd_model.errors import InputError
from fsd_model.evaluation.final_evaluation import evaluate
from fsd_model.scores.score_file import read_scores
from fsd_model.training.exit_metrics import best_eer_of, exit_metric_names, exit_names
from fsd_model.training.trainer import Trainer
from tests.fsd_model.support.synthetic import config, training_data
from tests.fsd_model.trial.test_run_trial import Recorder, finished, settings  # noqa: F401 - fixtures


def exported(settings, finished, tmp_path, **choice):  # noqa: F811
    trial.export(settings, finished.folder, tmp_path / "detector", choice)
    return Detector.load(tmp_path / "detector")


def test_the_rows_are_the_exits_and_their_mean(settings, finished):  # noqa: F811
    metrics = finished.metrics[-1] | dict.fromkeys(
        [f"{name}/latency_ms" for name in ("exit1", "exit2", "exit3", "ensemble")], 1.5
    )
    rows = trial.exits(settings, metrics)
    assert [row["name"] for row in rows] == ["exit 1", "exit 2", "exit 3", "ensemble"]
    assert [row["parameters"] for row in rows] == [5_523, 77_881, 308_156, 308_156 + 2 * (16 + 64)]
    assert [row["error"] for row in rows[:3]] == [metrics[f"dev/eer_best_exit{n}"] for n in (1, 2, 3)]
    assert rows[2]["error"] == metrics["dev/eer_best"]
    costs = [row["multiply_adds"] for row in rows]
    assert costs == sorted(set(costs))
    del metrics["exit2/latency_ms"]
    assert [row["name"] for row in trial.exits(settings, metrics)] == ["exit 1", "exit 3", "ensemble"]
    plain = trial.exits({**settings, "cuts": []}, metrics)
    assert [row["name"] for row in plain] == ["exit 1"]


@pytest.mark.parametrize("choice", [{"exit": 1}, {"ensemble": True}])
def test_an_exported_choice_reaches_its_reported_dev_eer_from_audio(
    settings, finished, tiny_corpus, tmp_path, choice  # noqa: F811
):  # fmt: skip
    detector = exported(settings, finished, tmp_path, **choice)
    name = "exit1" if "exit" in choice else "ensemble"
    result = evaluate(detector, DataConfig(root=tiny_corpus), "dev", tmp_path)
    reported = finished.metrics[-1][f"dev/eer_best_{name}"]
    assert result.eer == pytest.approx(reported, abs=1e-12)
    assert detector.card.dev.eer == reported
    assert detector.card.parameters == (5_523 if name == "exit1" else 308_316)


def test_the_deepest_exit_is_the_trial_s_own_detector(settings, finished, tmp_path):  # noqa: F811
    ours, theirs = exported(settings, finished, tmp_path, exit=3), finished.folder / "export/detector"
    assert ours.digest() == Detector.load(theirs).digest()
    assert ours.card.exits.use == "deepest"


def test_error_against_cost_goes_from_the_shallowest_to_the_deepest(
    settings, finished, tiny_corpus, tmp_path  # noqa: F811
):  # fmt: skip
    rows = trial.trade_off(settings, finished.folder)
    metrics = finished.metrics[-1]
    assert (rows[0]["confidence"], rows[-1]["confidence"]) == (0, math.inf)
    assert rows[0]["error"] == pytest.approx(metrics["dev/eer_best_exit1"])
    assert rows[-1]["error"] == pytest.approx(metrics["dev/eer_best_exit3"])
    assert rows[0]["left"] == [1, 0, 0]
    assert rows[-1]["left"] == [0, 0, 1]
    costs = [row["multiply_adds"] for row in rows]
    assert costs == sorted(costs)
    assert costs[0] == metrics["exit1/multiply_adds"]
    assert costs[-1] == metrics["ensemble/multiply_adds"]
    middle = rows[len(rows) // 2]
    detector = exported(settings, finished, tmp_path, early=middle["confidence"])
    result = evaluate(detector, DataConfig(root=tiny_corpus), "dev", tmp_path)
    assert result.eer == pytest.approx(middle["error"], abs=1e-12)
    assert np.isfinite(read_scores(tmp_path / "dev.scores.txt").values).all()


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"exit": 4}, "has exits 1 to 3, got 4"),
        ({"exit": 0}, "has exits 1 to 3, got 0"),
        ({"early": -1.0}, "finite number from 0, got -1"),
        ({"early": math.inf}, "for none to leave early: exit 3"),
        ({"early": math.nan}, "got nan"),
    ],
)
def test_what_a_trial_does_not_have_is_one_line(settings, finished, tmp_path, choice, words):  # noqa: F811
    with pytest.raises(InputError, match=words) as caught:
        exported(settings, finished, tmp_path, **choice)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "detector").exists()


def test_a_state_of_other_settings_is_refused(settings, finished, tmp_path):  # noqa: F811
    with pytest.raises(InputError, match="another configuration"):
        exported({**settings, "cuts": []}, finished, tmp_path, ensemble=True)
    with pytest.raises(ValidationError, match="7 is outside"):
        trial.exits({**settings, "cuts": [7]}, {})


@pytest.mark.parametrize("cuts", [(), (2,)])
def test_places_behind_the_deepest_exit_repeat_it(cuts):
    trainer = Trainer(config(epochs=1, cuts=cuts), training_data())
    (metrics,) = trainer.epochs()
    every = {*exit_metric_names(4), *map(best_eer_of, exit_names(4))}
    assert every <= set(metrics)
    for figure in ("parameters", "multiply_adds", "latency_ms"):
        deepest = [metrics[f"exit{n}/{figure}"] for n in range(len(cuts) + 1, 5)]
        assert set(deepest) == {metrics[f"deployed/{figure}"]}
    if not cuts:
        assert metrics["dev/eer_best_ensemble"] == metrics["dev/eer_best"]
        assert metrics["ensemble/latency_ms"] == metrics["deployed/latency_ms"]
    told = trial.describe({"data": {"root": "x"}, "network": {"depth": 9}})
    assert every <= set(told["metrics"])


def test_the_exits_are_those_of_the_best_epoch_and_survive_a_resume(tmp_path):
    trainer = Trainer(config(epochs=4), training_data(strength=0.0))
    seen = {}
    for metrics in trainer.epochs():
        rates = [metrics[f"dev/eer_exit{n}"] for n in (1, 2, 3, 4)]
        seen[trainer.epoch] = rates, trainer.network.classifiers[0].weight.detach().clone()
    assert trainer.best.epoch < 4  # another epoch's weights would be noticed
    rates, weight = seen[trainer.best.epoch]
    assert [metrics[f"dev/eer_best_exit{n}"] for n in (1, 2, 3, 4)] == rates
    assert torch.equal(trainer.best_classifiers[0], weight)
    trainer.save(tmp_path)
    resumed = Trainer(config(epochs=4), training_data(strength=0.0))
    resumed.load(tmp_path)
    assert resumed.best == trainer.best
    assert all(map(torch.equal, resumed.best_classifiers, trainer.best_classifiers))
