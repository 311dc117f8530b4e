"""Connects to the Ray cluster that RAY_ADDRESS names, or starts one on this machine."""

from __future__ import annotations

import logging
import math
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tuner.errors import StudyError
from tuner.study.settings import Resources

_OBJECT_STORE_BYTES = 100_000_000  # trials share data by files, not by Ray's store
_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths in a study mean the same in every trial
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # Ray Tune imports it
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",  # time to clean up before the process runs the next trial
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # snapshots are not used
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
_QUIET = {"RAY_DEDUP_LOGS_SKIP_REGEX": "."}  # Ray prints long messages about dead workers to stdout
_LOCAL = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the only way to keep every socket on 127.0.0.1
    "RAY_AUTH_MODE": "disabled",  # loopback only; a token would be written to the user's home
}

_NO_ANSWER = (
    "RAY_ADDRESS={}: no Ray cluster answers there; start it, or unset RAY_ADDRESS to search on this machine"
)
_PROBE_S = 5.0


@contextmanager
def cluster() -> Iterator[bool]:
    """Connect to a cluster, and disconnect at the end.

    Yields:
        Whether the cluster was started here, for this search alone.
    Raises:
        StudyError: RAY_ADDRESS names a cluster that does not answer.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    own = address in ("", "local")
    if not own:
        _refuse_unreachable(address)
    quiet = {} if debugging() else _QUIET
    for name, value in (_ALWAYS | quiet | (_LOCAL if own else {})).items():
        os.environ.setdefault(name, value)
    os.environ["TUNE_RESULT_BUFFER_LENGTH"] = (
        "1"  # a trial waits for the decision on a report before it continues
    )
    import ray

    if not debugging():
        logging.getLogger("ray").setLevel(logging.CRITICAL)  # the record reports errors of trials
    if ray.is_initialized():  # by the caller, who also shuts it down
        yield own
        return
    try:
        _connect(own)
    except ConnectionError as error:
        raise StudyError(_NO_ANSWER.format(address)) from error
    try:
        yield own
    finally:
        ray.shutdown()


def slots(resources: Resources) -> int:
    """Return how many trials fit on the cluster at once.

    Raises:
        StudyError: not even one does.
    """
    import ray

    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in known if node["Alive"]]
    fitting = sum(_fit(node, resources) for node in nodes) // resources.workers
    if fitting < 1:
        largest = "; ".join(f"{node.get('CPU', 0):g} cpu, {node.get('GPU', 0):g} gpu" for node in nodes)
        wanted = f"{resources.cpu:g} cpu, {resources.gpu:g} gpu on one machine"
        times = f"{resources.workers} times " if resources.workers > 1 else ""
        raise StudyError(
            f"resources: a trial needs {times}{wanted}, the cluster has {largest}; "
            "lower resources in the study (--set resources.gpu=0) or set RAY_ADDRESS to a larger cluster"
        )
    return fitting


def machines(resources: Resources) -> list[tuple[int, float]]:
    """Return, per machine with room, how many trial processes fit and its memory in bytes."""
    import ray

    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in known if node["Alive"]]
    return [(_fit(node, resources), node.get("memory", math.inf)) for node in nodes if _fit(node, resources)]


def debugging() -> bool:
    """Return whether FSD_DEBUG asks for full tracebacks and Ray's own messages."""
    return os.environ.get("FSD_DEBUG", "") not in ("", "0")


def _refuse_unreachable(address: str) -> None:
    """Raise StudyError at once for an address that does not answer; Ray itself would try for minutes."""
    if address == "auto":
        return
    if "://" in address:
        way_out = "give HOST:PORT of the cluster, or send the search there with `ray job submit`"
        raise StudyError(f"RAY_ADDRESS={address}: a search cannot be driven through a proxy; {way_out}")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise StudyError(f"RAY_ADDRESS={address}: needs HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=_PROBE_S).close()
    except OSError as error:
        raise StudyError(_NO_ANSWER.format(address)) from error


def _connect(own: bool) -> None:
    import ray

    size: dict[str, Any] = {
        "address": "local",  # not a cluster that somebody else has started on this machine
        "include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES,
    }  # fmt: skip
    level = logging.INFO if debugging() else logging.CRITICAL
    ray.init(log_to_driver=debugging(), logging_level=level, **(size if own else {}))


def _fit(node: dict[str, float], resources: Resources) -> int:
    by_cpu = int(node.get("CPU", 0) / resources.cpu + 1e-9)
    return min(by_cpu, _fit_gpu(node.get("GPU", 0), resources.gpu)) if resources.gpu > 0 else by_cpu


def _fit_gpu(there: float, wanted: float) -> int:
    # a fraction never spans two devices
    return int(there) * int(1 / wanted + 1e-9) if wanted < 1 else int(there / wanted)
