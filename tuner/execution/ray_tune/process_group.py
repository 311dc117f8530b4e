"""One trial over several processes on one or more machines, reserved together, each with its own GPU.

The processes find each other by the environment variables of torchrun (RANK, WORLD_SIZE, LOCAL_RANK,
MASTER_ADDR, MASTER_PORT); what they do with them is up to the trial function. Only the first process
reports.

Not Ray Train's `TorchTrainer`: a trial function then needs no import of Ray, and runs the same without it.
"""

from __future__ import annotations

import os
import queue
import socket
import traceback
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tuner.controller.retry import FailureCause, cause_of
from tuner.execution.messages import CAUSE, TRACEBACK
from tuner.execution.worker import GroupError, TrialTask, run_attempt

Result = dict[str, Any]
_LOOPBACK = "127.0.0.1"
_PATIENCE_S = 10.0  # time for the other processes to notice that one failed


class Member:
    """One process of a group: a Ray actor that answers `take` while `run` runs."""

    def __init__(self, task: TrialTask) -> None:
        self._task = task
        self._results: queue.Queue[Result] = queue.Queue()
        self._taken: queue.Queue[None] = queue.Queue()
        self._first_taken = False

    def address(self) -> tuple[str, int]:
        """Return an address that the other processes reach, and a port that is free there."""
        host = str(ray.util.get_node_ip_address())  # type: ignore[no-untyped-call]
        with socket.socket() as probe:
            probe.bind((host, 0))
            return host, int(probe.getsockname()[1])

    def run(self, config: dict[str, Any], rank: int, address: tuple[str, int]) -> Result | None:
        """Run the trial function to its end; return what failed, or None."""
        host, port = address
        os.environ |= {
            "RANK": str(rank), "WORLD_SIZE": str(self._task.resources.workers), "LOCAL_RANK": "0",
            "MASTER_ADDR": host, "MASTER_PORT": str(port),
        }  # fmt: skip
        if host == _LOOPBACK:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        try:
            run_attempt(self._task, config, self._send, reports=rank == 0)
        except Exception as error:  # noqa: BLE001 - the controller decides what any error costs
            return {CAUSE: cause_of(error).value, TRACEBACK: traceback.format_exc()}
        return None

    def take(self) -> Result:
        """Return the next report of the trial function; the call lets it continue from the report before."""
        if self._first_taken:
            self._taken.put(None)
        self._first_taken = True
        return self._results.get()

    def _send(self, result: Result) -> None:
        self._results.put(result)
        self._taken.get()


def run_group(task: TrialTask, config: dict[str, Any], send: Callable[[Result], None]) -> None:
    """Run one attempt in `task.resources.workers` processes; arguments as for `run_attempt`.

    Each process takes one bundle of the Ray trial's placement group. This process only passes reports on and
    needs none.

    Raises:
        GroupError: a process failed.
        RayError: a process died.
    """
    members = [_member(task, rank) for rank in range(task.resources.workers)]
    try:
        address = ray.get(members[0].address.remote())
        runs = [member.run.remote(config, rank, address) for rank, member in enumerate(members)]
        while (result := _next(members[0].take.remote(), runs)) is not None:
            send(result)
    finally:
        for member in members:
            ray.kill(member)


def _member(task: TrialTask, rank: int) -> Any:
    reserved: Any = ray.util.get_current_placement_group()
    place = PlacementGroupSchedulingStrategy(reserved, placement_group_bundle_index=rank)
    options = {"num_cpus": task.resources.cpu, "num_gpus": task.resources.gpu, "max_concurrency": 2}
    return ray.remote(Member).options(scheduling_strategy=place, **options).remote(task)


def _next(report: Any, runs: list[Any]) -> Result | None:
    """Return the next report, or None when all processes have returned."""
    waiting = list(runs)
    while waiting:
        (ready, *_), _ = ray.wait([report, *waiting])
        if ready == report:
            result: Result = ray.get(report)
            return result
        if _outcome(ready) is not None:
            _fail(runs)
        waiting.remove(ready)
    return None


def _fail(runs: list[Any]) -> None:
    """Raise the failure to blame.

    Once one process has failed the others fail too, with errors of a lost connection. So wait for them, and
    prefer a process that died or a failure with a known cause (memory, NaN) to one of cause `error`.
    """
    over, _ = ray.wait(runs, num_returns=len(runs), timeout=_PATIENCE_S)
    failures = [outcome for outcome in map(_outcome, over) if outcome is not None]
    raise min(failures, key=lambda error: isinstance(error, GroupError) and error.cause == FailureCause.ERROR)


def _outcome(run: Any) -> Exception | None:
    """Return what a process that has ended raised, or None."""
    try:
        failure = ray.get(run)
    except RayError as died:
        return died
    return None if failure is None else GroupError(failure[CAUSE], failure[TRACEBACK])
