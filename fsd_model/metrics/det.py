"""The detection error trade-off (DET) curve."""

from __future__ import annotations

from typing import TypeAlias

from numpy.typing import ArrayLike

from fsd_model.metrics.sorted_scores import Floats, rank_classes

Rates: TypeAlias = Floats


def det_curve(bonafide: ArrayLike, spoof: ArrayLike) -> tuple[Rates, Rates]:
    """Return (frr_P, far_P): miss and false alarm rate at each threshold, as fractions in (0, 1).

    Points where a rate is 0 or 1 are left out: a probit axis cannot show them.

    Args:
        bonafide: scores of bona fide utterances.
        spoof: scores of spoofed utterances.

    Raises:
        InputError: a class is empty or contains NaN or inf.

    Source: Martin et al., The DET curve in assessment of detection task performance, 1997.
    """
    points = rank_classes(bonafide, spoof).points
    inside = (points.frr_P > 0) & (points.frr_P < 1) & (points.far_P > 0) & (points.far_P < 1)
    return points.frr_P[inside], points.far_P[inside]
