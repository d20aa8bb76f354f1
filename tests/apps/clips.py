"""Clips of faces that move over a background, and people who are told apart by a colour."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from facenet.config import InferenceConfig, parse_config
from facenet.recognition import Recognizer
from facenet.types import Face

RATE = 25
COLOURS = {"Red": (220, 60, 60), "Green": (60, 200, 60), "Violet": (160, 60, 220)}
_BACKDROP = 100


@dataclass(frozen=True)
class Walk:
    """A picture that moves in a straight line, from its upper left corner `start` to `end`, in
    pixels, in the frames from `first` to before `last`."""

    name: str
    pixels: np.ndarray
    start: tuple[float, float]
    end: tuple[float, float]
    first: int = 0
    last: int = 100

    def corner(self, frame: int) -> np.ndarray:
        share = (frame - self.first) / max(self.last - self.first - 1, 1)
        return np.add(self.start, share * np.subtract(self.end, self.start)).round().astype(int)

    def is_at(self, box: Sequence[float], frame: int) -> bool:
        """Whether the middle of a box lies on the picture in a frame."""
        offset = np.array([box[0] + box[2], box[1] + box[3]]) / 2 - self.corner(frame)
        return bool((offset >= 0).all() and (offset < self.pixels.shape[1::-1]).all())


def frames_of(walks: Sequence[Walk], frames: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 RGB frames of (width, height) pixels: the walks over something grey."""
    for frame in range(frames):
        canvas = Image.new("RGB", size, (_BACKDROP,) * 3)
        for walk in walks:
            if walk.first <= frame < walk.last:
                canvas.paste(Image.fromarray(walk.pixels), tuple(map(int, walk.corner(frame))))
        yield np.array(canvas)


def write_clip(path: Path, frames: Iterable[np.ndarray], rate: int = RATE) -> Path:
    """An H.264 file of the frames, of any size."""
    first, rest = itertools.tee(frames)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate, options={"preset": "ultrafast", "crf": "15"})
        stream.height, stream.width = next(first).shape[:2]
        stream.pix_fmt = "yuv444p"  # which has odd sizes too
        for number, pixels in enumerate(rest):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_clip(path: Path) -> tuple[list[np.ndarray], list[float]]:
    """The RGB frames of a file, and their times in seconds."""
    with av.open(path) as container:
        frames = list(container.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [frame.time for frame in frames]


def square(name: str, side: int = 64) -> np.ndarray:
    """The face of someone of `COLOURS`: their colour, with enough grain to pass for sharp."""
    grain = np.random.default_rng(0).integers(-40, 40, (side, side, 1))
    return np.clip(np.array(COLOURS[name]) + grain, 0, 255).astype(np.uint8)


def find_squares(images: Sequence[np.ndarray]) -> list[list[Face]]:
    """A detector of the people of `COLOURS`."""
    return [[face for c in COLOURS.values() if (face := _find(image, c))] for image in images]


def _find(image: np.ndarray, colour: tuple[int, int, int]) -> Face | None:
    near = (np.abs(_hue(image) - _hue(np.array(colour))) < 40).all(axis=-1)
    rows, columns = (np.flatnonzero(near.sum(axis=axis) > 8) for axis in (1, 0))
    if not rows.size or not columns.size:
        return None
    box = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return Face(tuple(map(float, box)), 0.9)


def _hue(pixels: np.ndarray) -> np.ndarray:
    return pixels - pixels.mean(axis=-1, keepdims=True)


class ByColour:
    """A model that tells people by their mean colour; all else is the one that it wraps."""

    def __init__(self, model: Any) -> None:
        self.card, self.embedding_dim, self.device = model.card, model.embedding_dim, model.device

    def embed(self, faces: np.ndarray, *, normalize: bool = True) -> np.ndarray:
        means = _hue(faces.reshape(len(faces), -1, 3).mean(axis=1))
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return np.pad(means, ((0, 0), (0, self.embedding_dim - 3))).astype(np.float32)


def colour_recognizer(bundle: Path, known: Iterable[str], **settings: Any) -> Recognizer:
    """A recognizer of the people of `COLOURS`, of whom some are `known`; the memory store."""
    values = {"checkpoint_path": str(bundle), "device": "cpu", "store": "memory", "quality": "off"}
    config = parse_config({**values, "threshold": 0.9, **settings}, InferenceConfig)
    made = Recognizer.from_config(config)
    recognizer = Recognizer(
        ByColour(made.model),
        find_squares,
        made._open_store,
        config=config,
        registry=made.registry,
    )
    for name in known:
        enrol(recognizer, name)
    return recognizer


def enrol(recognizer: Recognizer, name: str) -> None:
    """Enrol someone of `COLOURS`, from a photo with a dark frame."""
    recognizer.enrol(name, [np.pad(square(name), ((8, 8), (8, 8), (0, 0)))])


def by_event(log: Sequence[Mapping[str, Any]], event: str) -> list[Mapping[str, Any]]:
    """The entries of one kind."""
    return [entry for entry in log if entry["event"] == event]
