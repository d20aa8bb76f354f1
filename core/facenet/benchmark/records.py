"""What a sweep leaves on the disk, as records: its plan, how far each run is, what came of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from pydantic import Field, ValidationError

from facenet.errors import DataError
from facenet.evaluation import Estimate
from facenet.paths import write_whole
from facenet.stored import Stored
from facenet.validation import config_error

SWEEP, RUNS = "sweep.json", "runs"
"""In the folder of a sweep: its plan, and the folders of its runs."""
PROGRESS, RESULT, EMBEDDINGS = "progress.json", "run_result.json", "embeddings.npz"
"""In the folder of a run."""

Read = TypeVar("Read", bound=Stored)


class RunKey(Stored):
    """What tells the runs of a sweep apart; `name` is that of the run's folder.

    `backbone` and `miner` are named as in the configuration, with their options in brackets where
    they have any.
    """

    name: str
    backbone: str
    embedding_dim: int
    miner: str
    seed: int


class PlannedRun(Stored):
    """A run, the configuration that decides what comes of it, secrets masked, and the digest of
    its images. A run that was made with others is not this one."""

    key: RunKey
    configuration: dict[str, Any]
    data: str


class Sweep(Stored):
    """The plan of a sweep; `configuration` is the whole benchmark configuration."""

    format_version: Literal[1] = 1
    configuration: dict[str, Any]
    runs: tuple[PlannedRun, ...]


class RunProgress(Stored):
    """How far the training of a run is; `seconds` counts all sessions that worked on it, and
    `accuracy` is that of the last validation."""

    steps: int
    total_steps: int
    epoch: int
    epochs: int
    seconds: float
    accuracy: float | None = None


class Conditions(Stored):
    """With what a network was measured, and for what searches its images were embedded.

    `device` is 'cpu' or the name of a GPU, `query` the SHA-256 of the query image's file.
    """

    device: str
    batch_size: int
    image_size: int
    gallery_split: str
    query: str | None = None


class Speed(Stored):
    """What a network costs. `flops` counts the floating-point operations for one face, two for
    each multiplication with its addition; `latency_ms` is the median time of one face alone, in
    milliseconds, `throughput` the faces of a second in whole batches."""

    measured_with: Conditions
    parameters: int
    flops: int
    latency_ms: float
    throughput: float


class RunResult(Stored):
    """What came of a run: figures of people that it never saw, with 95 % intervals over people.

    `speed` and the file `embeddings.npz` come after all runs are trained; None: not yet. A run
    that failed has a `reason` and no figures. `bundle` is a path below the folder of the sweep.
    """

    format_version: Literal[1] = 1
    run: PlannedRun
    status: Literal["done", "failed"]
    reason: str | None = None
    figures: dict[str, Estimate] = Field(default_factory=dict)
    genuine_pairs: int = 0
    impostor_pairs: int = 0
    identities: int = 0
    bundle: str | None = None
    epochs: int = 0
    training_seconds: float = 0.0
    peak_memory: int = 0
    speed: Speed | None = None


class Embeddings(NamedTuple):
    """What the searches and comparisons of a run need: N images, as paths below `data.root` with
    forward slashes, the person of each, and (N, D) float32 embeddings of unit length; which of
    them are of the gallery, (N,) bool, and which of the held-out people, (N,) bool. `query` is
    the (D,) embedding of the configured query image, None without one."""

    images: list[str]
    people: list[str]
    embeddings: np.ndarray
    gallery: np.ndarray
    held_out: np.ndarray
    query: np.ndarray | None


def run_folder(output: Path, key: RunKey) -> Path:
    """Where a run of the sweep in `output` is."""
    return output / RUNS / key.name


def read_record(path: Path, kind: type[Read]) -> Read | None:
    """A record of a file, None when there is none; raises `DataError` when it is damaged."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise DataError(str(config_error(error, kind, str(path)))) from error


def write_record(path: Path, record: Stored) -> None:
    """Write a record whole or not at all; raises `FacenetError` when the disk does not take it."""
    write_whole(path, record.model_dump_json(indent=1).encode() + b"\n")


def read_embeddings(folder: Path) -> Embeddings | None:
    """The embeddings of a run, None when there are none; raises `DataError` when damaged."""
    path = folder / EMBEDDINGS
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return Embeddings(
                file["images"].tolist(),
                file["people"].tolist(),
                file["embeddings"],
                file["gallery"],
                file["held_out"],
                file["query"] if len(file["query"]) else None,
            )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def write_embeddings(folder: Path, embeddings: Embeddings) -> None:
    """Write the embeddings of a run whole or not at all; raises `FacenetError` as above."""
    content = io.BytesIO()
    query = embeddings.query
    np.savez(
        content,
        images=np.array(embeddings.images, dtype=np.str_),
        people=np.array(embeddings.people, dtype=np.str_),
        embeddings=embeddings.embeddings,
        gallery=embeddings.gallery,
        held_out=embeddings.held_out,
        query=np.empty(0, np.float32) if query is None else query,
    )
    write_whole(folder / EMBEDDINGS, content.getvalue())
