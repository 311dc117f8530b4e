"""Checks that all nodes of the connected Ray cluster read and write the same storage."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuner.errors import StudyError
from tuner.storage.storage import Storage

_ANSWER_S = 60.0
_PATIENCE_S = 0.0  # a storage that does not answer when a search begins is refused
_WAY_OUT = (
    "give a folder that all nodes share, mounted at the same path, or a bucket (storage: s3://BUCKET/PATH) "
    "whose keys every node has"
)


def check_storage(uri: str) -> None:
    """Write a marker, let each node read it and write one of its own, and read those.

    All markers are removed at the end.

    Args:
        uri: of the storage.
    Raises:
        StudyError: naming the node that cannot read or write, or sees another folder of the same name.
    """
    Storage(uri)
    check, content = f".check-{secrets.token_hex(4)}", secrets.token_hex(16)
    try:
        _write(uri, check, "driver", content)
    except Exception as error:  # pyarrow and the AWS client raise many kinds
        raise StudyError(
            f"storage {uri}: cannot be written from this machine: {_reason(error)}; {_WAY_OUT}"
        ) from error
    nodes = _alive()
    try:
        answers = {node: _ask(node, uri, check, content) for node in nodes}
        problems = {node: _problem(uri, check, content, node, answer) for node, answer in answers.items()}
    finally:
        for name in ("driver", *nodes):
            with suppress(OSError):  # a marker that stays does no harm
                Storage(uri, _PATIENCE_S).remove(_marker(check, name))
    for node, problem in problems.items():  # once all have answered: no marker is written any more
        if problem:
            raise StudyError(f"storage {uri}: node {nodes[node]} {problem}; {_WAY_OUT}")


def _ask(node: str, uri: str, check: str, content: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    return (
        ray.remote(_visit)
        .options(num_cpus=0, scheduling_strategy=there, max_retries=0)
        .remote(uri, check, node, content)
    )


def _visit(uri: str, check: str, name: str, content: str) -> str:
    """Check the storage on a node; return what is wrong, or ""."""
    try:
        if _read(uri, check, "driver") != content:
            return "sees another file than the one written"
    except FileNotFoundError:
        return "does not see what the search's driver writes, so it is another folder there"
    except Exception as error:  # noqa: BLE001 - its type may not exist in the driver
        return f"cannot read: {_reason(error)}"
    try:
        _write(uri, check, name, content)
    except Exception as error:  # noqa: BLE001
        return f"cannot write: {_reason(error)}"
    return ""


def _problem(uri: str, check: str, content: str, node: str, answer: Any) -> str:
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    try:
        problem = str(ray.get(answer, timeout=_ANSWER_S))
    except GetTimeoutError:
        return f"did not answer within {_ANSWER_S:g} s"
    except RayError as error:
        # a node that has left is no problem: the search runs without it
        return f"cannot check: {_reason(error)}" if node in _alive() else ""
    try:
        differs = not problem and _read(uri, check, node) != content
    except OSError:
        differs = True
    return "writes what this machine does not read" if differs else problem


def _alive() -> dict[str, str]:
    """Return the address of each living node by its id."""
    import ray

    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return {str(node["NodeID"]): str(node["NodeManagerAddress"]) for node in known if node["Alive"]}


def _marker(check: str, name: str) -> str:
    """Return the name of a marker, without a folder: S3 would keep an empty one."""
    return f"{check}-{name}"


def _write(uri: str, check: str, name: str, content: str) -> None:
    def save(target: Path) -> None:
        (target / "content").write_text(content)

    Storage(uri, _PATIENCE_S).put(_marker(check, name), save)


def _read(uri: str, check: str, name: str) -> str:
    with Storage(uri, _PATIENCE_S).fetched(_marker(check, name)) as target:
        return (target / "content").read_text()


def _reason(error: BaseException) -> str:
    rows = [row.strip() for row in str(error).splitlines() if row.strip()]
    return rows[-1] if rows else type(error).__name__
