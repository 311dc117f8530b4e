"""Feature losses: how far a student's representation is from its teacher's.

Every loss detaches the teacher and is a mean over the batch, whatever the width of the feature or the size
of the map, so that its weight keeps its meaning when either changes.

Shapes: B utterances, C channels, D width of the deepest feature, x spatial axes behind the channels (0 to 2),
P positions (the spatial axes flattened).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from fsd_model.errors import InputError


def feature_loss(projected_BD: Tensor, deepest_BD: Tensor) -> Tensor:
    """Squared error between a projected shallow feature and the detached deepest one, mean over B and D.

    One loss for each of S features (S, B, D), too.

    Source: arXiv 2303.01211 (L2 between features); the mean over D is this project's choice, so that the
    weight keeps its meaning when the width changes.
    """
    target = deepest_BD.detach().expand_as(projected_BD)
    return functional.mse_loss(projected_BD, target, reduction="none").mean((-2, -1))


FeatureKind = Literal["mse", "cosine", "attention_transfer", "similarity_preserving", "none"]
FeatureLoss = Callable[[Tensor, Tensor], Tensor]


def cosine_loss(projected_BD: Tensor, deepest_BD: Tensor) -> Tensor:
    """Return 1 - cosine between the projected shallow feature and the detached teacher's, mean over the
    batch.

    In [0, 2]; one loss for each of S features (S, B, D), too. It ignores the feature's norm, which carries
    the
    confidence of the angular classifier: use it to teach the direction and leave the norm free.

    Source: cosine distance as in SimSiam (Chen and He 2021), eq. 1, plus 1.
    """
    return (1 - functional.cosine_similarity(projected_BD, deepest_BD.detach(), dim=-1)).mean(-1)


def require_axes(kind: FeatureKind, axes: Sequence[int]) -> None:
    """Raise if a feature loss cannot compare maps with these numbers of axes behind the channels.

    Raises:
        InputError: spatial attention without a spatial axis, or with different numbers of axes.
    """
    if kind == "attention_transfer" and set(axes) not in ({1}, {2}):
        rule = "attention_transfer needs maps that all have 1 or all have 2 spatial axes"
        way_out = "use mse, cosine or similarity_preserving"
        raise InputError(f"distill.feature: {rule}, got {list(axes)}; {way_out}")


def attention_map(map_BCx: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return where a map is active: mean over channels of the squares, pooled to `size`, unit
    norm, (B, P).
    """
    energy = map_BCx.float().square().mean(1, keepdim=True)
    pool = nn.AdaptiveAvgPool1d(size[0]) if len(size) == 1 else nn.AdaptiveAvgPool2d(size)
    return functional.normalize(pool(energy).flatten(1), dim=1)


def attention_transfer_loss(student_BCx: Tensor, teacher_BCx: Tensor) -> Tensor:
    """Return the squared distance between the normalised attention maps, summed over positions, mean over the
    batch.

    In [0, 2]: both maps are non-negative and of unit norm. Maps of different sizes are average-pooled to the
    smaller extent of each axis. Needs no adapter: use it to teach where (in frequency and time) to look.

    Args:
        student_BCx: the shallow map, with 1 or 2 spatial axes.
        teacher_BCx: the teacher's map, as many axes; detached.

    Raises:
        InputError: maps without a spatial axis.

    Source: Zagoruyko and Komodakis 2017, activation-based, sum of squares; they take the norm, here its
    square.
    """
    require_axes("attention_transfer", [student_BCx.dim() - 2, teacher_BCx.dim() - 2])
    pairs = zip(student_BCx.shape[2:], teacher_BCx.shape[2:], strict=True)
    size = tuple(min(pair) for pair in pairs)
    difference_BP = attention_map(student_BCx, size) - attention_map(teacher_BCx.detach(), size)
    return difference_BP.square().sum(1).mean()


def gram(map_BCx: Tensor) -> Tensor:
    """Return inner products between the utterances of the batch, rows of unit norm, (B, B)."""
    flat = map_BCx.float().flatten(1)
    return functional.normalize(flat @ flat.T, dim=1)


def similarity_preserving_loss(student_BCx: Tensor, teacher_BCx: Tensor) -> Tensor:
    """Return the squared distance between the rows of both Gram matrices, summed over a row, mean over the
    batch.

    In [0, 4]. Needs no adapter and no common shape: utterances that are alike for the teacher become
    alike for the student. Use it where widths differ much; it improves with the batch size.

    Source: Tung and Mori 2019; they divide by B^2, which would let the loss fall with the batch.
    """
    return (gram(student_BCx) - gram(teacher_BCx.detach())).square().sum(1).mean()


PROJECTED_LOSSES: Mapping[FeatureKind, FeatureLoss] = {"mse": feature_loss, "cosine": cosine_loss}
"""Setting -> function of the adapted shallow feature and the deepest feature."""

MAP_LOSSES: Mapping[FeatureKind, FeatureLoss] = {
    "attention_transfer": attention_transfer_loss,
    "similarity_preserving": similarity_preserving_loss,
}
"""Setting -> function of two maps; no adapter."""
