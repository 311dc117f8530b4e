"""What hardware a trial may see, set before its own imports."""

from __future__ import annotations

import os

from tuner.study.settings import Resources


def set_devices(resources: Resources) -> None:
    """Hide GPUs from a trial that reserved none, and give it one thread a reserved core.

    Ray leaves every GPU visible to a trial without GPU. A number of threads that is set already stays.
    """
    if not resources.gpu > 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, int(resources.cpu))))
