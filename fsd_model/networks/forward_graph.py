"""Records a forward pass as a graph of operations with their multiply-adds.

Recording happens below autograd, so work under `no_grad`, detached tensors, index arithmetic and changes in
place are seen like any other operation. What a network reads back into Python (`.item()`) is not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


def tensors(tree: Any) -> Iterator[Tensor]:
    """Yield every tensor in nested tuples, lists and mappings."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        yield from tensors(tuple(tree.values()))
    elif isinstance(tree, (tuple, list)):
        for item in tree:
            yield from tensors(item)


class Dataflow(TorchDispatchMode):
    """Records a forward pass as nodes, numbered so that every node follows its inputs.

    Attributes:
        parents: the input nodes of each node.
        macs: multiply-adds (of convolutions, products of matrices, attention and LSTMs) of each node.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.parents: list[tuple[int, ...]] = []
        self.macs: list[int] = []
        self._node: dict[int, int] = {}
        self._sharing: dict[int, list[Tensor]] = defaultdict(list)  # keeps them alive: an id is one tensor's
        self._counter = FlopCounterMode(display=False, custom_mapping={_LSTM: _lstm_flops})

    def __enter__(self) -> Dataflow:
        self._stack = ExitStack()
        # the one form of attention that is counted on every device, and layers made of their modules
        self._stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        self._stack.callback(
            torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled()
        )
        torch.backends.mha.set_fastpath_enabled(False)
        self._stack.enter_context(self._counter)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._stack.close()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        before = self._counter.get_total_flops()
        result = func(*args, **(kwargs or {}))
        read = () if _reads_the_shape_only(func) else tuple(tensors((args, kwargs)))
        parents = tuple(self.node(tensor) for tensor in read)
        operation = self._new(parents, (self._counter.get_total_flops() - before) // 2)
        for written in _written(func, args, kwargs or {}):
            for tensor in self._sharing[_storage(written)]:
                self._node[id(tensor)] = self._new((self.node(tensor), operation))
        for tensor in tensors(result):  # a node each: one half of a split tensor is not the whole
            self._track(tensor, (operation,))
        return result

    def node(self, tensor: Tensor) -> int:
        """Return the node of a tensor in its present state; a tensor not seen before gets a new node."""
        if id(tensor) not in self._node:
            sharing = self._sharing[_storage(tensor)]
            self._track(tensor, tuple(self._node[id(other)] for other in sharing))
        return self._node[id(tensor)]

    def ancestors(self, node: int) -> set[int]:
        """Return the node and everything that it depends on."""
        found, todo = {node}, [node]
        while todo:
            fresh = set(self.parents[todo.pop()]) - found
            found |= fresh
            todo += fresh
        return found

    def only_path(self, start: int, end: int) -> set[int]:
        """Return the nodes that every path from `start` to `end` passes; empty where there is no path.

        Nodes are numbered in order, so a path that avoids node n has an edge (parent, child) with parent < n
        <
        child: it jumps over n. A difference array counts the edges over each node, in one pass over all edges
        instead of a search per node; a node that no edge jumps over is on every path.
        """
        above, carrying = self.ancestors(end), {start}  # carrying: reached from `start`
        jumps = [0] * (len(self.parents) + 1)
        for node in range(start + 1, end + 1):
            for parent in carrying.intersection(self.parents[node]) if node in above else ():
                carrying.add(node)
                jumps[parent + 1] += 1
                jumps[node] -= 1
        passed, over = set(), 0
        for node in range(start, end + 1):  # prefix sum: edges that jump over this node
            over += jumps[node]
            if node in carrying and not over:
                passed.add(node)
        return passed if end in carrying else set()

    def _new(self, parents: tuple[int, ...], macs: int = 0) -> int:
        self.parents.append(parents)
        self.macs.append(macs)
        return len(self.parents) - 1

    def _track(self, tensor: Tensor, parents: tuple[int, ...]) -> None:
        if id(tensor) not in self._node:
            self._sharing[_storage(tensor)].append(tensor)
        self._node[id(tensor)] = self._new(parents)


_LSTM = torch.ops.aten.mkldnn_rnn_layer


def _lstm_flops(input_shape: Any, input_weight: Any, hidden_weight: Any, *_: Any, **__: Any) -> int:
    steps = int(input_shape[0] * input_shape[1])
    weights = int(input_weight[0] * input_weight[1] + hidden_weight[0] * hidden_weight[1])
    return 2 * steps * weights


def _reads_the_shape_only(func: Any) -> bool:
    name = func.overloadpacket.__name__
    return bool(name.endswith("_like") or name.startswith("new_"))


def _written(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Tensor]:
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from tensors(args[place] if place < len(args) else kwargs.get(argument.name))


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
