"""A stand-in for CUDA graphs on the CPU: records tensor operations and replays them on the same memory.

As a graph does, it freezes whatever Python decided and every number that was no tensor, keeps the memory of
all intermediate results, and records without an effect. Unlike a graph it cannot tell what CUDA would refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


def tensors(value: Any) -> list[Tensor]:
    return [each for each in tree_flatten(value)[0] if isinstance(each, Tensor)]


class Tape(TorchDispatchMode):
    """Records what runs under it.

    Attributes:
        calls: operation, arguments and results, in order; views and numbers are not replayed.
        before: memory that was there before and was written to, with what it held.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self.before: dict[int, tuple[Tensor, Tensor]] = {}
        self._made: set[int] = set()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for written in self._written(operation, args, kwargs):
            place = written.untyped_storage().data_ptr()
            if place not in self._made and place not in self.before:
                whole = torch.empty(0, dtype=written.dtype).set_(written.untyped_storage())
                self.before[place] = (whole, whole.clone())
        result = operation(*args, **kwargs)
        given = {each.untyped_storage().data_ptr() for each in tensors((args, kwargs))}
        self._made |= {each.untyped_storage().data_ptr() for each in tensors(result)} - given
        if not operation.is_view:
            self.calls.append((operation, args, kwargs, result))
        return result

    def undo(self) -> None:
        for whole, held in self.before.values():
            whole.copy_(held)

    def replay(self) -> None:
        for operation, args, kwargs, result in self.calls:
            again = operation(*args, **kwargs)
            for old, new in zip(tensors(result), tensors(again), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)

    @staticmethod
    def _written(operation: Any, args: Any, kwargs: Any) -> list[Tensor]:
        named = [a for a in operation._schema.arguments if a.alias_info and a.alias_info.is_write]
        at = {argument.name: number for number, argument in enumerate(operation._schema.arguments)}
        found = [kwargs[a.name] if a.name in kwargs else args[at[a.name]] for a in named]
        if (
            operation.name() == "aten::native_batch_norm"
        ):  # its schema does not tell of the running statistics
            found += args[3:5]
        return tensors(found)


class TapeRecorder:
    """`experimental.cuda_graph.Recorder` for the CPU.

    Attributes:
        tapes: one for each recording.
        eager, replays: how many updates ran which way.
    """

    def __init__(self) -> None:
        self.tapes: list[Tape] = []
        self.eager = self.replays = 0

    @contextmanager
    def lane(self) -> Iterator[None]:
        self.eager += 1
        yield

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        tape = Tape()
        with tape:
            work()
        tape.undo()
        self.tapes.append(tape)

        def replay() -> None:
            self.replays += 1
            with torch.no_grad():
                tape.replay()

        return replay
