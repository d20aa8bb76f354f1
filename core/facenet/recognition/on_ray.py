"""Images embedded by processes on one machine or many, which Ray starts: an `Engine`."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import ray
import torch
from ray._private import worker as ray_worker
from ray.exceptions import RayActorError, RayTaskError

from facenet.config import InferenceConfig
from facenet.errors import FacenetError, ImageError, RequestError
from facenet.imaging import ImageSource
from facenet.plugins import Registry
from facenet.recognition.ahead import map_ahead
from facenet.recognition.assembly import assemble
from facenet.recognition.bulk import (
    Batch,
    Choice,
    Outcome,
    Source,
    batches_of,
    crop_batch,
    crops_of,
    every_face,
)
from facenet.recognition.cropping import Crop
from facenet.recognition.pipeline import Pipeline
from facenet.text import first_line

if TYPE_CHECKING:
    from facenet.types import Vector

logger = logging.getLogger(__name__)

_ATTEMPTS = 3
"""So many workers may die over the same images."""
_SECONDS_TO_CONNECT, _SECONDS_TO_NOTICE = 10, 0.2
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to the makers of Ray
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray announces a change of its defaults
}


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """A cluster of Ray by its address; None: one of this machine alone, gone at the end.

    Raises `RequestError` for an address where none can be used.
    """
    os.environ.update(_QUIET)
    # No option keeps Ray from printing that a worker died, which is said here in a line.
    ray_worker.print_to_stdstream = _say_nothing
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            ray.init("local", include_dashboard=False, **quiet)
        else:
            _check_that_something_listens(address)
            ray.init(address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        where = "--engine ray" if address is None else f"--address {address}"
        raise RequestError(f"{where}: no Ray can be used: {first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _say_nothing(*_: Any, **__: Any) -> None: ...


def _check_that_something_listens(address: str) -> None:
    """Ray itself tries for minutes; raises `OSError`."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_CONNECT).close()


def embed_on_ray(
    pipeline: Pipeline,
    images: Iterable[Source],
    *,
    choose: Choice = every_face,
    normalize: bool | None = None,
) -> Generator[Batch[Source], None, None]:
    """As `embed_batches`, by workers that load model and detector for themselves.

    Files, and the current folder, have the same paths on all machines. What a worker had at work
    when it died is done by another. Raises `FacenetError` when several die over the same images,
    and what a worker raises.
    """
    workers = _Workers(pipeline.config)
    ahead = 2 * workers.count

    def crop(sources: list[Source]) -> list[Outcome]:
        return workers.crop(sources)

    def embed(batch: tuple[list[Source], list[Outcome], list[int]]) -> Vector:
        crops = crops_of(batch[1], batch[2])
        return workers.embed(crops, normalize) if crops else pipeline.embed(crops)

    def chosen() -> Iterator[tuple[list[Source], list[Outcome], list[int]]]:
        for sources, outcomes in cropped:
            yield sources, outcomes, choose(sources, outcomes)

    waiting = batches_of(images, pipeline.config.batch_size)
    with (
        closing(map_ahead(crop, waiting, workers.count, ahead)) as cropped,
        closing(map_ahead(embed, chosen(), workers.count, ahead)) as embedded,
        workers,
    ):
        for (sources, outcomes, rows), embeddings in embedded:
            now = choose(sources, outcomes)
            if now != rows:  # a batch before had some of these faces too
                embeddings = embed((sources, outcomes, now))
            yield Batch(sources, outcomes, now, embeddings)


class _Workers:
    """As many workers as the machines of Ray have room for; each does one thing at a time.

    On CPUs each has as many as this process has threads for the network: it computes with as many,
    since the last bits depend on their number.
    """

    def __init__(self, config: InferenceConfig) -> None:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        gpus = [int(machine.get("GPU", 0)) for machine in machines]
        on_gpus = any(gpus) and config.device in ("auto", "cuda")
        cpus = max(1, config.num_workers) if on_gpus else torch.get_num_threads()
        room = [int(machine.get("CPU", 0) // cpus) for machine in machines]
        self.count = sum(map(min, room, gpus) if on_gpus else room)
        if not self.count:
            raise RequestError(
                f"--engine ray: a worker needs {cpus} CPUs, and no machine has them"
                + (" and a GPU: lower num_workers" if on_gpus else ": set OMP_NUM_THREADS lower")
            )
        logger.info("ray: %d workers of %d CPUs", self.count, cpus)
        actor = ray.remote(num_cpus=cpus, num_gpus=int(on_gpus))(_Worker)
        self._new: Callable[[], Any] = lambda: actor.remote(config, Path.cwd(), cpus)
        self._idle: SimpleQueue[Any] = SimpleQueue()
        self._stopped = False
        self._said: set[str] = set()
        self._starting = [self._start() for _ in range(self.count)]

    def crop(self, sources: Sequence[ImageSource]) -> list[Outcome]:
        """What came of some images."""
        done: _Cropped = self._call(str(sources[0]), "crop", sources)
        for path in done.missing:
            if path.exists():
                raise RequestError(f"{path}: {_not_there(done.machine)}")
        for text in done.warnings:
            if text not in self._said:
                self._said.add(text)
                logger.warning(text)
        return done.outcomes

    def embed(self, crops: list[Crop], normalize: bool | None) -> Vector:
        """(N, D) float32 embeddings of N aligned faces."""
        embeddings: Vector = self._call(crops[0].source, "embed", crops, normalize)
        return embeddings.copy()  # else it is kept in the memory that all processes share

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        self._idle.put(FacenetError("the workers of Ray were stopped"))
        for starting in self._starting:
            starting.join()

    def _call(self, first: str, method: str, *arguments: Any) -> Any:
        for _ in range(_ATTEMPTS):
            worker = self._idle.get()
            if isinstance(worker, BaseException):
                self._idle.put(worker)  # for the next who waits
                raise worker
            try:
                answer = ray.get(getattr(worker, method).remote(*arguments))
            except RayActorError:
                logger.warning("a worker of Ray died; another does its work")
                self._starting.append(self._start())
                continue
            except RayTaskError as error:
                raise error.cause from error
            self._idle.put(worker)
            return answer
        raise FacenetError(
            f"{first} and the images after it: {_ATTEMPTS} workers of Ray died over them; of too "
            "little memory? A smaller batch_size needs less"
        )

    def _start(self) -> threading.Thread:
        starting = threading.Thread(target=self._add, daemon=True)
        starting.start()
        return starting

    def _add(self) -> None:
        """Let a worker load, and call it idle; what is wrong is for whoever wants one to raise."""
        for _ in range(_ATTEMPTS):
            worker = self._new()
            try:
                opened = worker.open.remote()
                while not ray.wait([opened], timeout=_SECONDS_TO_NOTICE)[0]:
                    if self._stopped:
                        return
                ray.get(opened)
            except RayActorError:
                continue
            except RayTaskError as error:
                self._idle.put(error.cause)
            else:
                self._idle.put(worker)
            return
        self._idle.put(
            FacenetError(f"{_ATTEMPTS} workers of Ray died while they loaded: too little memory?")
        )


def _not_there(machine: str) -> str:
    return (
        f"is not on {machine}, a machine of Ray: all need the images, the model and the current "
        "folder at the same paths"
    )


@dataclass(frozen=True, slots=True)
class _Cropped:
    """What came of some images on a `machine`: files that it does not have are `missing`."""

    outcomes: list[Outcome]
    machine: str
    missing: list[Path]
    warnings: list[str]


class _Worker:
    """A process of Ray that has model and detector; it knows no store."""

    def __init__(self, config: InferenceConfig, folder: Path, threads: int) -> None:
        self._config, self._folder, self._threads = config, folder, threads
        self._warnings = _Warnings()
        logging.getLogger("facenet").addHandler(self._warnings)

    def open(self) -> None:
        """Load; by itself, since Ray passes on no error of `__init__`."""
        try:
            os.chdir(self._folder)
        except OSError as error:
            raise RequestError(f"{self._folder}: {_not_there(socket.gethostname())}") from error
        torch.set_num_threads(self._threads)
        model, detector, _ = assemble(self._config, Registry())
        self._pipeline = Pipeline(model, detector, self._config)

    def crop(self, sources: Sequence[ImageSource]) -> _Cropped:
        found = crop_batch(self._pipeline, sources)
        return _Cropped(
            outcomes=[outcome for _, outcome in found],
            machine=socket.gethostname(),
            missing=[
                source
                for source, outcome in found
                if isinstance(outcome, ImageError)
                and isinstance(source, Path)
                and not source.exists()
            ],
            warnings=self._warnings.taken(),
        )

    def embed(self, crops: Sequence[Crop], normalize: bool | None) -> Vector:
        return self._pipeline.embed(crops, normalize=normalize)


class _Warnings(logging.Handler):
    """Keeps what is warned of, for the terminal of whoever started the run."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.append(record.getMessage())

    def taken(self) -> list[str]:
        texts, self._texts = self._texts, []
        return texts
