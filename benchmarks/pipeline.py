"""Images per second from JPEG bytes to embeddings, and what a large photo costs.

python benchmarks/pipeline.py [--data FOLDER] [--backbone mobilenet_v3_small] [--size 112]
                              [--bundle FOLDER]

The references are the loop that most people write (Pillow, torchvision's transforms, the network,
one image at a time) and the bare forward of the network on ready tensors. `--bundle` names a
trained model for the check that cheap decoding does not move its embeddings.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from inference import BATCH, ROUNDS, bare, drawn, untrained
from PIL import Image
from timing import interleaved_medians
from torchvision.transforms import v2

from facenet.config import InferenceConfig
from facenet.data import scan_folder
from facenet.imaging import align, centre_square, decode, open_photo
from facenet.models import EmbeddingModel, TorchModel, load_bundle
from facenet.plugins import Registry
from facenet.recognition.bulk import embed_batches
from facenet.recognition.pipeline import Pipeline

IMAGES = 256
NAIVE, FLOOR, OURS = "one by one: Pillow, transforms, network", "bare forward", "facenet"
LARGE = (4000, 3000)


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="Folder of <identity>/<image>; default: drawn.")
    parser.add_argument("--backbone", default="mobilenet_v3_small")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--bundle", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = arguments.data or drawn(Path(scratch, "faces"))
        photos = [sample.path.read_bytes() for sample in scan_folder(data).samples[:IMAGES]]
    model = untrained(arguments.backbone, arguments.size)
    lines = [f"{arguments.backbone}, {arguments.size} px, {len(photos)} JPEGs, {ROUNDS} rounds"]
    lines += throughput(model, photos)
    lines += large_photo(photos[0], arguments.size)
    if arguments.bundle:
        lines += agreement(load_bundle(arguments.bundle), photos)
    sys.stdout.write("\n".join(lines) + "\n")


def throughput(model: TorchModel, photos: list[bytes]) -> list[str]:
    """Images per second of each way, and the share of each stage of ours."""
    pipeline = pipeline_of(model)
    size = model.card.preprocessing.image_size
    crops = [pipeline.best_crop(photo) for photo in photos]
    ready = np.stack([crop.pixels for crop in crops])
    cases: dict[str, Callable[[], object]] = {
        NAIVE: naive_loop(model, photos),
        FLOOR: bare(model, ready),
        OURS: lambda: list(embed_batches(pipeline, photos)),
        "  decode": lambda: [open_photo(photo).at(size / 250) for photo in photos],
        "  decode, detect, align": lambda: [pipeline.best_crop(photo) for photo in photos],
        "  embed": lambda: [
            model.embed(ready[start : start + BATCH]) for start in range(0, len(ready), BATCH)
        ],
    }
    seconds = interleaved_medians(cases, rounds=ROUNDS)
    rate = {name: len(photos) / time for name, time in seconds.items()}
    return [
        f"{name:42} {r:8.1f} images/s {r / rate[NAIVE]:6.2f} x naive {r / rate[FLOOR]:6.2f} x bare"
        for name, r in rate.items()
    ]


def pipeline_of(model: EmbeddingModel) -> Pipeline:
    """Whole photos are the faces: what is timed is ours, not a detector."""
    config = InferenceConfig(checkpoint_path=Path("none"), batch_size=BATCH)
    detector = Registry().load("detector", "whole_image").make_from({}, device="cpu")
    return Pipeline(model, detector, config)


def naive_loop(model: TorchModel, photos: list[bytes]) -> Callable[[], None]:
    preprocessing = model.card.preprocessing
    transform = v2.Compose(
        [
            v2.Resize(preprocessing.image_size),
            v2.CenterCrop(preprocessing.image_size),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(preprocessing.mean), list(preprocessing.std)),
        ]
    )

    def loop() -> None:
        for photo in photos:
            image = Image.open(io.BytesIO(photo)).convert("RGB")
            with torch.no_grad():
                model.network(transform(image)[None])

    return loop


def large_photo(photo: bytes, size: int) -> list[str]:
    """A photo of 12 megapixels to the pixels that a network sees."""
    buffer = io.BytesIO()
    Image.fromarray(decode(photo)).resize(LARGE).save(buffer, "JPEG", quality=92)
    encoded = buffer.getvalue()

    def plain() -> np.ndarray:
        image = Image.open(io.BytesIO(encoded)).convert("RGB")
        side = min(image.size)
        return np.asarray(
            image.crop((0, 0, side, side)).resize((size, size), Image.Resampling.BILINEAR)
        )

    seconds = interleaved_medians(
        {"plain Pillow": plain, OURS: lambda: centre_square(open_photo(encoded), size)},
        rounds=ROUNDS,
    )
    return [
        f"12-megapixel JPEG to {size} px, {name:14} {1000 * time:7.1f} ms "
        f"{seconds['plain Pillow'] / time:6.2f} x"
        for name, time in seconds.items()
    ]


def agreement(model: EmbeddingModel, photos: list[bytes]) -> list[str]:
    """Cosine of embeddings from photos decoded small and from the same photos decoded whole."""
    size, alignment = model.card.preprocessing.image_size, model.card.preprocessing.alignment
    detector = Registry().load("detector", "yunet").make_from({}, device="cpu")
    pairs = []
    for photo in photos:
        buffer = io.BytesIO()
        Image.fromarray(decode(photo)).resize((1000, 1000)).save(buffer, "JPEG", quality=92)
        small, whole = open_photo(buffer.getvalue()), open_photo(decode(buffer.getvalue()))
        for face in detector([whole.at(1).pixels])[0][:1]:
            pairs.append([align(source, face, alignment, size) for source in (small, whole)])
    first, second = (model.embed(np.stack(crops)) for crops in zip(*pairs, strict=True))
    cosines = np.einsum("nd,nd->n", first, second)
    return [f"cosine with embeddings of whole photos: lowest {cosines.min():.5f} of {len(pairs)}"]


if __name__ == "__main__":
    main()
