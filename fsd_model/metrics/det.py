"""The detection error trade-off (DET) curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fsd_model.metrics.sorted_scores import rank_classes

if TYPE_CHECKING:
    pass


def det_curve(bonafide: NDArray[np.floating], spoof: NDArray[np.floating]) -> tuple[Any, Any]:
    """Miss and false-alarm rate at every threshold between two scores, as fractions in (0, 1).

    Ends at which a rate is 0 or 1, which no probit scale holds, are left out.

    Args:
        bonafide, spoof: scores of each class.
    Raises:
        InputError: a class is empty or holds NaN or inf.
    Source: Martin et al., The DET curve in assessment of detection task performance, 1997.
    """
    points = rank_classes(bonafide, spoof).points
    inside = (points.frr_P > 0) & (points.frr_P < 1) & (points.far_P > 0) & (points.far_P < 1)
    return points.frr_P[inside], points.far_P[inside]
