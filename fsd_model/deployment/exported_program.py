"""Front end, network and calibration as one tensor program, in forms that run without this package.

Every form takes `waveform` (B, S) float32, B recordings of S samples each at 16 kHz in [-1, 1], B and S >=
1 and free, and returns `score` (B,) and `llr` (B,), float32. Crop, padding and tiling are inside; resampling
is not.

Shapes: B recordings, S samples.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fsd_model.deployment.front_end_module import front_end_graph
from fsd_model.detector.detector import Detector
from fsd_model.errors import InputError

Runner: TypeAlias = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]

EXTRA_FILE = "fsd_tuner.json"
OUTPUTS = ("score", "llr")

_EXAMPLE = (2, 50_001)


class DeployedGraph(nn.Module):
    """The exported module: front end, network and calibration of `detector`."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.front_end = front_end_graph(detector.card.feature)
        self.network = detector.network
        self.slope = detector.card.calibration.slope
        self.offset = detector.card.calibration.offset

    def forward(self, waveform_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores and log-likelihood ratios, (B,) each; higher = more bona fide."""
        score_B = self.network(self.front_end(waveform_BS))
        return score_B, self.slope * score_B + self.offset


def example() -> Tensor:
    """Return noise (B, S) for tracing an export."""
    return 0.1 * torch.randn(_EXAMPLE, generator=torch.Generator().manual_seed(0))


def exported_program(detector: Detector) -> torch.export.ExportedProgram:
    """Return the program of `torch.export`, with free numbers of recordings and samples.

    Raises:
        InputError: a custom network that `torch.export` cannot trace.
    """
    free = ({0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC},)
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(DeployedGraph(detector).eval(), (example(),), dynamic_shapes=free)
    except Exception as error:
        raise not_exportable("torch.export", error) from error


def save_program(program: torch.export.ExportedProgram, path: Path, about: str) -> None:
    """Write a `.pt2` file; `about` is JSON text that it contains as `fsd_tuner.json`."""
    with quiet():
        torch.export.save(program, path, extra_files={EXTRA_FILE: about})


def save_torchscript(detector: Detector, path: Path, about: str) -> None:
    """Write a TorchScript file for runtimes that need it; PyTorch has deprecated the format.

    Raises:
        InputError: a custom network that cannot be traced.
    """
    try:
        with quiet(), torch.no_grad():
            traced = torch.jit.trace(DeployedGraph(detector).eval(), example(), check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(traced, path, _extra_files={EXTRA_FILE: about})
    except Exception as error:
        raise not_exportable("torch.jit.trace", error) from error


def load_program(path: Path) -> Runner:
    """Load a `.pt2` file as a function of recordings (B, S) that returns `score` and `llr`, (B,) each."""
    with quiet():
        return _runner(torch.export.load(path).module())


def load_torchscript(path: Path) -> Runner:
    """Load a TorchScript file; see `load_program`."""
    with quiet():
        return _runner(torch.jit.load(path))  # type: ignore[no-untyped-call]


def _runner(module: Any) -> Runner:
    def run(waveform_BS: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        with torch.no_grad():
            return [output.numpy() for output in module(torch.from_numpy(waveform_BS))]

    return run


def not_exportable(what: str, error: Exception) -> InputError:
    """Return the error for a network that `what` cannot trace."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return InputError(
        f"this network cannot be exported: {what} reports {first[:300]}; write its forward without decisions"
        " that depend on values, or use the detector folder as it is"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the warnings of exporters about their own internals."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
