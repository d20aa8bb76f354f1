"""torch.export: a graph and its weights in one file, for torch alone."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from facenet.exporting.pixels import FACES, PixelsToEmbeddings, example_pixels, run_module
from facenet.models import TorchModel

if TYPE_CHECKING:
    from facenet.exporting.pixels import Exported


def write_torch_export(model: TorchModel, path: Path) -> None:
    """Write the program of a model."""
    with warnings.catch_warnings():
        # Where batch normalisation shares storage; it concerns weights that are not on a CPU.
        warnings.filterwarnings("ignore", "No complete tensor found in the group", UserWarning)
        torch.export.save(exported_program(model), path)


def exported_program(model: TorchModel) -> torch.export.ExportedProgram:
    """The graph of a model for any number of faces."""
    faces = torch.export.Dim(FACES, min=1)
    program = torch.export.export(
        PixelsToEmbeddings(model), (example_pixels(model),), dynamic_shapes=({0: faces},)
    )
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                # It names files of the machine that wrote it.
                node.meta.pop("stack_trace", None)
    return program


def open_torch_export(path: Path) -> Exported:
    """Load a written file."""
    return run_module(torch.export.load(path).module())
