"""Adam with AMSGrad for all members of a stack, each with its own learning rate, weight decay and moments.

Shapes: K members, P elements of all parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fsd_model.experimental.stacked.network import of_each


class StackedAdam:
    """Updates K members in a dozen operations, whatever the number of parameters and members.

    All parameters, gradients and moments lie in one flat tensor each. Begins with the state of the members'
    optimisers, which it copies; `give_back` copies it back. Their numbers of updates may differ. A parameter
    without a gradient has one of zeros, as in `training.optim.fill_gradients`.

    Args:
        parameters: parameters of the stack, the members along the first axis; they are moved into the flat
            tensor.
        optimisers: the members', in the same order.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], optimisers: Sequence[torch.optim.Adam]) -> None:
        self._parameters, self._optimisers = list(parameters), list(optimisers)
        self._shapes = [each.shape for each in optimisers[0].param_groups[0]["params"]]
        self._flat = self._zeros()
        for parameter, place in zip(parameters, self._places(self._flat), strict=True):
            place.copy_(parameter.detach())
            parameter.data = place
        self._gradient = self._zeros()
        self._gradients = self._places(self._gradient)
        self._moments = {name: self._zeros() for name in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")}
        self._updates = self._take_over()
        self._owner = self._of_members(torch.arange(len(optimisers), device=self._flat.device))
        decays = [each.param_groups[0]["weight_decay"] for each in optimisers]
        self._decay = self._spread(decays)
        self._factors: list[list[float]] = []

    @torch.no_grad()
    def step(self, rates: Sequence[float]) -> None:
        """Update all parameters from their gradients, which are dropped; `rates` are the members'."""
        self._gather()
        group = self._optimisers[0].param_groups[0]
        (beta1, beta2), eps = group["betas"], group["eps"]
        self._updates = [count + 1 for count in self._updates]
        scales = [rate / (1 - beta1**count) for rate, count in zip(rates, self._updates, strict=True)]
        roots = [(1 - beta2**count) ** 0.5 for count in self._updates]
        if [scales, roots] != self._factors:
            self._factors = [scales, roots]
            self._scale_P, self._root_P = self._spread(self._factors)
        mean, square, largest = self._moments.values()
        gradient = self._gradient.addcmul_(self._flat, self._decay)
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        torch.maximum(largest, square, out=largest)
        denominator = largest.sqrt().div_(self._root_P).add_(eps)
        self._flat.sub_(torch.div(mean, denominator, out=denominator).mul_(self._scale_P))

    def give_back(self) -> None:
        """Copy the moments to the members' optimisers."""
        places = {name: self._places(moment) for name, moment in self._moments.items()}
        for member, (optimiser, updates) in enumerate(zip(self._optimisers, self._updates, strict=True)):
            state = optimiser.state_dict()
            for number in range(len(self._shapes)):
                own = {name: of_each(each[number], self._shapes[number]) for name, each in places.items()}
                moments = {name: each[member].clone() for name, each in own.items()}
                state["state"][number] = {"step": torch.tensor(float(updates)), **moments}
            optimiser.load_state_dict(state)

    def _gather(self) -> None:
        """Copy the gradients into the flat tensor."""
        given = {n: p.grad for n, p in enumerate(self._parameters) if p.grad is not None}
        self._gradient.zero_()
        torch._foreach_copy_([self._gradients[number] for number in given], list(given.values()))
        for parameter in self._parameters:
            parameter.grad = None

    def _take_over(self) -> list[int]:
        """Copy the moments, if there are any; return the number of updates of each member."""
        states = [optimiser.state_dict()["state"] for optimiser in self._optimisers]
        for name, moment in self._moments.items():
            for number, place in enumerate(self._places(moment)):
                for own, state in zip(of_each(place, self._shapes[number]), states, strict=True):
                    if number in state:
                        own.copy_(state[number][name])
        return [int(next(iter(state.values()), {"step": 0})["step"]) for state in states]

    def _zeros(self) -> Tensor:
        return torch.zeros(sum(each.numel() for each in self._parameters), device=self._parameters[0].device)

    def _places(self, flat: Tensor) -> list[Tensor]:
        """Return views of a flat tensor with the shapes and strides of the parameters."""
        pieces = torch.split(flat, [each.numel() for each in self._parameters])
        return [
            piece.as_strided(like.shape, like.stride(), piece.storage_offset())
            for piece, like in zip(pieces, self._parameters, strict=True)
        ]

    def _spread(self, values_xK: Sequence[Any]) -> Tensor:
        """Expand values per member (..., K) to the elements of the flat tensor, (..., P)."""
        return torch.tensor(values_xK, dtype=self._flat.dtype, device=self._flat.device)[..., self._owner]

    def _of_members(self, number_K: Tensor) -> Tensor:
        """Expand a value per member to the elements of its part of the flat tensor."""
        counts = [each.numel() // len(number_K) for each in self._parameters]
        return torch.cat([number_K.repeat_interleave(count) for count in counts])
