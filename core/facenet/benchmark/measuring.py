"""What a trained network costs, and the embeddings that its searches need."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from facenet.benchmark.records import Conditions, Embeddings, Speed
from facenet.config import BenchmarkConfig, TrainConfig
from facenet.data import (
    FaceDataset,
    IdentityFolder,
    training_samples,
    validation_samples,
)
from facenet.data.folder import read_crop
from facenet.models import TorchModel, resolve_device
from facenet.paths import sha256_of
from facenet.training.held_out import embed_dataset

if TYPE_CHECKING:
    from facenet.types import Vector

ROUNDS, WARM_UP, LEAST_SECONDS = 15, 3, 0.5
"""Forward passes whose median counts, those before, and how long all of them last at least."""


def conditions_of(config: BenchmarkConfig) -> Conditions:
    """With what the configuration wants networks to be measured.

    Raises `DeviceError` for a device that is not here, and `ImageError` for a query image that
    cannot be read.
    """
    data, query = config.training.data, None
    if config.query_image is not None:
        read_crop(config.query_image, data.image_size)
        query = sha256_of(config.query_image)
    return Conditions(
        device=_name(resolve_device(config.device)),
        batch_size=config.inference_batch_size,
        image_size=data.image_size,
        gallery_split=config.gallery_split,
        query=query,
    )


def measure_speed(model: TorchModel, conditions: Conditions) -> Speed:
    """Time the whole way from uint8 crops in memory to embeddings on the host.

    The network is the one of recognition, with its batch normalisation folded. Nothing else
    should run on the device meanwhile.
    """
    size, batch_size = conditions.image_size, conditions.batch_size
    faces = np.random.default_rng(0).integers(0, 256, (batch_size, size, size, 3), np.uint8)
    return Speed(
        measured_with=conditions,
        parameters=sum(each.numel() for each in model.network.parameters()),
        flops=_flops(model, size),
        latency_ms=1000 * _seconds(lambda: model.embed(faces[:1])),
        throughput=batch_size / _seconds(lambda: model.embed(faces)),
    )


def embed_images(
    model: TorchModel,
    config: TrainConfig,
    folder: IdentityFolder,
    gallery_split: str,
    query: Path | None,
) -> Embeddings:
    """Embed the held-out images of a run, those of its gallery, and the query image.

    Raises `ImageError` when the query image cannot be read.
    """
    held_out = validation_samples(config, folder)
    trained = training_samples(config, folder) if gallery_split in ("train", "all") else []
    samples = [*held_out, *trained]
    own = np.arange(len(samples)) < len(held_out)
    size = model.card.preprocessing.image_size
    dataset = FaceDataset(samples, size, crops=folder.crops)
    return Embeddings(
        images=[sample.path.relative_to(folder.root).as_posix() for sample in samples],
        people=[sample.identity for sample in samples],
        embeddings=embed_dataset(model, dataset, config.data.images_per_batch),
        gallery=~own if gallery_split == "train" else np.ones(len(samples), bool),
        held_out=own,
        query=None if query is None else model.embed(read_crop(query, size)[None])[0],
    )


def _name(device: torch.device) -> str:
    """'cpu', or which GPU it is."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _flops(model: TorchModel, size: int) -> int:
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        model.network(torch.zeros(1, 3, size, size, device=model.device))
    return int(counter.get_total_flops())


def _seconds(embed: Callable[[], Vector]) -> float:
    """The median time of a call, whose answer is on the host when it returns."""
    for _ in range(WARM_UP):
        embed()
    times: list[float] = []
    while len(times) < ROUNDS or sum(times) < LEAST_SECONDS:
        begun = time.perf_counter()
        embed()
        times.append(time.perf_counter() - begun)
    return median(times)
