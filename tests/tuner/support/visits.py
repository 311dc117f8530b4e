"""Two Ray nodes on loopback that stand in different folders, and what `check_storage` says of some storages.

    python -m tests.tuner.support.visits FOLDER

`/proc/self/cwd` is another folder for each process: a path through it is one that nodes do not share. Prints
a JSON object: name of the case -> the error's text, or null.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

HERE = "/proc/self/cwd"


def main(folder: Path) -> dict[str, str | None]:
    os.environ |= {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0",
    }  # fmt: skip
    import ray
    from ray.cluster_utils import Cluster

    for name in ("shared", "a", "b"):
        (folder / name).mkdir()
    (folder / "b" / "taken").write_text("a file, not a folder")
    size = {"num_cpus": 0, "object_store_memory": 80_000_000, "include_dashboard": False}
    os.chdir(folder / "a")
    cluster = Cluster(initialize_head=True, head_node_args=size)
    os.chdir(folder / "b")
    cluster.add_node(num_cpus=0, object_store_memory=80_000_000)
    os.chdir(folder / "a")
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    cases = {
        "shared": str(folder / "shared"), "new": str(folder / "shared" / "not" / "yet"), "not shared": HERE,
        "unwritable": str(folder / "b" / "taken" / "x"), "no such kind": "carrier-pigeon://x/y",
    }  # fmt: skip
    cases |= json.loads(os.environ.get("MORE_STORAGES", "{}"))
    said = {name: _said(uri) for name, uri in cases.items()}
    ray.shutdown()
    cluster.shutdown()
    return said


def _said(uri: str) -> str | None:
    from tuner.cluster.storage_check import check_storage
    from tuner.errors import StudyError

    try:
        check_storage(uri)
    except StudyError as error:
        return str(error)
    return None


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
