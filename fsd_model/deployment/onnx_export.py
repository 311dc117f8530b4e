"""ONNX files of a detector: export, 8-bit quantisation, inference. Only here onnx is imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fsd_model.deployment.exported_program import OUTPUTS, example, not_exportable, quiet
from fsd_model.errors import InputError

OPSET = 18
"""Runs from onnxruntime 1.14 on; nothing here needs a newer one."""

INPUT = "waveform"
_AXES = ("recordings", "samples")
_QUANTISED = ["Conv", "Gemm"]


def check_installed() -> None:
    """Raise InputError if the extra is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"ONNX needs packages ({error}); install them: pip install 'fsd-tuner[onnx]'"
        ) from None


def save_onnx(program: torch.export.ExportedProgram, path: Path, about: Mapping[str, str]) -> None:
    """Write an exported program as ONNX; `about` becomes its metadata.

    Raises:
        InputError: an operation that ONNX lacks.
    """
    import onnx

    # the exporter of torch.export programs: the front end's index arithmetic keeps the number of samples free
    try:
        with quiet():
            export = torch.onnx.export(
                program, (example(),), dynamo=True, opset_version=OPSET, verbose=False,
                input_names=[INPUT], output_names=list(OUTPUTS),
            )  # fmt: skip
        assert export is not None
        model = export.model_proto
    except Exception as error:
        raise not_exportable("torch.onnx.export", error) from error
    _name_axes(model)
    onnx.helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def save_int8(model: Path, path: Path, waveforms: Iterable[NDArray[np.float32]]) -> None:
    """Write an ONNX file with weights and activations of its convolutions and matrices in 8 bits.

    Static quantisation: the ranges of the activations come from `waveforms`. The front end stays in float64,
    since its logarithm needs more than 8 bits.

    Args:
        model: file that `save_onnx` wrote.
        path: the new file.
        waveforms: training utterances, (S,) each.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = iter(waveforms)

        def get_next(self) -> dict[str, Any] | None:
            waveform_S = next(self.rest, None)
            return None if waveform_S is None else {INPUT: waveform_S[None]}

    with quiet(), TemporaryDirectory() as folder:
        part = Path(folder) / "int8.onnx"
        quantize_static(
            model, part, Reader(), op_types_to_quantize=_QUANTISED,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
        quantised = onnx.load(part)
    props = {each.key: each.value for each in onnx.load(model).metadata_props}
    onnx.helper.set_model_props(quantised, {**props, "precision": "int8"})
    onnx.save(quantised, path)


class OnnxDetector:
    """Runs an ONNX file on the CPU, on one thread unless more are given."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, waveform_BS: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return `score` (B,) and `llr` (B,) of recordings (B, S)."""
        return list(self._session.run(list(OUTPUTS), {INPUT: waveform_BS}))

    @property
    def about(self) -> dict[str, str]:
        """Metadata of the file."""
        return dict(self._session.get_modelmeta().custom_metadata_map)


def _name_axes(model: Any) -> None:
    del model.graph.value_info[:]  # intermediate shapes in the exporter's names; every runtime infers them
    for value in (*model.graph.input, *model.graph.output):
        for axis, name in zip(value.type.tensor_type.shape.dim, _AXES, strict=False):
            axis.dim_param = name
