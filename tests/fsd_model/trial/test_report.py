"""What the trial adds to a report: rates where they belong, DET curves against their closed form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.stats import norm

from fsd_model import trial
from fsd_model.errors import InputError
from fsd_model.metrics.det import det_curve
from fsd_model.scores.eer_by_group import per_attack_eer, pooled_eer
from fsd_model.scores.score_file import Scores, write_scores
from fsd_model.trial.report.attacks import _thinned
from fsd_model.trial.report.reported_trial import SCORES_PLACE

STUDY: dict[str, Any] = {"name": "s", "default": {"cuts": [2, 4, 6]}}
NORMAL = norm.ppf((np.arange(2000) + 0.5) / 2000)


def scores(distance: float = 2.0, attacks: tuple[str, ...] = ("A01", "A02")) -> Scores:
    """Two standard normal classes a distance apart, as their quantiles; attacks in turn."""
    names = [f"u{i}" for i in range(4000)]
    labels = np.repeat([1, 0], 2000)
    of = ["-"] * 2000 + [attacks[i % len(attacks)] for i in range(2000)]
    return Scores(names, of, labels, np.concatenate([NORMAL + distance, NORMAL]))


def told(
    number: int, role: str = "", folder: Path | None = None, cuts=(2, 4, 6), **metrics: float
) -> dict[str, Any]:
    params = {"data": {"root": "nowhere"}, "cuts": list(cuts)}
    rates = {name.replace("__", "/"): rate for name, rate in metrics.items()}
    return {
        "number": number, "role": role, "state": "complete", "config": params, "metrics": rates,
        "folder": folder,
    }  # fmt: skip


def saved(folder: Path, kept: Scores) -> Path:
    (folder / SCORES_PLACE).parent.mkdir(parents=True)
    write_scores(folder / SCORES_PLACE, kept)
    return folder


def by_title(trials: list[dict[str, Any]], study: dict[str, Any] = STUDY) -> dict[str, dict[str, Any]]:
    return {section["title"]: section for section in trial.report_sections(study, trials)}


def drawn(section: dict[str, Any]) -> Any:
    (figure,) = section["figures"]
    axes = Figure().add_subplot()
    figure["draw"](axes)
    return axes


def test_the_det_curve_of_two_normal_classes_is_the_straight_line_of_their_distance() -> None:
    normal = scores(2.0)
    frr, far = _thinned(*det_curve(normal.of_class(1), normal.of_class(0)))
    assert len(far) == 400
    inner = (far > 0.01) & (far < 0.99) & (frr > 0.01) & (frr < 0.99)
    assert inner.sum() > 50
    assert norm.ppf(far[inner]) + norm.ppf(frr[inner]) == pytest.approx(-2.0, abs=0.03)


def test_classes_that_do_not_overlap_have_no_curve_but_a_figure(tmp_path: Path) -> None:
    apart = scores(20.0)
    _, far = det_curve(apart.of_class(1), apart.of_class(0))
    assert len(far) == 0
    sections = by_title([told(3, "winner", saved(tmp_path, scores(20.0)))])
    assert sections["DET curves"]["numbers"][3]["eer"] == 0
    assert "winner (3), EER 0.00 %" in drawn(sections["DET curves"]).get_legend_handles_labels()[1]


def test_rates_by_attack_are_those_of_the_saved_scores(tmp_path: Path) -> None:
    kept = {0: scores(1.0), 4: scores(3.0)}
    sections = by_title(
        [
            told(0, "baseline", saved(tmp_path / "0", kept[0])),
            told(4, "winner", saved(tmp_path / "4", kept[4])),
        ]
    )
    numbers = sections["Attacks"]["numbers"]
    for name, own in {"baseline (0)": kept[0], "winner (4)": kept[4]}.items():
        assert numbers[name] == {attack: found.rate for attack, found in per_attack_eer(own).items()}
    assert sections["Attacks"]["tables"][0]["rows"][0][0] == "A01"
    assert [row["eer"] for row in sections["DET curves"]["numbers"].values()] == [
        pooled_eer(each).rate for each in kept.values()
    ]
    assert len([patch for patch in drawn(sections["Attacks"]).patches if isinstance(patch, Rectangle)]) == 4


def test_held_out_groups_take_the_place_of_attacks() -> None:
    rates = {
        "unseen/eer_mean": 0.2,
        "unseen/eer_worst": 0.3,
        "unseen/eer_fold": 0.1,
        "unseen/eer_vocoders": 0.3,
    }
    (section,) = trial.report_sections({"name": "s"}, [{**told(1, "winner"), "metrics": rates}])
    assert section["numbers"] == {"winner (1)": {"vocoders": 0.3}}
    assert "held out" in section["text"][0]


def test_exits_lie_behind_the_blocks_where_the_network_was_cut() -> None:
    rates = {"dev__eer_exit1": 0.4, "dev__eer_exit2": 0.3, "dev__eer_exit3": 0.2, "dev__eer_exit4": 0.2}
    section = by_title([told(0, "winner", cuts=[3, 5], **rates), told(1, "")])["Exits"]
    assert section["numbers"] == {
        0: [{"block": 3, "eer": 0.4}, {"block": 5, "eer": 0.3}, {"block": 8, "eer": 0.2}]
    }
    assert section["tables"][0]["rows"][0] == ["winner, the default (0)", 3, "40.00"]


def test_the_network_has_its_blocks_and_each_place_the_trials_that_cut_there() -> None:
    trials = [
        told(0, "winner", cuts=[2, 4], dev__eer_best=0.1), told(1, cuts=[2], dev__eer_best=0.3),
        {**told(2, cuts=[2], dev__eer_best=0.9), "state": "stopped"},
    ]  # fmt: skip
    section = by_title(trials)["Split points on the network"]
    assert section["numbers"][1] == {"cut": 2, "trials": 2, "median": 0.2, "lowest": 0.1}
    assert section["numbers"][2] == {"cut": 3, "trials": 0, "median": None, "lowest": None}
    axes = drawn(section)
    assert len(axes.patches) == 8  # ECANet18
    assert list(axes.get_xticks()) == list(range(1, 8))


def test_every_figure_says_what_it_shows_and_how_to_read_it(tmp_path: Path) -> None:
    rates = {f"dev__eer_exit{exit}": 0.1 for exit in range(1, 5)}
    trials = [
        told(0, "baseline", saved(tmp_path, scores()), dev__eer_best=0.1, **rates),
        told(1, "winner", cuts=[1], dev__eer_best=0.2, **rates),
    ]  # fmt: skip
    figures = [figure for section in by_title(trials).values() for figure in section["figures"]]
    assert len(figures) == 4
    for figure in figures:
        assert figure["points"] > 1
        assert figure["reading"].endswith(".")
        assert "%" in figure["y"]


def test_nothing_to_show_is_no_section() -> None:
    assert trial.report_sections(STUDY, []) == []
    assert trial.report_sections(STUDY, [told(0)]) == []


def test_a_damaged_score_file_is_named(tmp_path: Path) -> None:
    folder = saved(tmp_path, scores())
    (folder / SCORES_PLACE).write_text("u1 - bonafide nan\n")
    with pytest.raises(InputError, match=r"dev\.scores\.txt:1"):
        trial.report_sections(STUDY, [told(0, "winner", folder)])
