"""An ONNX file in 8-bit integers: static quantisation by onnxruntime.

Weights get a scale for each channel, activations one for each tensor, from the ranges that
calibration faces give. Convolutions and matrix products are quantised, all but the head's: there
are the time and the bytes. With additions and pooling in 8 bits too, a resnet18 was not faster;
with the head, and for a transformer with every operator, embeddings were farther off.

Weights use 7 of the 8 bits (`reduce_range`): processors that have AVX2 or AVX-512 without VNNI add
two products in 16 bits, which 8 bits overflow, as onnxruntime's documentation of quantisation says.
There a transformer's embeddings fell to a cosine of 0.47 with those of float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facenet.exporting.images import Faces
from facenet.exporting.onnx_file import INPUT
from facenet.exporting.pixels import to_pixels

if TYPE_CHECKING:
    import onnx

    from facenet.types import Bars, Image

_PRODUCTS = ("Conv", "Gemm", "MatMul")
_AT_ONCE = 16


def quantize(path: Path, calibration: Faces, progress: Bars) -> None:
    """Replace an ONNX file by its quantised form, calibrated on faces."""
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = path.with_name(f"prepared-{path.name}")
    # Folds batch normalisation into convolutions, which are then quantised as one.
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    with progress("calibrating") as update:
        quantize_static(
            prepared,
            path,
            _reader(calibration, update),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_PRODUCTS),
            nodes_to_exclude=[_last_product(onnx.load(prepared))],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def _last_product(model: onnx.ModelProto) -> str:
    """The matrix product of the head, which every embedding passes."""
    names: list[str] = [node.name for node in model.graph.node if node.op_type in _PRODUCTS]
    return names[-1]


def _reader(calibration: Faces, update: Any) -> Any:
    """onnxruntime's interface to calibration data; its base class comes with onnxruntime."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.place = 0

        def get_next(self) -> dict[str, Image] | None:
            part = calibration.crops[self.place : self.place + _AT_ONCE]
            self.place += len(part)
            update(self.place, len(calibration))
            return {INPUT: to_pixels(part)} if len(part) else None

    return Reader()
