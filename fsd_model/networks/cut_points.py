"""Finds the legal cuts of any network by a dry forward pass.

A legal cut is the output of a module through which everything passes on its way from the features to the
network's output: no other path, as a residual connection, leads around it. Points between which no
multiply-add runs are one cut, the last of them (convolution, normalisation, activation and pooling are cut
behind the pooling). The deepest exit stands behind the last multiply-add.

Shapes: B utterances, C channels, F rows and T frames of the front end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from fsd_model.errors import InputError
from fsd_model.networks.forward_graph import Dataflow, tensors

_BATCH, _OTHER_BATCH = 2, 3
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Point:
    """A place where an exit can stand.

    Attributes:
        module: qualified name of the module whose output it is; "" is the whole network.
        shape: of the output without the utterances, channels first.
        channel_axis: which axis of the module's output (B, ...) holds the channels.
        altered: whether the network changes this output in place later.
        macs: multiply-adds for one utterance up to here.
        parameters: of the layers up to here.
        used: their names.
    """

    module: str
    shape: Shape
    channel_axis: int
    altered: bool
    macs: int
    parameters: int
    used: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Trace:
    """Legal cuts of a network, shallowest first, its output, and the (rows, frames) of its input."""

    cuts: tuple[Point, ...]
    output: Point
    features: tuple[int, int]


@dataclass(frozen=True)
class _Call:
    module: str
    tensor: Tensor
    node: int


def trace(network: nn.Module, rows: int, frames: int) -> Trace:
    """Find the legal cuts of a network that takes features (B, F, T).

    Runs it in eval mode on noise, twice: the second time with more utterances of another length, to tell the
    time axis from the channels. In a network that refuses the other length the channels are axis 1.

    Args:
        network: any module that maps one tensor to one tensor (B, C), (B, C, ...) or (B, T, C); not changed.
        rows, frames: F and T of the front end.

    Raises:
        InputError: the network fails, or its output is not such a tensor of the features.
    """
    with _in_eval_mode(network), torch.no_grad():
        features_BFT = _noise(_BATCH, rows, frames)
        flow, calls = _run(network, features_BFT)
        others = _other_shapes(network, rows, frames)
        output = _output(calls)
        passed = flow.only_path(flow.node(features_BFT), output.node)
        if not passed:
            raise InputError("its output does not depend on the features; return what the layers give")
        if others.get("", (0,))[0] != _OTHER_BATCH:
            raise InputError(
                f"its output {tuple(output.tensor.shape)} must have the utterances on axis 0; transpose it"
            )
        parameters = {flow.node(p): (name, p.numel()) for name, p in network.named_parameters()}

        def point(call: _Call) -> Point:
            above = flow.ancestors(call.node)
            used = [found for node, found in parameters.items() if node in above]
            return Point(
                call.module,
                *_channels_first(tuple(call.tensor.shape), others.get(call.module)),
                altered=flow.node(call.tensor) != call.node,
                macs=sum(flow.macs[node] for node in above) // _BATCH,
                parameters=sum(count for _, count in used),
                used=frozenset(name for name, _ in used),
            )

        places = [
            point(call)
            for call in _outermost(calls)
            if call.node in passed and _usable(call.tensor, others.get(call.module))
        ]
        return Trace(_reduced(places, end := point(output)), end, (rows, frames))


def _reduced(places: list[Point], output: Point) -> tuple[Point, ...]:
    if not output.macs:
        raise InputError("it has no layer with weights; there is nothing to train")
    groups = groupby(places, key=lambda place: place.macs)
    last = [list(group)[-1] for macs, group in groups if 0 < macs < output.macs]
    return tuple(last)


def _run(network: nn.Module, features_BFT: Tensor) -> tuple[Dataflow, list[_Call]]:
    """Run once; return the graph, and the modules that ran once and returned one tensor, in order."""
    flow = Dataflow()
    calls: list[_Call] = []
    ran: list[str] = []

    def note(name: str, found: list[Tensor]) -> None:
        ran.append(name)
        if len(found) == 1:
            calls.append(_Call(name, found[0], flow.node(found[0])))

    with _hooked(network, note), flow:
        _forward(network, features_BFT)
    return flow, sorted((c for c in calls if ran.count(c.module) == 1), key=lambda call: call.node)


def _other_shapes(network: nn.Module, rows: int, frames: int) -> dict[str, Shape]:
    for length in (max(1, 3 * frames // 4), frames):
        shapes: dict[str, Shape] = {}

        def note(name: str, found: list[Tensor], shapes: dict[str, Shape] = shapes) -> None:
            if len(found) == 1:
                shapes[name] = tuple(found[0].shape)

        try:
            with _hooked(network, note):
                _forward(network, _noise(_OTHER_BATCH, rows, length))
        except InputError:
            if length == frames:
                raise
            continue
        return shapes
    return {}


def _forward(network: nn.Module, features_BFT: Tensor) -> None:
    try:
        network(features_BFT)
    except Exception as error:
        words = " ".join(str(error).split())
        raise InputError(
            f"it fails on features {tuple(features_BFT.shape)} with {type(error).__name__}: {words};"
            " forward must take (utterances, rows, frames) of the front end"
        ) from error


def _output(calls: list[_Call]) -> _Call:
    for call in calls:
        if call.module == "":
            if call.tensor.is_floating_point() and call.tensor.dim() in (2, 3, 4):
                return call
            given = f"{call.tensor.dtype} {tuple(call.tensor.shape)}"
            raise InputError(f"its output must be floating point of 2 to 4 axes, got {given}")
    raise InputError("it must give one tensor, got none or several; pick one in `forward`")


def _outermost(calls: list[_Call]) -> list[_Call]:
    """Among modules that returned the same tensor, keep the outermost."""
    kept: list[_Call] = []
    for _, group in groupby(calls, key=lambda call: call.node):
        best, *later = group
        for call in later:
            if not call.module or best.module.startswith(f"{call.module}."):
                best = call
        kept.append(best)
    return kept


def _usable(tensor: Tensor, other: Shape | None) -> bool:
    first = (tensor.shape[0], other[0]) if other and tensor.dim() in (2, 3, 4) else None
    return tensor.is_floating_point() and first == (_BATCH, _OTHER_BATCH)


def _channels_first(shape: Shape, other: Shape | None) -> tuple[Shape, int]:
    """Return shape and channel axis: axis 1, unless that is time (it varies with the length) and the last is
    not.
    """
    last = len(shape) - 1
    time = [axis for axis in range(1, len(shape)) if other and shape[axis] != other[axis]]
    axis = last if 1 in time and last not in time else 1
    rest = [size for place, size in enumerate(shape) if place not in (0, axis)]
    return (shape[axis], *rest), axis


def _noise(batch: int, rows: int, frames: int) -> Tensor:
    return torch.randn(batch, rows, frames, generator=torch.Generator().manual_seed(0))


@contextmanager
def _in_eval_mode(network: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _hooked(network: nn.Module, note: Callable[[str, list[Tensor]], None]) -> Iterator[None]:
    """Call `note` with the name of each module that ran and the tensors it returned."""

    def hook(name: str) -> Any:
        def after(module: nn.Module, args: Any, kwargs: Any, result: Any) -> Any:
            # a module that returns its input gets a view, and so its own node: a shortcut is not the block
            if isinstance(result, Tensor) and any(result is given for given in tensors((args, kwargs))):
                result = result.view_as(result)
            note(name, list(tensors(result)))
            return result

        return after

    handles = [
        module.register_forward_hook(hook(name), with_kwargs=True) for name, module in network.named_modules()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
