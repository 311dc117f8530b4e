"""Leave-attack-out: what a fold trains on, what it is judged by, and that it may be interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsd_model import trial
from fsd_model.errors import InputError
from fsd_model.features.feature_set import FeatureSet
from fsd_model.metrics.eer import equal_error_rate
from fsd_model.metrics.llr_cost import cllr
from fsd_model.training.config import TrainConfig
from fsd_model.training.data import TrainingData
from fsd_model.training.exit_metrics import exit_metric_names
from fsd_model.training.objective import resolve_groups
from fsd_model.training.resource_metrics import RESOURCE_METRICS
from fsd_model.training.trainer import Trainer
from fsd_model.training.validation import exit_scores
from fsd_model.trial.attack_folds import leave_out, shared_attacks
from fsd_model.trial.leave_attack_out import FoldResult, Folds, judge_fold, run_folds
from tests.fsd_model.support.synthetic import config, reproducible, training_data

ATTACKS = ("A01", "A02", "A03")


def three_attacks() -> TrainingData:
    """Synthetic train and dev whose spoofs are by three attacks in turn."""
    data = training_data(1.5)
    return TrainingData(_with_attacks(data.train), _with_attacks(data.dev), data.digest)


def _with_attacks(split: FeatureSet) -> FeatureSet:
    named = [
        u if u.label else replace(u, attack=ATTACKS[(row + row // 3) % 3])
        for row, u in enumerate(split.utterances)
    ]
    return replace(split, utterances=tuple(named))


def unseen_config(**changes: Any) -> TrainConfig:
    groups = {attack: [attack] for attack in ATTACKS}
    return config(**{"objective": {"name": "unseen-attacks", "groups": groups}, "epochs": 2, **changes})


def attacks_of(split: FeatureSet) -> set[str]:
    return {u.attack for u in split.utterances}


def test_a_fold_trains_without_the_attack_and_is_judged_by_it_alone() -> None:
    data = three_attacks()
    fold = leave_out(data, ("A02",))
    assert attacks_of(fold.data.train) == attacks_of(fold.data.dev) == {"-", "A01", "A03"}
    assert attacks_of(fold.target) == {"-", "A02"}
    bonafide = sum(u.label for u in data.dev.utterances)
    assert int(fold.target.labels_N.sum()) == int(fold.data.dev.labels_N.sum()) == bonafide
    assert len(fold.target.utterances) + len(fold.data.dev.utterances) == len(data.dev.utterances) + bonafide


def test_a_fold_s_rows_are_those_of_its_utterances_over_the_same_memory() -> None:
    data = three_attacks()
    part = leave_out(data, ("A01",)).target
    names = [u.name for u in data.dev.utterances]
    whole_rows = np.array([names.index(u.name) for u in part.utterances])
    everywhere = np.arange(len(part.utterances))
    np.testing.assert_array_equal(part.features(everywhere), data.dev.features(whole_rows))
    assert np.shares_memory(part.features_MFT, data.dev.features_MFT)
    again = part.select(everywhere[::2])
    np.testing.assert_array_equal(
        again.features(everywhere[: len(again.labels_N)]), part.features(everywhere[::2])
    )


def test_folds_of_one_corpus_do_not_share_checkpoints() -> None:
    data = three_attacks()
    digests = {leave_out(data, (attack,)).data.digest for attack in ATTACKS}
    assert len(digests | {data.digest}) == 4


def test_the_result_is_that_of_the_fold_s_network_on_the_held_out_attack() -> None:
    fold = leave_out(three_attacks(), ("A03",))
    single = unseen_config(epochs=1)
    trainer = Trainer(single, fold.data)
    list(trainer.epochs())
    scores_NE, _ = exit_scores(trainer.network, fold.target, trainer.device, "float32")
    bonafide, spoof = (scores_NE[fold.target.labels_N == label, -1] for label in (1, 0))
    result, figures = judge_fold(single, fold)
    assert set(figures) == {*RESOURCE_METRICS, *exit_metric_names(4)}
    assert result.eer == equal_error_rate(bonafide, spoof).rate
    each = [equal_error_rate(*(column[fold.target.labels_N == y] for y in (1, 0))) for column in scores_NE.T]
    assert result.exits == tuple(rate.rate for rate in each)
    assert result.cllr == pytest.approx(cllr(bonafide, spoof), rel=1e-5)
    assert trainer.best is not None
    assert result.loss == trainer.best.loss


def test_each_exit_and_their_mean_are_judged_by_the_held_out_attacks() -> None:
    fold = leave_out(three_attacks(), ("A03",))
    plain, cut = (judge_fold(unseen_config(epochs=1, cuts=cuts), fold)[0] for cuts in ((), (2,)))
    assert plain.exits == (plain.eer,) * 4
    assert plain.ensemble == plain.eer
    assert cut.exits[1:] == (cut.eer,) * 3
    metrics = Folds({"a": cut, "b": cut}).metrics()
    assert metrics["unseen/eer_mean_exit1"] == pytest.approx(cut.exits[0])
    assert metrics["unseen/eer_mean_ensemble"] == pytest.approx(cut.ensemble)
    assert "unseen/eer_mean_exit5" not in metrics


def test_the_held_out_attack_has_no_say_in_the_training() -> None:
    data = three_attacks()
    rows = [row for row, u in enumerate(data.train.utterances) if u.attack == "A02"]
    changed_features = data.train.features_MFT.copy()
    changed_features[rows] = 0
    changed = replace(data, train=replace(data.train, features_MFT=changed_features))
    before, after = (judge_fold(unseen_config(), leave_out(each, ("A02",)))[0] for each in (data, changed))
    assert before == after


def test_folds_go_on_where_they_were_left(tmp_path: Path) -> None:
    data = three_attacks()
    whole = [reproducible(metrics) for metrics in run_folds(unseen_config(), data, Folds())]
    first = Folds(key="k")
    next(run_folds(unseen_config(), data, first))
    first.save(tmp_path)
    rest = [reproducible(metrics) for metrics in run_folds(unseen_config(), data, Folds.load(tmp_path, "k"))]
    assert rest == whole[1:]


def test_mean_and_worst_are_over_the_folds_done() -> None:
    folds = Folds({"a": FoldResult(0.1, 0.5, 0.6), "b": FoldResult(0.4, 0.7, 0.2)})
    metrics = folds.metrics()
    assert metrics == pytest.approx(
        {
            "unseen/eer_mean": 0.25, "unseen/eer_worst": 0.4, "unseen/cllr_mean": 0.6,
            "unseen/loss_mean": 0.4, "unseen/eer/a": 0.1, "unseen/eer/b": 0.4,
        }
    )  # fmt: skip


def test_folds_of_another_configuration_are_refused(tmp_path: Path) -> None:
    Folds(key="one").save(tmp_path)
    with pytest.raises(InputError, match="folds of another configuration"):
        Folds.load(tmp_path, "other")


def test_no_group_s_name_takes_the_place_of_a_figure() -> None:
    odd = {"mean": FoldResult(0.9, 0, 0), "worst": FoldResult(0.1, 0, 0), "tts+vc (1)": FoldResult(0.2, 0, 0)}
    metrics = Folds(odd).metrics()
    assert metrics["unseen/eer_mean"] == pytest.approx(0.4)
    assert metrics["unseen/eer_worst"] == 0.9
    assert metrics["unseen/eer/tts_vc _1_"] == 0.2


def test_damaged_results_are_named(tmp_path: Path) -> None:
    (tmp_path / "folds.json").write_text('{"A01": {"eer": 0.1')
    with pytest.raises(InputError, match="damaged results of folds"):
        Folds.load(tmp_path, "k")


def test_without_groups_each_attack_is_a_fold() -> None:
    assert resolve_groups(None, {"A02", "A01"}) == {"A01": ("A01",), "A02": ("A02",)}
    assert shared_attacks(three_attacks()) == set(ATTACKS)


@pytest.mark.parametrize(
    ("groups", "rule"),
    [
        ({"x": ("A09",), "y": ("A01",)}, "objective.groups.x: attacks must be in train and in dev, got A09"),
        ({"x": ("A01",), "y": ("A01",)}, "objective.groups.y: an attack must be held out once, got A01"),
        ({"x": ("A01",)}, "at least two groups"),
        ({"x": ("A01", "A02", "A03"), "y": ()}, "at least two groups"),
    ],
)
def test_groups_that_cannot_be_held_out_are_refused(groups: dict[str, tuple[str, ...]], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        resolve_groups(groups, set(ATTACKS))


def test_where_dev_has_other_attacks_than_train_nothing_need_be_held_out() -> None:
    with pytest.raises(InputError, match="got none that both have; use dev"):
        resolve_groups(None, set())


def test_an_attack_that_is_nowhere_cannot_be_held_out() -> None:
    with pytest.raises(InputError, match="must be in train and in dev, got A07"):
        leave_out(three_attacks(), ("A07",))


class Reports:
    """A context that keeps all reports and the last checkpoint."""

    checkpoint: Path | None = None
    cloned: bool = False

    def __init__(self, folder: Path) -> None:
        self.folder, self.metrics = folder, list[dict[str, float]]()

    def report(self, metrics: Any, save: Any = None) -> None:
        self.metrics.append(dict(metrics))
        folder = self.folder / str(len(self.metrics))
        folder.mkdir()
        save(folder)


@pytest.mark.slow
def test_the_duples_of_a_replay_corpus_are_its_folds(tiny_replay: Path, tmp_path: Path) -> None:
    settings = trial.prepare(
        {
            "data": {"root": str(tiny_replay), "track": "PA"},
            "objective": {"name": "unseen-attacks"},
            "runtime": {"store": str(tmp_path)},
        }
    )
    duples = [a + b for a in "ABC" for b in "ABC"]
    assert settings["objective"]["groups"] == {duple: [duple] for duple in duples}
    told = trial.describe({**settings, "epochs": 1})
    assert told["reports"] == 10
    assert {f"unseen/eer/{duple}" for duple in duples} <= set(told["metrics"])


def test_an_objective_that_is_searched_is_refused() -> None:
    with pytest.raises(InputError, match=r"objective\.name: cannot be searched"):
        trial.describe({"data": {"root": "x"}, "objective": {"name": "unseen-attacks"}})


@pytest.mark.parametrize("name", ["dev", "unseen-attacks"])
def test_a_trial_reports_what_it_announced(name: str, tiny_corpus: Path, tmp_path: Path) -> None:
    groups = {"groups": {"vocoders": ["A01", "A03"], "rest": ["A02", "A04", "A05"]}} if name != "dev" else {}
    settings = trial.prepare(
        {
            "data": {"root": str(tiny_corpus)},
            "network": {"family": "ecanet", "depth": 9},
            "objective": {"name": name, **groups},
            "runtime": {"store": str(tmp_path / "store")},
            "batch_size": 16,
        }
    )
    params = {**settings, "epochs": 1}
    told = trial.describe(params)
    reports = Reports(tmp_path)
    trial.run(params, reports)
    assert len(reports.metrics) == told["reports"]
    assert {key for each in reports.metrics for key in each} <= set(told["metrics"]) | {
        key for key in reports.metrics[-1] if key.startswith(("train/", "dev/", "time/"))
    }
    assert set(told["metrics"]) <= {key for each in reports.metrics for key in each}
    assert (tmp_path / str(len(reports.metrics)) / "export" / "detector" / "detector.json").is_file()
