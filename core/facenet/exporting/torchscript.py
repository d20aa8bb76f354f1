"""TorchScript: one file that `torch.jit.load` runs, from Python and from C++.

torch has deprecated it in favour of torch.export; it is kept for the runtimes that need it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from facenet.exporting.pixels import PixelsToEmbeddings, example_pixels, run_module
from facenet.models import TorchModel

if TYPE_CHECKING:
    from facenet.exporting.pixels import Exported


def write_torchscript(model: TorchModel, path: Path) -> None:
    """Trace the model and write it."""
    with torch.inference_mode(), _deprecation_known():
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            PixelsToEmbeddings(model), example_pixels(model), check_trace=False
        )
        traced.save(path)


def open_torchscript(path: Path) -> Exported:
    """Load a written file."""
    with _deprecation_known():
        return run_module(torch.jit.load(path))  # type: ignore[no-untyped-call]


@contextmanager
def _deprecation_known() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.", FutureWarning)
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
        yield
