"""How many operations a piece of work starts: what it costs a GPU to be told, however little it computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

_NO_KERNEL = {
    "aten::detach", "aten::empty.memory_format", "aten::empty_like", "aten::empty_strided",
    "aten::new_empty_strided", "aten::_unsafe_view", "aten::lift_fresh",
}  # fmt: skip


class Launches(TorchDispatchMode):
    """Counts tensor operations that compute or copy, forward and backward: no views, no allocations.

    A lower bound of a GPU's kernel launches, as one operation may be several kernels; an optimiser that takes
    all parameters at once counts as one.

    Attributes:
        operations: count by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not (operation.is_view or operation.name() in _NO_KERNEL):
            self.operations[operation.name()] += 1
        return operation(*args, **(kwargs or {}))


def launches(work: Callable[[], object]) -> int:
    """Operations that `work` starts, the second time it is called."""
    work()
    with Launches() as counted:
        work()
    return counted.operations.total()
