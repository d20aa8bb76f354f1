"""Small ONNX networks, written as they are wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

SIZE, DIM = 16, 8
PLAIN: dict[str, Any] = {
    "image_size": SIZE,
    "color": "rgb",
    "mean": (127.5,) * 3,
    "std": (127.5,) * 3,
    "alignment": "none",
    "licence": "MIT",
}
"""What `import_onnx` must be told of them."""

WEIGHTS = np.random.default_rng(0).normal(size=(3 * SIZE * SIZE, DIM)).astype(np.float32)


def node(kind: str, given: str, made: str, **attributes: Any) -> NodeProto:
    return helper.make_node(kind, given.split(), [made], **attributes)


FLAT = node("Flatten", "pixels", "flat")
LINEAR = node("MatMul", "flat weights", "embedding")
ROW = node("MatMul", "flat weights", "row")
MEANS = (node("GlobalAveragePool", "pixels", "mean"), node("Flatten", "mean", "embedding"))
"""The mean of each channel."""


def network(
    path: Path,
    *,
    batch: int | str = "N",
    shape: tuple[int | str, ...] = (3, SIZE, SIZE),
    nodes: tuple[NodeProto, ...] = (FLAT, LINEAR),
    input_type: int = TensorProto.FLOAT,
    outputs: tuple[tuple[str, tuple[int | str, ...]], ...] = (("embedding", ("N", DIM)),),
    **saving: Any,
) -> Path:
    """Write an ONNX network; unless told otherwise, a linear map of all pixels."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("pixels", input_type, (batch, *shape))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in outputs],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save_model(model, path, **saving)
    return path


def mean_colours(path: Path, **changes: Any) -> Path:
    """A network whose embedding is the mean of each channel that it is given."""
    return network(path, nodes=MEANS, outputs=(("embedding", ("N", 3)),), **changes)


def crops(count: int = 5, size: int = SIZE) -> np.ndarray:
    """(N, S, S, 3) uint8."""
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
