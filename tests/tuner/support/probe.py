"""A trial function that writes down what it finds around it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tuner.trial import Context


def run(params: dict[str, Any], context: Context) -> None:
    import ray

    seen = {
        "cluster": ray.get_runtime_context().gcs_address,
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "cwd": os.getcwd(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }
    Path(params["file"]).write_text(json.dumps(seen))
    context.report({"dev/loss": 0.0})
