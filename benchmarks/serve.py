"""Requests per second and latencies of `/verify`, on loopback, with wrk as the client.

python benchmarks/serve.py [--backbone resnet50 ...] [--size 112] [--seconds 8] [--rounds 3]
                           [--concurrency 1 8 32 64]

facenet is measured with one worker and with two: LitServe has two processes, one of which takes
the requests. The references serve the same network: `plain`, the same application where each
request makes two forward passes of its own; LitServe with batches of up to 32 (pip install
litserve), where it is installed; and the bare forward of the network on ready batches of 32, which
is the ceiling. Needs wrk (https://github.com/wg/wrk). Ways take turns; each figure is the median of
the rounds.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import numpy as np
from inference import BATCH, untrained

from facenet.config import load_config
from facenet.data import scan_folder
from facenet.drawn_faces import write_faces
from facenet.models import TorchModel, load_bundle, save_bundle
from facenet.models.weights import embedding_space
from facenet.recognition import Decision, Recognizer
from facenet.recognition.cropping import Crop

PHOTO, LOAD = 250, 0.8
QUEUE = 256
"""Of both ways of facenet: what wrk left behind at the end of a run must not fill it."""
FACENET, TWO, PLAIN, LITSERVE = "facenet", "2 workers", "plain", "LitServe"
WRK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open(os.getenv("BODY"))
wrk.body = file:read("*a")
local pause = tonumber(os.getenv("PAUSE") or "0")
if pause > 0 then
  function delay() return math.floor(-math.log(1 - math.random()) * pause) end
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('JSON{"requests": %d, "seconds": %f, "p50": %f, "p95": %f, "p99": %f, ' ..
    '"errors": %d}\\n', summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


class Seen(NamedTuple):
    """By the client: answers a second, and milliseconds."""

    rate: float
    p50: float
    p95: float
    p99: float


class Plain(Recognizer):
    """Each request makes its own calls, one image in each, as most services do."""

    def verify_crops(self, crop_a: Crop, crop_b: Crop, *, threshold: float | None = None) -> Any:
        first, second = (self.model.embed(crop.pixels[np.newaxis])[0] for crop in (crop_a, crop_b))
        similarity, (threshold, origin) = float(first @ second), self.threshold(threshold)
        return Decision(similarity, threshold, similarity >= threshold, origin)


def serve_plain(config: Path, port: int) -> None:
    import uvicorn

    from facenet_serve import Options
    from facenet_serve.app import make_app

    recognizer = Plain.from_config(load_config(config))
    uvicorn.run(
        make_app(recognizer, Options(port=port, queue=QUEUE)), port=port, log_level="warning"
    )


@contextlib.contextmanager
def served(way: str, config: Path) -> Iterator[str]:
    """The address of a server of this way, in a process of its own, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = {
        FACENET: ["-m", "facenet", "serve"],
        TWO: ["-m", "facenet", "serve", "--workers", "2"],
        PLAIN: [__file__, "--plain"],
        LITSERVE: [str(Path(__file__).with_name("serve_litserve.py"))],
    }[way]
    command = [sys.executable, *start, "--config", str(config), "--port", f"{port}"]
    log = config.with_suffix(".log")
    with (
        log.open("w") as file,
        subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=file, start_new_session=True
        ) as process,
    ):
        try:
            while not answers(port, config.with_name("body.json")):
                if process.poll() is not None:
                    raise SystemExit(f"{way} ended: {log.read_text()[-2000:]}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def answers(port: int, body: Path) -> bool:
    """Whether a pair is verified: LitServe takes requests long before its model is loaded."""
    url, headers = f"http://127.0.0.1:{port}/verify", {"Content-Type": "application/json"}
    try:
        urlopen(Request(url, body.read_bytes(), headers), timeout=60).close()
    except OSError:
        return False
    return True


def asked(address: str, scratch: Path, connections: int, seconds: float, pause: float = 0) -> Seen:
    """What wrk sees of so many connections, each of which asks again after its answer and, where
    there is a `pause` in milliseconds, after one of that length on average."""
    environment = {**os.environ, "BODY": str(scratch / "body.json"), "PAUSE": f"{pause}"}
    command = ["wrk", "--threads", "1", "--connections", f"{connections}", "--timeout", "60s"]
    ran = subprocess.run(
        [
            *command,
            "--duration",
            f"{seconds:g}s",
            "--script",
            str(scratch / "ask.lua"),
            f"{address}/verify",
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("JSON")]
    found = json.loads(line.removeprefix("JSON"))
    if found["errors"]:
        raise SystemExit(f"{address}: {found['errors']} requests failed: {ran.stdout}")
    return Seen(found["requests"] / found["seconds"], found["p50"], found["p95"], found["p99"])


def ceiling(bundle: Path, seconds: float) -> float:
    """Pairs a second of the bare forward on ready batches, in a process with nothing else."""
    command = [sys.executable, __file__, "--bare", str(bundle), "--seconds", f"{seconds:g}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(ran.stdout)


def bare(bundle: Path, seconds: float) -> float:
    model = load_bundle(bundle)
    size = model.card.preprocessing.image_size
    pixels = np.random.default_rng(0).integers(0, 255, (BATCH, size, size, 3), np.uint8)
    model.embed(pixels)
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        model.embed(pixels)
        done += BATCH
    return done / 2 / (time.perf_counter() - start)


def bundle_of(backbone: str, size: int, folder: Path) -> Path:
    """Of a network that has learnt nothing."""
    model = untrained(backbone, size)
    space = embedding_space(model.network.state_dict(), model.card.preprocessing)
    card = model.card.model_copy(update={"space": space})
    return save_bundle(TorchModel(model.network, card), folder / backbone)


def measure(backbone: str, given: argparse.Namespace, scratch: Path) -> None:
    bundle = bundle_of(backbone, given.size, scratch)
    config = scratch / f"{backbone}.yaml"
    config.write_text(
        f"checkpoint_path: {bundle}\ndevice: cpu\nthreshold: 0.5\nstore: memory\n"
        f"frontends: {{serve: {{queue: {QUEUE}}}}}\n"
    )
    ways = [FACENET, TWO, PLAIN, *([LITSERVE] if find_spec("litserve") else [])]
    seen: dict[tuple[str, int], list[Seen]] = {}
    tops, loaded = [], []
    for _ in range(given.rounds):
        tops.append(ceiling(bundle, given.seconds))
        for way in ways:
            with served(way, config) as address:
                asked(address, scratch, 8, 3)  # warm
                for connections in given.concurrency:
                    found = asked(address, scratch, connections, given.seconds)
                    seen.setdefault((way, connections), []).append(found)
                if way == FACENET:
                    most = seen[FACENET, 32][-1] if 32 in given.concurrency else found
                    pause = 32e3 / (LOAD * most.rate) - most.p50
                    loaded.append(asked(address, scratch, 32, 2 * given.seconds, max(pause, 1)))
    top = median(tops)
    say(f"{backbone}, {given.size} px, photos of {PHOTO} px; bare forward {top:.0f} pairs/s")
    say(
        f"{'':10}{'at once':>8}{'requests/s':>12}{'p50':>9}{'p95':>9}{'p99 ms':>9}"
        f"{'of bare':>9}{'x plain':>9}"
    )
    for connections in given.concurrency:
        for way in ways:
            rate, *times = middle(seen[way, connections])
            plain = middle(seen[PLAIN, connections]).rate
            say(
                f"{way:10}{connections:8}{rate:12.1f}"
                + "".join(f"{t:9.1f}" for t in times)
                + f"{rate / top:9.2f}{rate / plain:9.2f}"
            )
    rate, p50, p95, p99 = middle(loaded)
    say(
        f"{FACENET} at {LOAD:.0%} load ({rate:.1f} requests/s): p50 {p50:.1f}, p95 {p95:.1f}, "
        f"p99 {p99:.1f} ms, p99/p50 {p99 / p50:.2f}"
    )


def middle(found: Sequence[Seen]) -> Seen:
    return Seen(*(median(column) for column in zip(*found, strict=True)))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", nargs="+", default=["mobilenet_v3_small", "resnet50"])
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--config", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plain:
        serve_plain(given.config, given.port)
        return
    if given.bare:
        say(f"{bare(given.bare, given.seconds)}")
        return
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt install wrk, or https://github.com/wg/wrk")
    with tempfile.TemporaryDirectory(prefix="facenet-bench-") as folder:
        scratch = Path(folder)
        (scratch / "ask.lua").write_text(WRK)
        write_faces(scratch / "faces", identities=2, samples=1, size=PHOTO)
        first, second = (
            base64.b64encode(sample.path.read_bytes()).decode()
            for sample in scan_folder(scratch / "faces").samples
        )
        (scratch / "body.json").write_text(json.dumps({"image_a": first, "image_b": second}))
        for backbone in given.backbone:
            measure(backbone, given, scratch)


if __name__ == "__main__":
    main()
