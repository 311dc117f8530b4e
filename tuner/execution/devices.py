"""GPUs and threads that a trial may use, set before the trial imports its framework."""

from __future__ import annotations

import os

from tuner.study.settings import Resources


def set_devices(resources: Resources) -> None:
    """Hide all GPUs from a trial that reserved none, and allow it one thread per reserved core.

    Ray leaves every GPU visible to a trial without GPU. A number of threads that is already set stays.
    """
    if not resources.gpu > 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, int(resources.cpu))))
