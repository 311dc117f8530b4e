"""Report sections from dev scores: EER by attack, and DET curves of the finalists and the default.

Source: Martin et al. 1997, "The DET curve in assessment of detection task performance": error rates on axes
warped by the normal distribution's quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from scipy.special import ndtri

from fsd_model.labels import BONAFIDE, SPOOF
from fsd_model.metrics.det import Rates, det_curve
from fsd_model.scores.eer_by_group import per_attack_eer, pooled_eer
from fsd_model.scores.plots import scale_det
from fsd_model.scores.score_file import Scores
from fsd_model.trial.report.reported_trial import ReportedTrial, Section

_TICKS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
_ROLES = ("baseline", "winner", "finalist")
_FOLDS = "unseen/eer_"
_MOST = 400  # points of a curve: more cannot be seen


def attack_section(trials: Sequence[ReportedTrial]) -> Section | None:
    """Return the section of EER by attack on dev, or by held-out group; None without either."""
    rows = [trial for trial in _with_role(trials) if _rates(trial)]
    if not rows:
        return None
    held_out = any(trial.scores is None for trial in rows)
    names = sorted({name for trial in rows for name in _rates(trial)})
    rates = {trial.name: _rates(trial) for trial in rows}
    table = {
        "columns": ["attack", *(f"{name}, EER %" for name in rates)],
        "rows": [[attack, *(_percent(of.get(attack)) for of in rates.values())] for attack in names],
    }
    figure = {
        "title": "EER by attack",
        "reading": "One group of bars per attack, one bar per configuration; lower is better, no bar is 0 %.",
        "x": "held-out attacks" if held_out else "attack, spoofs of it against all bona fide speech of dev",
        "y": "EER (%)", "points": len(names) * len(rows),
        "draw": lambda axes: _draw_bars(axes, names, list(rates.items())),
    }  # fmt: skip
    text = (
        "Each group of attacks was held out of a separate training."
        if held_out
        else "One run each, at its best epoch on dev. The attacks of dev are those of train."
    )
    return {"title": "Attacks", "text": [text], "tables": [table], "numbers": rates, "figures": [figure]}


def det_section(trials: Sequence[ReportedTrial]) -> Section | None:
    """Return the section of DET curves on dev of all trials with scores; None without any."""
    rows = [(trial, trial.scores) for trial in _with_role(trials) if trial.scores is not None]
    if not rows:
        return None
    count = {label: int((rows[0][1].labels == label).sum()) for label in (BONAFIDE, SPOOF)}
    figure = {
        "title": "DET curves on dev",
        "reading": "Nearer to the lower left is better; a dot is the equal error rate. Axes are warped so"
        " that"
        " normally distributed scores give straight lines.",
        "x": "spoofs accepted (%)", "y": "bona fide rejected (%)", "height": 5.2,
        "points": sum(len(scores.labels) for _, scores in rows), "draw": lambda axes: _draw_det(axes, rows),
    }  # fmt: skip
    text = [
        f"{count[BONAFIDE]} bona fide and {count[SPOOF]} spoofed utterances of dev, one run each, at the"
        " epoch that"
        f" was best on them. Steps are single utterances: rates below {_percent(1 / count[BONAFIDE])} % of"
        " bona"
        f" fide or {_percent(1 / count[SPOOF])} % of spoofs cannot be measured."
    ]
    numbers = {trial.number: {"eer": pooled_eer(scores).rate, **count_of(scores)} for trial, scores in rows}
    return {"title": "DET curves", "text": text, "numbers": numbers, "figures": [figure]}


def count_of(scores: Scores) -> dict[str, int]:
    """Return the number of utterances per class."""
    return {"bonafide": len(scores.of_class(BONAFIDE)), "spoof": len(scores.of_class(SPOOF))}


def _with_role(trials: Sequence[ReportedTrial]) -> list[ReportedTrial]:
    return sorted((trial for trial in trials if trial.role), key=lambda trial: _ROLES.index(trial.role))


def _rates(trial: ReportedTrial) -> dict[str, float]:
    if any(name.startswith(_FOLDS) for name in trial.metrics):
        rates = {name.partition(_FOLDS)[2]: rate for name, rate in trial.metrics.items()}
        return {name: rate for name, rate in rates.items() if name not in ("", "mean", "worst", "fold")}
    if trial.scores is None:
        return {}
    return {attack: result.rate for attack, result in per_attack_eer(trial.scores).items()}


def _draw_bars(axes: Axes, names: Sequence[str], rows: Sequence[tuple[str, dict[str, float]]]) -> None:
    width = 0.8 / len(rows)
    for place, (label, rates) in enumerate(rows):
        at = [i + (place - (len(rows) - 1) / 2) * width for i in range(len(names))]
        axes.bar(at, [100 * rates.get(name, 0.0) for name in names], width=0.92 * width, label=label)
    axes.set_xticks(range(len(names)), names)
    if len(names) > 8 or max(map(len, names)) > 10:
        axes.tick_params(axis="x", rotation=30)
    axes.margins(y=0.2)
    axes.legend(ncols=3)


def _thinned(frr_P: Rates, far_P: Rates) -> tuple[Rates, Rates]:
    """Return at most `_MOST` points of a curve, evenly spaced by number."""
    if len(frr_P) <= _MOST:
        return frr_P, far_P
    points = np.linspace(0, len(frr_P) - 1, _MOST).astype(int)
    return frr_P[points], far_P[points]


def _draw_det(axes: Axes, rows: Sequence[tuple[ReportedTrial, Scores]]) -> None:
    lowest = 0.4
    for place, (trial, scores) in enumerate(rows):
        frr_P, far_P = _thinned(*det_curve(scores.of_class(BONAFIDE), scores.of_class(SPOOF)))
        rate, colour = pooled_eer(scores).rate, f"C{place % 6}"
        axes.plot(
            ndtri(far_P), ndtri(frr_P), "--" if trial.role == "baseline" else "-", color=colour,
            label=f"{trial.name}, EER {_percent(rate)} %", drawstyle="steps-post",
        )  # fmt: skip
        if 0 < rate < 1:
            axes.plot([ndtri(rate)], [ndtri(rate)], "o", color=colour)
        lowest = min([lowest, *far_P, *frr_P])
    ticks = [tick for tick in _TICKS if tick >= lowest / 2]
    scale_det(axes, ticks, margin=0.1)
    axes.legend()


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.2f}"
