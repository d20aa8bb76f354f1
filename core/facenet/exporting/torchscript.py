"""TorchScript: one file that `torch.jit.load` runs without facenet.

torch has deprecated TorchScript in favour of torch.export; it is kept for runtimes that need it.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import torch
from torch import nn
from torchvision.transforms import v2

from facenet.errors import FacenetError, RequestError
from facenet.models import TorchModel
from facenet.models.torch_model import pixel_transform
from facenet.paths import checked_output_file

SUFFIXES = (".ts", ".pt")
MIN_PARITY = 0.9999
"""Lowest cosine similarity between an export's embedding and the eager one, in fp32."""


class _WithPreprocessing(nn.Module):
    """Pixels 0..255 in, unit embeddings out: a user of the file has nothing to get wrong."""

    def __init__(self, network: nn.Module, to_input: v2.Compose) -> None:
        super().__init__()
        self.network = network
        self.to_input = to_input

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        embeddings: torch.Tensor = self.network(self.to_input(pixels))
        return embeddings


def export_torchscript(model: TorchModel, path: Path) -> float:
    """Write a TorchScript file; return its parity, the lowest cosine to the eager embeddings.

    The file maps (N, 3, S, S) uint8 RGB to (N, D) float32 of unit length, preprocessing included.
    `path` must end in .ts or .pt, so that no other file is replaced by mistake (`RequestError`).
    It appears under its name only when its parity is at least `MIN_PARITY`; otherwise
    `FacenetError` is raised.
    """
    if path.suffix not in SUFFIXES:
        raise RequestError(f"{path}: a TorchScript file must end in {' or '.join(SUFFIXES)}")
    size = model.card.preprocessing.image_size
    module = _WithPreprocessing(model.network, pixel_transform(model.card.preprocessing)).eval()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (8, 3, size, size), dtype=torch.uint8, generator=generator)
    checked_output_file(path).parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    partial = path.with_name(f".{path.name}.partial")
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                module, pixels[:2].to(model.device), check_trace=False
            )
            torch.jit.save(traced, buffer)
            partial.write_bytes(buffer.getvalue())
            loaded = torch.jit.load(partial, map_location=model.device)  # type: ignore[no-untyped-call]
            exported = loaded(pixels.to(model.device))
            eager = module(pixels.to(model.device))
        parity = float((exported * eager).sum(dim=1).min())
        if parity < MIN_PARITY:
            raise FacenetError(f"{path}: the export differs from the model, cosine {parity:.6f}")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return parity
