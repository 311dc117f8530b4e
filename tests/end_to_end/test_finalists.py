"""Finalists of real trainings: fresh seeds, the mean decides, the exported run comes out the same again."""

from __future__ import annotations

import json

import pytest

from fsd_model.trial.control_arms import reseeded
from tests.end_to_end.test_demo_chain import fsd_tuner
from tuner.study.load import load_study


def test_the_demo_s_seeds_leave_its_own_out_and_change_nothing_else():
    study = load_study("smoke")
    params = study.config(study.default)
    fresh = reseeded(params, 5)
    assert list(fresh) == [2, 3, 4, 5, 6]
    assert fresh == {seed: {"seed": seed} for seed in fresh}
    assert study.settings["seed"] == 1


@pytest.mark.long
def test_the_finals_of_a_real_search_are_exported_and_trained_again(tiny_corpus, tmp_path):
    out, store = tmp_path / "out", tmp_path / "store"
    store.mkdir()
    asked = [
        "finalists={top: 2, seeds: 2}", "trials=2", "epochs=2", "scheduler={name: none}", "concurrency=1",
    ]  # fmt: skip
    changes = [word for each in asked for word in ("--set", each)]
    done = fsd_tuner(tiny_corpus, store, "search", "smoke", "--out", out, *changes)
    assert done.returncode == 0, done.stderr
    content = json.loads((out / "finalists.json").read_text())
    assert content["runs"] == 4
    assert content["seeds"] == [2, 3]
    values = {value for row in content["candidates"] for value in row["values"].values()}
    assert len(values) > 1
    best = load_study(str(out / "best.yaml"))
    assert best.settings["seed"] == best.origin["finalists"]["seed"]
    assert f"best        trial {content['winner']}: dev/eer_best" in done.stdout
    assert (out / "detector/weights.safetensors").is_file()
    again = fsd_tuner(tiny_corpus, store, "train", out / "best.yaml")
    assert again.returncode == 0, again.stderr
    assert "equals the recorded value" in again.stdout
