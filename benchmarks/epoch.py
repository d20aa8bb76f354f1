"""What a batch costs: the data side alone, and training against the network by itself.

python benchmarks/epoch.py [--data FOLDER]
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from PIL import Image
from timing import interleaved_medians
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from facenet.config import TrainConfig, load_config
from facenet.data import FaceDataModule, IdentityFolder, open_folder
from facenet.drawn_faces import write_faces
from facenet.training.module import TripletModule

ROUNDS = 7
WARM_UP_STEPS = 2
OURS, REFERENCE = "facenet, cached", "ImageFolder + Pillow"


def main() -> None:
    """Print both tables."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        config = _config(arguments, Path(scratch))
        start = time.perf_counter()
        whole = open_folder(config)
        _say(f"cache of {len(whole.samples)} images built in {time.perf_counter() - start:.1f} s")
        start = time.perf_counter()
        open_folder(config)
        _say(f"and opened again in {time.perf_counter() - start:.2f} s")
        folder = _part(whole, arguments.images)
        _say(f"{len(folder.samples)} images, {arguments.size} x {arguments.size} pixels")
        _data_side(config, folder)
        if arguments.steps:
            _training(config, folder, arguments.steps)


def _data_side(config: TrainConfig, folder: IdentityFolder) -> None:
    """One pass over the same number of images, through each loader."""
    data = FaceDataModule(config, folder)
    images = len(data.sampler) * config.data.images_per_batch
    loaders = {OURS: data.train_dataloader(), REFERENCE: _image_folder(data, folder, images)}
    passes = {name: _one_pass(loader, images) for name, loader in loaders.items()}
    medians = interleaved_medians(passes, rounds=ROUNDS)
    _say(f"\ndata side, {config.data.num_workers} workers, median of {ROUNDS} rounds")
    for name, seconds in medians.items():
        _say(f"{name:24} {images / seconds:8.0f} images/s")
    _say(f"{'ratio':24} {medians[REFERENCE] / medians[OURS]:8.1f}")


def _image_folder(data: FaceDataModule, folder: IdentityFolder, images: int) -> DataLoader[Any]:
    """As most training scripts do it: decode, change and collate image by image."""
    size = data.config.image_size
    changes = {
        "flip": v2.RandomHorizontalFlip(),
        "color": v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.2),
        "crop": v2.RandomResizedCrop(size, scale=(0.7, 1.0), ratio=(0.9, 1.1)),
    }
    chosen = [changes[name] for name in data.config.augmentations]
    transform = v2.Compose([_square, v2.Resize((size, size)), *chosen, v2.PILToTensor()])
    whole = ImageFolder(str(folder.root), transform=transform)
    training = {str(sample.path) for sample in data.train_set.samples}
    indices = [index for index, (path, _) in enumerate(whole.samples) if path in training]
    return DataLoader(
        Subset(whole, (indices * 2)[:images]),
        batch_size=data.config.images_per_batch,
        shuffle=True,
        num_workers=data.config.num_workers,
        persistent_workers=data.config.num_workers > 0,
    )


def _square(image: Image.Image) -> Image.Image:
    result: Image.Image = v2.functional.center_crop(image, [min(image.size)])
    return result


def _one_pass(loader: Iterable[Any], images: int) -> Any:
    def run() -> None:
        if sum(len(labels) for _, labels in loader) != images:
            raise RuntimeError("the loaders do not give the same number of images")

    return run


def _training(config: TrainConfig, folder: IdentityFolder, steps: int) -> None:
    """Images per second through Lightning, against the network on tensors that are there."""
    through: list[float] = []
    bare: list[float] = []
    for _ in range(ROUNDS):
        module = TripletModule(config)
        through.append(_seconds_through_lightning(config, module, folder, steps))
        bare.append(_seconds_bare(config, module, steps))
    images = config.data.images_per_batch
    _say(f"\ntraining, {config.model.backbone.name}, {bare_device()}, median of {ROUNDS} rounds")
    for name, seconds in (("through Lightning", through), ("the network alone", bare)):
        _say(f"{name:24} {images / statistics.median(seconds):8.1f} images/s")
    _say(f"{'ratio':24} {statistics.median(bare) / statistics.median(through):8.3f}")


class _StepTimer(lightning.Callback):
    """Seconds of a step, waiting for its data included."""

    def on_train_batch_end(self, *arguments: Any) -> None:
        index = arguments[-1]
        if index == WARM_UP_STEPS - 1:
            self.start = _now()
        elif index >= WARM_UP_STEPS:
            self.seconds = (_now() - self.start) / (index - WARM_UP_STEPS + 1)


def _seconds_through_lightning(
    config: TrainConfig, module: TripletModule, folder: IdentityFolder, steps: int
) -> float:
    data = FaceDataModule(config, folder)
    timer = _StepTimer()
    with _silence():
        trainer = lightning.Trainer(
            max_epochs=1,
            # Fewer than there are: the workers prepare batches up to the last step that counts.
            limit_train_batches=min(steps + WARM_UP_STEPS, len(data.sampler)),
            limit_val_batches=0,
            gradient_clip_val=config.trainer.gradient_clip_val,
            callbacks=[timer],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(module, data)
    return timer.seconds


def _seconds_bare(config: TrainConfig, module: TripletModule, steps: int) -> float:
    """Forward, backward and step of the same network, and nothing else."""
    device = bare_device()
    network = module.network.train().to(device)
    optimizer = torch.optim.AdamW(network.parameters())
    shape = (config.data.images_per_batch, 3, config.data.image_size, config.data.image_size)
    images = torch.randn(shape, device=device)
    gradient = torch.randn(shape[0], config.model.embedding_dim, device=device)
    start = 0.0
    for step in range(WARM_UP_STEPS + steps):
        if step == WARM_UP_STEPS:
            start = _now()
        optimizer.zero_grad()
        network(images).backward(gradient)
        optimizer.step()
    return (_now() - start) / steps


def bare_device() -> str:
    """The device that Lightning chooses, too."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _part(folder: IdentityFolder, images: int) -> IdentityFolder:
    """The identities of a folder up to about so many images."""
    chosen: set[str] = set()
    total = 0
    for identity, count in sorted(Counter(s.identity for s in folder.samples).items()):
        if total < images:
            chosen.add(identity)
            total += count
    return dataclasses.replace(folder, samples=tuple(folder.of(chosen)))


def _config(arguments: argparse.Namespace, scratch: Path) -> TrainConfig:
    """A configuration whose cache goes to `scratch`."""
    if arguments.data is None:
        write_faces(scratch / "faces", identities=50, samples=12, size=250)
    values = {
        "data": {
            "root": str((arguments.data or scratch / "faces").absolute()),
            "image_size": arguments.size,
            "num_workers": arguments.workers,
            "cache_dataset": True,
        },
        "model": {"backbone": arguments.backbone},
    }
    path = scratch / "train.yaml"
    path.write_text(yaml.safe_dump(values))
    return load_config(path, TrainConfig)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of identities; default: drawn faces")
    parser.add_argument("--images", type=int, default=6000, help="images of a pass, about")
    parser.add_argument("--size", type=int, default=112, help="side of the crops, pixels")
    parser.add_argument("--workers", type=int, default=2, help="processes of either loader")
    parser.add_argument("--backbone", default="resnet18", help="network of the training part")
    parser.add_argument("--steps", type=int, default=8, help="of a training round; 0: none")
    return parser.parse_args()


@contextmanager
def _silence() -> Iterator[None]:
    import logging
    import warnings

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
