"""ONNX: one file for onnxruntime and the many runtimes that read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from facenet.exporting.pixels import FACES
from facenet.exporting.torch_export import exported_program
from facenet.models import TorchModel

if TYPE_CHECKING:
    import onnx

    from facenet.exporting.pixels import Exported
    from facenet.types import Image, Vector

INPUT, OUTPUT = "pixels", "embeddings"
_ERRORS_ONLY = 3  # a severity of onnxruntime's log


def write_onnx(model: TorchModel, path: Path) -> None:
    """Write a model with its weights inside; the file has no others beside it."""
    import onnx

    program = torch.onnx.export(
        exported_program(model),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: FACES},),
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise AssertionError("torch.onnx.export gives a program when it is given no file")
    onnx.save(_without_origin(program.model_proto), path)


def open_onnx(path: Path) -> Exported:
    """Load a written file into onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(pixels: Image) -> Vector:
        embeddings: Vector = session.run([OUTPUT], {INPUT: pixels})[0]
        return embeddings

    return run


def _without_origin(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the lines of source code that each node came from."""
    graph = model.graph
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    return model
