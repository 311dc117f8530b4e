"""Whether every node of the connected Ray cluster reads and writes one and the same storage."""

from __future__ import annotations

import secrets
from typing import Any

from tuner.errors import StudyError

_ANSWER_S = 60.0
_WAY_OUT = (
    "give a folder that all nodes share, mounted at the same path, or a bucket (storage: s3://BUCKET/PATH) "
    "whose keys every node has"
)


def check_storage(uri: str) -> None:
    """Write a marker here, let every node read it and write its own, read those; all are removed.

    Args:
        uri: an absolute path, or what `pyarrow.fs` takes (`s3://bucket/path?endpoint_override=...`).
    Raises:
        StudyError: naming the node that cannot read or write, or that sees another folder of the same name.
    """
    folder, content = f"fsd-check-{secrets.token_hex(4)}", secrets.token_hex(16)
    try:
        _write(uri, folder, "driver", content)
    except Exception as error:  # pyarrow and the AWS client raise many kinds
        raise StudyError(
            f"storage {uri}: cannot be written from this machine: {_reason(error)}; {_WAY_OUT}"
        ) from error
    try:
        asked = {node: _ask(node, uri, folder, content) for node in _alive()}
        for node, answer in asked.items():
            _judge(uri, folder, content, node, answer)
    finally:
        _remove(uri, folder)


def _ask(node: str, uri: str, folder: str, content: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    return (
        ray.remote(_visit)
        .options(num_cpus=0, scheduling_strategy=there, max_retries=0)
        .remote(uri, folder, node, content)
    )


def _visit(uri: str, folder: str, name: str, content: str) -> str:
    """Runs on a node: "" or why the storage does not do there."""
    try:
        if _read(uri, folder, "driver") != content:
            return "sees another file than the one written"
    except FileNotFoundError:
        return "does not see what the search's driver writes, so it is another folder there"
    except Exception as error:  # noqa: BLE001 - its type may not exist where it is told
        return f"cannot read: {_reason(error)}"
    try:
        _write(uri, folder, name, content)
    except Exception as error:  # noqa: BLE001
        return f"cannot write: {_reason(error)}"
    return ""


def _judge(uri: str, folder: str, content: str, node: str, answer: Any) -> None:
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    try:
        problem = str(ray.get(answer, timeout=_ANSWER_S))
    except GetTimeoutError:
        problem = f"did not answer within {_ANSWER_S:g} s"
    except RayError as error:
        if node not in _alive():
            return  # it is gone, and a search goes on without it
        problem = f"cannot check: {_reason(error)}"
    if not problem and _read(uri, folder, node) != content:
        problem = "writes what this machine does not read"
    if problem:
        raise StudyError(f"storage {uri}: node {_alive().get(node, node)} {problem}; {_WAY_OUT}")


def _alive() -> dict[str, str]:
    """The address of each node that lives, by its id."""
    import ray

    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return {str(node["NodeID"]): str(node["NodeManagerAddress"]) for node in known if node["Alive"]}


def _open(uri: str) -> tuple[Any, str]:
    from pyarrow.fs import FileSystem

    system, path = FileSystem.from_uri(uri)
    return system, path.rstrip("/")


def _write(uri: str, folder: str, name: str, content: str) -> None:
    system, path = _open(uri)
    system.create_dir(f"{path}/{folder}", recursive=True)
    with system.open_output_stream(f"{path}/{folder}/{name}") as stream:
        stream.write(content.encode())


def _read(uri: str, folder: str, name: str) -> str:
    system, path = _open(uri)
    with system.open_input_stream(f"{path}/{folder}/{name}") as stream:
        return str(stream.read().decode())


def _remove(uri: str, folder: str) -> None:
    system, path = _open(uri)
    system.delete_dir(f"{path}/{folder}")


def _reason(error: BaseException) -> str:
    rows = [row.strip() for row in str(error).splitlines() if row.strip()]
    return rows[-1] if rows else type(error).__name__
