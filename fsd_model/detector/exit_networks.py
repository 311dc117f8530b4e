"""Deployed networks with another exit than the deepest, or with several.

Shapes: B utterances, A of them still active, E exits, C channels, F rows and T frames of the front end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from fsd_model.detector.calibration import Calibration
from fsd_model.detector.exit_plan import ExitPlan
from fsd_model.errors import InputError
from fsd_model.networks.exits import AngularClassifier, bonafide_score, global_average
from fsd_model.networks.multi_exit import Cuttable, DeployedNetwork, MultiExitNetwork


def score_map(classifier: AngularClassifier, map_BCx: Tensor) -> Tensor:
    """Return scores (B,) of an exit on its map; higher = more bona fide."""
    cosine_BK, norm_B = classifier(global_average(map_BCx))
    return bonafide_score(norm_B[:, None] * cosine_BK)


class ExitsNetwork(nn.Module):
    """The network up to its last exit, and the classifiers of the exits on it.

    Args:
        backbone: network up to the last exit.
        cuts: places of the exits before the last.
        classifiers: classifiers of all exits, shallowest first.
    """

    def __init__(self, backbone: Cuttable, cuts: Sequence[int], classifiers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.backbone = backbone
        self.cuts = tuple(cuts)
        self.classifiers = nn.ModuleList(classifiers)

    def forward(self, features_BFT: Tensor) -> Tensor:
        """Return the scores (B, E) of each exit, in one pass."""
        maps = self.backbone.maps(features_BFT, self.cuts)
        scores = [score_map(exit_, map_BCx) for exit_, map_BCx in zip(self.classifiers, maps, strict=True)]  # type: ignore[arg-type]
        return torch.stack(scores, dim=1)


class EnsembleNetwork(ExitsNetwork):
    """Computes the mean of the exits' log-likelihood ratios; `calibrations` has one per exit."""

    def __init__(self, exits: ExitsNetwork, calibrations: Sequence[Calibration]) -> None:
        super().__init__(exits.backbone, exits.cuts, list(exits.classifiers))
        self.calibrations = tuple(calibrations)

    def forward(self, features_BFT: Tensor) -> Tensor:
        """Return scores (B,); higher = more bona fide."""
        scores_BE = super().forward(features_BFT)
        ratios = [_ratio(each, score_B) for each, score_B in zip(self.calibrations, scores_BE.T, strict=True)]
        return torch.stack(ratios).mean(0).float()


class EarlyNetwork(ExitsNetwork):
    """Stops at the first confident exit; later segments are not computed.

    Args:
        exits: network with the exits to use.
        calibrations: one per exit.
        confidence: see `ExitPlan`.
    """

    def __init__(self, exits: ExitsNetwork, calibrations: Sequence[Calibration], confidence: float) -> None:
        super().__init__(exits.backbone, exits.cuts, list(exits.classifiers))
        self.calibrations, self.confidence = tuple(calibrations), confidence

    def forward(self, features_BFT: Tensor) -> Tensor:
        """Return scores (B,), independent of the rest of the batch; higher = more bona fide."""
        if self.backbone.one_by_one:
            return torch.cat([self._walked(features_FT[None]) for features_FT in features_BFT])
        return self._walked(features_BFT)

    def _walked(self, features_BFT: Tensor) -> Tensor:
        # `walk` calls `unsure` at each exit with the utterances still inside and drops those it returns False
        # for; rows_A holds their rows in the batch, so each exit overwrites only their scores.
        scores_B = torch.zeros(len(features_BFT), dtype=torch.float64, device=features_BFT.device)
        rows_A = torch.arange(len(features_BFT), device=features_BFT.device)
        exits = iter(zip(self.classifiers, self.calibrations, strict=True))

        def unsure(map_ACx: Tensor) -> Tensor:
            nonlocal rows_A
            classifier, calibration = next(exits)
            ratio_A = _ratio(calibration, score_map(classifier, map_ACx))  # type: ignore[arg-type]
            scores_B[rows_A] = ratio_A
            unsure_A = ratio_A.abs() < self.confidence
            rows_A = rows_A[unsure_A]
            return unsure_A

        self.backbone.walk(features_BFT, self.cuts, unsure)
        return scores_B.float()


def deploy_exits(network: MultiExitNetwork, numbers: Sequence[int]) -> ExitsNetwork:
    """Return some exits of a network by number from 1, in order; modules are shared where they stay whole."""
    places = (*network.cuts, len(network.backbone.shapes))
    classifiers = [network.classifiers[number - 1] for number in numbers]
    last = places[numbers[-1] - 1]
    backbone = network.backbone if last == places[-1] else network.backbone.up_to(last)
    return ExitsNetwork(backbone, [places[number - 1] for number in numbers[:-1]], classifiers)


def planned(backbone: Cuttable, plan: ExitPlan) -> DeployedNetwork | EnsembleNetwork | EarlyNetwork:
    """Build the network that a plan deploys, with initial classifiers.

    Args:
        backbone: the whole backbone.
        plan: exit plan with places within the backbone.

    Raises:
        InputError: a place outside the network.
    """
    deepest = len(backbone.shapes)
    if any(place > deepest for place in plan.places):
        raise InputError(f"exits.places: must be blocks of the network, 1 to {deepest}, got {plan.places}")
    network = MultiExitNetwork(backbone, [place for place in plan.places if place < deepest], None)
    exits = deploy_exits(network, range(1, max(1, len(plan.places)) + 1))
    if plan.use == "ensemble":
        return EnsembleNetwork(exits, plan.calibrations)
    if plan.confidence is not None:
        return EarlyNetwork(exits, plan.calibrations, plan.confidence)
    return DeployedNetwork(exits.backbone, exits.classifiers[0])  # type: ignore[arg-type]


def planned_weights(
    network: nn.Module, whole: Mapping[str, Tensor], classifiers: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return the weights of a network that `planned` built.

    Args:
        network: network that gets the weights.
        whole: weights of the whole network, deployed with its deepest exit.
        classifiers: weights of the plan's exits, shallowest first.
    """
    ends = [name for name in network.state_dict() if name.startswith("classifier")]
    weights = {**whole, **dict(zip(ends, classifiers, strict=True))}
    # modules that an exit does not use are empty in its network, see `TracedNetwork.up_to`
    return {name: weights[name] if own.numel() else own for name, own in network.state_dict().items()}


def _ratio(calibration: Calibration, score_B: Tensor) -> Tensor:
    # in float64, as on dev: at the confidence itself a rounding would take another exit
    return score_B.double() * calibration.slope + calibration.offset
