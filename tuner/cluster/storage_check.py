"""Whether every node of the connected Ray cluster reads and writes one and the same storage."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuner.errors import StudyError
from tuner.storage.storage import Storage

_ANSWER_S = 60.0
_PATIENCE_S = 0.0  # what is away when a search begins is refused
_WAY_OUT = (
    "give a folder that all nodes share, mounted at the same path, or a bucket (storage: s3://BUCKET/PATH) "
    "whose keys every node has"
)


def check_storage(uri: str) -> None:
    """Write a marker here, let every node read it and write its own, read those; all are removed.

    Args:
        uri: as `tuner.storage.storage.Storage` takes it.
    Raises:
        StudyError: naming the node that cannot read or write, or that sees another folder of the same name.
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
        asked = {node: _ask(node, uri, check, content) for node in nodes}
        found = {node: _problem(uri, check, content, node, answer) for node, answer in asked.items()}
    finally:
        for name in ("driver", *nodes):
            with suppress(OSError):  # a marker too many costs nothing
                Storage(uri, _PATIENCE_S).remove(_marker(check, name))
    for node, problem in found.items():  # once all have answered: nobody writes a marker any more
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
    """Runs on a node: "" or why the storage does not do there."""
    try:
        if _read(uri, check, "driver") != content:
            return "sees another file than the one written"
    except FileNotFoundError:
        return "does not see what the search's driver writes, so it is another folder there"
    except Exception as error:  # noqa: BLE001 - its type may not exist where it is told
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
        said = str(ray.get(answer, timeout=_ANSWER_S))
    except GetTimeoutError:
        return f"did not answer within {_ANSWER_S:g} s"
    except RayError as error:
        # one that is gone is no problem: a search goes on without it
        return f"cannot check: {_reason(error)}" if node in _alive() else ""
    try:
        differs = not said and _read(uri, check, node) != content
    except OSError:
        differs = True
    return "writes what this machine does not read" if differs else said


def _alive() -> dict[str, str]:
    """The address of each node that lives, by its id."""
    import ray

    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return {str(node["NodeID"]): str(node["NodeManagerAddress"]) for node in known if node["Alive"]}


def _marker(check: str, name: str) -> str:
    """Without folders between: S3-like storage would keep an empty one."""
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
