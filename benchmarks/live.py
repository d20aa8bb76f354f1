"""Frames per second, and latency, of names on the faces of a video.

python benchmarks/live.py [--photos FOLDER] [--weights FILE] [--backbone mobilenet_v3_small]

The reference is the loop that most people write: it finds, embeds and looks up every face in every
frame. It runs a second time with one thread of torch: where cores are few, several that wait for
each other are slower. All ways have YuNet, the same network and gallery (the memory store), and
draw alike.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import torch
from inference import drawn, untrained
from PIL import Image
from timing import interleaved_medians

from facenet.config import InferenceConfig
from facenet.data import scan_folder
from facenet.errors import ModelError
from facenet.imaging.drawing import draw_faces
from facenet.plugins import Registry
from facenet.recognition import Recognizer
from facenet.recognition.pictures import who
from facenet_live import Options
from facenet_live.events import EventLog
from facenet_live.feed import Feed, Frame
from facenet_live.lookups import Lookups
from facenet_live.status import Meter
from facenet_live.watcher import Named, Watcher

ROUNDS, SECONDS, RATE, WIDTH, HEIGHT = 7, 2, 30, 640, 480
CROWDS, COLUMNS, SIDE = (1, 3, 8), 4, 140
STRANGERS = 1000
"""Random embeddings in the gallery, beside the people of the clip."""
NAIVE = "every face in every frame"
Way = Callable[[ExitStack], Callable[[Frame], Sequence[Named]]]
"""From what it may open to what names the faces of one frame after the other."""


def main() -> None:
    """Print two lines for each number of faces and each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="Folder of <identity>/<image>; default: drawn.")
    parser.add_argument("--weights", type=Path, help="YuNet; default: the known weights.")
    parser.add_argument("--backbone", default="mobilenet_v3_small")
    arguments = parser.parse_args()
    try:
        recognizer = make_recognizer(arguments.backbone, arguments.weights)
    except ModelError as error:
        sys.stdout.write(f"skipped: {error}\n")
        return
    with tempfile.TemporaryDirectory() as scratch:
        photos = scan_folder(arguments.photos or drawn(Path(scratch, "faces"))).samples
        paths = {photo.identity: photo.path for photo in photos}
        people = [tile(path) for path in list(paths.values())[: max(CROWDS)]]
        enrol(recognizer, people)
        ways = {
            NAIVE: partial(naive, recognizer, None),
            "the same, one thread of torch": partial(naive, recognizer, 1),
            "facenet, detect_every 1": partial(watching, recognizer, 1),
            "facenet, detect_every 3": partial(watching, recognizer, 3),
        }
        for crowd in CROWDS:
            frames = list(clip(people[:crowd]))
            path = write(Path(scratch, "clip.mp4"), frames)
            sys.stdout.write(f"{crowd} faces, {arguments.backbone}, {ROUNDS} rounds\n")
            sys.stdout.writelines(throughput(ways, frames))
            sys.stdout.writelines(latency(ways, path))


def make_recognizer(backbone: str, weights: Path | None) -> Recognizer:
    registry, model = Registry(), untrained(backbone, 112)
    options = {"weights": weights} if weights else {}
    detector = registry.load("detector", "yunet").make_from(options, device="cpu")
    store = registry.load("store", "memory").make_from(
        {}, embedding_dim=model.embedding_dim, space=""
    )
    config = InferenceConfig(checkpoint_path=Path("none"), quality="off")
    return Recognizer(model, detector, lambda: store, config=config, registry=registry)


def tile(path: Path) -> Image.Image:
    """The middle of a photo of a face, as LFW has them and the drawn ones are."""
    photo = Image.open(path).convert("RGB")
    margin = photo.width // 6
    return photo.crop((margin, margin, photo.width - margin, photo.height - margin))


def enrol(recognizer: Recognizer, people: Sequence[Image.Image]) -> None:
    rng = np.random.default_rng(0)
    for number in range(STRANGERS):
        vector = rng.normal(size=(1, recognizer.model.embedding_dim)).astype(np.float32)
        recognizer.store.enrol(f"stranger {number}", vector)
    for number, face in enumerate(people):
        recognizer.enrol(f"person {number}", [face.resize((SIDE, SIDE))])


def clip(people: Sequence[Image.Image]) -> Iterator[np.ndarray]:
    """Faces that sway and come nearer, each in a place of its own."""
    rng = np.random.default_rng(0)
    backdrop = rng.integers(110, 130, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for frame in range(SECONDS * RATE):
        canvas = Image.fromarray(backdrop)
        for place, face in enumerate(people):
            angle = 2 * math.pi * frame / RATE / 3 + place
            side = round(SIDE * (0.95 + 0.05 * math.cos(angle)))
            row, column = divmod(place, COLUMNS)
            x, y = column * WIDTH / COLUMNS + 10, row * HEIGHT / 2 + 50
            corner = round(x + 10 * math.sin(angle)), round(y + 40 * math.sin(angle))
            canvas.paste(face.resize((side, side)), corner)
        yield np.array(canvas)


def write(path: Path, frames: Sequence[np.ndarray]) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def naive(
    recognizer: Recognizer, threads: int | None, opened: ExitStack
) -> Callable[[Frame], Sequence[Named]]:
    if threads:
        opened.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(threads)

    def see(frame: Frame) -> list[Named]:
        photo = recognizer.pipeline.open(frame.pixels)
        faces = recognizer.pipeline.faces(photo)
        crops = [recognizer.pipeline.crop(photo, face, len(faces)) for face in faces]
        found = recognizer.search_crops(crops) if crops else []
        return [
            Named(replace(result.face, landmarks=None), who(result), known=False)
            for result in found
        ]

    return see


def watching(
    recognizer: Recognizer, every: int, opened: ExitStack
) -> Callable[[Frame], Sequence[Named]]:
    options = Options(detect_every=every)
    lookups = opened.enter_context(Lookups(recognizer, options))
    return Watcher(recognizer, options, lookups, EventLog(None)).see


def draw(frame: Frame, seen: Sequence[Named]) -> None:
    faces = [named.face for named in seen]
    draw_faces(
        frame.pixels, faces, [named.label for named in seen], [named.known for named in seen]
    )


def throughput(ways: dict[str, Way], frames: Sequence[np.ndarray]) -> Iterator[str]:
    """Frames per second of frames that are there."""

    def run(way: Way) -> None:
        with ExitStack() as opened:
            see = way(opened)
            for number, pixels in enumerate(frames):
                frame = Frame(number, number / RATE, 0.0, pixels)
                draw(frame, see(frame))

    cases = {name: partial(run, way) for name, way in ways.items()}
    seconds = interleaved_medians(cases, rounds=ROUNDS)
    for name, time in seconds.items():
        ratio = seconds[NAIVE] / time
        yield f"{name:30} {len(frames) / time:7.1f} frames/s {ratio:6.2f} x\n"


def latency(ways: dict[str, Way], path: Path) -> Iterator[str]:
    """Milliseconds from a frame's arrival until it is drawn, of a file played at its own pace."""
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            with ExitStack() as opened:
                see, meter = way(opened), Meter()
                feed = opened.enter_context(Feed(str(path), paced=True, reconnect=0))
                for frame in filter(None, feed):
                    draw(frame, see(frame))
                    meter.passed(frame)
                measured[name].append((meter.latency, feed.dropped))
    for name, rounds in measured.items():
        late, dropped = (statistics.median(column) for column in zip(*rounds, strict=True))
        frames = late * RATE / 1000
        yield f"{name:30} {late:7.1f} ms = {frames:4.2f} frames late, {dropped:.0f} dropped\n"


if __name__ == "__main__":
    main()
