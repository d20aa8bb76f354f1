"""Images per second from JPEG files to embeddings, for every form that a model can take.

python benchmarks/inference.py [--data FOLDER] [--backbone resnet18] [--size 112]

Files are decoded and cropped by two threads, as `embed_files` does. The reference is the bare
forward of the eager network on ready tensors: nothing decoded, nothing normalised.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from timing import interleaved_medians
from torch import nn

from facenet.data import scan_folder
from facenet.data.folder import read_crop
from facenet.drawn_faces import write_faces
from facenet.exporting import FORMATS, checked_format
from facenet.exporting.images import Faces
from facenet.exporting.int8 import quantize
from facenet.exporting.pixels import PixelsToEmbeddings, to_pixels
from facenet.models import ModelCard, NetworkSpec, Preprocessing, TorchModel, build_network

ROUNDS, BATCH, IMAGES = 7, 32, 128
FLOOR = "bare forward, ready tensors"
Embed = Callable[[np.ndarray], np.ndarray]
"""From (N, 3, S, S) uint8 pixels to (N, D) float32 embeddings."""


def main() -> None:
    """Print images per second of each way and its share of the bare forward's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="Folder of <identity>/<image>; default: drawn.")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=112)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or drawn(Path(scratch, "faces"))
        paths = [sample.path for sample in scan_folder(data).samples][:IMAGES]
        model = untrained(arguments.backbone, arguments.size)
        crops = np.stack([read_crop(path, arguments.size) for path in paths])
        ways = dict(every_way(model, crops, Path(scratch)))
        cases = {FLOOR: bare(model, crops)}
        with ThreadPoolExecutor(2) as threads:
            for name, embed in ways.items():
                cases[name] = partial(from_files, paths, arguments.size, embed, threads)
            seconds = interleaved_medians(cases, rounds=ROUNDS)
    rate = {name: len(paths) / time for name, time in seconds.items()}
    lines = [f"{arguments.backbone}, {arguments.size} px, {len(paths)} images, batches of {BATCH}"]
    lines += [f"{name:34} {r:7.1f} images/s {r / rate[FLOOR]:6.2f} x" for name, r in rate.items()]
    sys.stdout.write("\n".join(lines) + "\n")


def drawn(folder: Path) -> Path:
    write_faces(folder, identities=16, samples=IMAGES // 16, size=250)
    return folder


def untrained(backbone: str, size: int) -> TorchModel:
    """Weights do not matter to speed."""
    spec = NetworkSpec(backbone=backbone, embedding_dim=512)
    network, built, full = build_network(spec, image_size=size)
    preprocessing = Preprocessing(image_size=size, mean=built.mean, std=built.std)
    return TorchModel(network, ModelCard(space="", network=full, preprocessing=preprocessing))


def every_way(model: TorchModel, crops: np.ndarray, scratch: Path) -> Iterator[tuple[str, Embed]]:
    """Name and function of each form; files are written to a folder first."""
    eager = PixelsToEmbeddings(model)
    yield "eager, contiguous", run(Contiguous(eager))
    yield "eager, channels_last (facenet)", run(eager)
    if "avx512_bf16" in Path("/proc/cpuinfo").read_text():
        yield "eager, bf16 autocast", run(eager, torch.autocast("cpu", torch.bfloat16))
    for name in ("model.ts", "model.pt2", "model.onnx"):
        path = scratch / name
        form = FORMATS[checked_format(path)]
        form.write(model, path)
        yield f"{name.partition('.')[2]}, fp32", form.open(path)
    calibration = Faces(crops[:BATCH], np.zeros(BATCH, np.int64), "")
    quantize(path, calibration, lambda _name: contextlib.nullcontext(lambda _done, _of: None))
    yield "onnx, int8", form.open(path)


class Contiguous(nn.Module):
    """The same network without the memory format that facenet gives it."""

    def __init__(self, whole: PixelsToEmbeddings) -> None:
        super().__init__()
        self.to_input = whole.to_input
        network = copy.deepcopy(whole.network).to(memory_format=torch.contiguous_format)
        self.network = nn.Sequential(network.backbone, network.head)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        inputs = self.to_input(pixels).contiguous()
        return nn.functional.normalize(self.network(inputs), dim=1)


def run(module: nn.Module, context: contextlib.AbstractContextManager | None = None) -> Embed:
    def embed(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), context or contextlib.nullcontext():
            return module(torch.from_numpy(pixels)).float().numpy()

    return embed


def bare(model: TorchModel, crops: np.ndarray) -> Callable[[], None]:
    """The network alone on normalised tensors."""
    whole = PixelsToEmbeddings(model)
    batches = [
        whole.to_input(torch.from_numpy(to_pixels(part)))
        for part in np.array_split(crops, len(crops) // BATCH)
    ]

    def forward() -> None:
        with torch.inference_mode():
            for batch in batches:
                model.network(batch)

    return forward


def from_files(
    paths: Sequence[Path], size: int, embed: Embed, threads: ThreadPoolExecutor
) -> np.ndarray:
    rows = []
    for start in range(0, len(paths), BATCH):
        crops = threads.map(partial(read_crop, image_size=size), paths[start : start + BATCH])
        rows.append(embed(to_pixels(np.stack(list(crops)))))
    return np.concatenate(rows)


if __name__ == "__main__":
    main()
