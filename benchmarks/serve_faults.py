"""Minutes of mixed load on the service, while its gallery is restarted and a worker is killed.

python benchmarks/serve_faults.py [--minutes 10] [--clients 6] [--pause 0.2] [--backbone NAME]

Two workers over an embedded PostgreSQL; of the requests 6 in 10 verify, 2 search, 1 enrols someone
new and 1 asks for someone who was enrolled. PostgreSQL is stopped, all its processes at once, after
a third and after two thirds of the time, and one worker is killed at half time. At the end every
enrolment that was acknowledged must be found. Exit code 1 when one is not, when a request failed
otherwise than with 503 or a lost connection, or when requests failed long after a fault.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from serve import bundle_of, say

from facenet.data import scan_folder
from facenet.drawn_faces import write_faces

RECOVERY = 30.0
"""Seconds after a fault in which requests may fail."""


@dataclass
class Journal:
    """What the clients were answered, and when something was broken."""

    start: float
    acknowledged: list[str] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)
    faults: list[tuple[float, str]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    def now(self) -> float:
        return time.monotonic() - self.start

    def failed(self, why: str) -> None:
        self.failures.append((self.now(), why))

    def failed_after(self, at: float, ends: float) -> list[float]:
        return [when - at for when, _ in self.failures if at <= when < ends]


class Client(threading.Thread):
    """Asks, waits a little, and asks again."""

    def __init__(
        self, number: int, address: str, photos: list[bytes], journal: Journal, pause: float
    ) -> None:
        super().__init__()
        self._random = random.Random(number)
        self._name = f"client {number}"
        self._address = address
        self._photos = photos
        self._journal = journal
        self._pause = pause
        self.ends = threading.Event()

    def run(self) -> None:
        enrolled = 0
        with httpx.Client(base_url=self._address, timeout=60) as http:
            while not self.ends.wait(self._pause * 2 * self._random.random()):
                one, other = self._random.sample(self._photos, 2)
                kind = self._random.choices(["verify", "search", "enrol", "get"], [6, 2, 1, 1])[0]
                name = f"{self._name}, {enrolled}"
                try:
                    if kind == "verify":
                        answer = http.post("/verify", files={"image_a": one, "image_b": other})
                    elif kind == "search":
                        answer = http.post("/v1/search", files={"image": one})
                    elif kind == "enrol":
                        answer = http.post(
                            "/v1/identities", data={"identity": name}, files={"images": one}
                        )
                    elif self._journal.acknowledged:
                        known = self._random.choice(self._journal.acknowledged)
                        answer = http.get(f"/v1/identities/{known}")
                    else:
                        continue
                except httpx.HTTPError as error:
                    self._journal.failed(type(error).__name__)
                    continue
                if not answer.is_success:
                    self._journal.failed(f"{kind}: {answer.status_code}")
                    continue
                self._journal.answers[kind] += 1
                if kind == "enrol":
                    self._journal.acknowledged.append(name)
                    enrolled += 1


def serve(config: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    command = [sys.executable, "-m", "facenet", "serve", "--config", str(config), "--port", "0"]
    with log.open("wb") as file:
        process = subprocess.Popen([*command, "--workers", "2"], stderr=file)
    while not (found := re.search(r"http://\S+", log.read_text())):
        if process.poll() is not None:
            raise SystemExit(log.read_text())
        time.sleep(0.1)
    while True:
        try:
            httpx.get(f"{found[0]}/readyz", timeout=60).raise_for_status()
            return process, found[0]
        except httpx.HTTPError:
            time.sleep(0.5)


def stop_postgres(folder: Path) -> None:
    postmaster = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
    for process in [postmaster, *postmaster.children(recursive=True)]:
        process.kill()


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def mebibytes(process: subprocess.Popen[bytes]) -> float:
    return sum(worker.memory_info().rss for worker in workers(process)) / 2**20


def run(given: argparse.Namespace, scratch: Path) -> bool:
    write_faces(scratch / "faces", identities=12, samples=2, size=250)
    photos = [sample.path.read_bytes() for sample in scan_folder(scratch / "faces").samples]
    postgres = scratch / "postgres"
    config = scratch / "inference.yaml"
    config.write_text(
        f"checkpoint_path: {bundle_of(given.backbone, 112, scratch)}\ndevice: cpu\n"
        f"threshold: 0.5\nquality: 'off'\nstore: {{plugin: pgvector, data_dir: {postgres}}}\n"
    )
    process, address = serve(config, scratch / "serve.log")
    seconds = 60 * given.minutes
    journal = Journal(time.monotonic())
    clients = [
        Client(number, address, photos, journal, given.pause) for number in range(given.clients)
    ]
    for client in clients:
        client.start()
    breaks = {
        1 / 3: ("PostgreSQL killed", lambda: stop_postgres(postgres)),
        1 / 2: ("a worker killed", lambda: os.kill(workers(process)[0].pid, signal.SIGKILL)),
        2 / 3: ("PostgreSQL killed again", lambda: stop_postgres(postgres)),
    }
    warm = 0.0
    for share, (name, harm) in breaks.items():
        time.sleep(max(0, share * seconds - RECOVERY - journal.now()))
        warm = warm or mebibytes(process)
        time.sleep(max(0, share * seconds - journal.now()))
        harm()
        journal.faults.append((journal.now(), name))
        say(f"{journal.now():6.0f} s: {name}, {journal.answers.total()} answers so far")
    time.sleep(max(0, seconds - journal.now()))
    for client in clients:
        client.ends.set()
    for client in clients:
        client.join()
    grown = mebibytes(process) - warm
    with httpx.Client(base_url=address, timeout=60) as http:
        lost = [
            name
            for name in journal.acknowledged
            if http.get(f"/v1/identities/{name}").status_code != 200
        ]
    process.terminate()
    say(f"ended with {process.wait(60)}")
    return report(journal, seconds, lost, warm, grown)


def report(journal: Journal, seconds: float, lost: list[str], warm: float, grown: float) -> bool:
    answers, failures = journal.answers.total(), len(journal.failures)
    say(f"{answers} answers in {seconds:.0f} s: {dict(journal.answers)}")
    say(f"{failures} failures: {dict(Counter(why for _, why in journal.failures))}")
    ends = [*(at for at, _ in journal.faults[1:]), seconds + 60]
    late = journal.failed_after(0, journal.faults[0][0])
    for (at, name), until in zip(journal.faults, ends, strict=True):
        after = journal.failed_after(at, until)
        last = f"the last {max(after):.1f} s after" if after else "none"
        say(f"{name:26}{len(after):5} failures, {last}")
        late += [when for when in after if when > RECOVERY]
    say(f"{len(journal.acknowledged)} enrolments acknowledged, {len(lost)} lost")
    say(f"memory of the workers: {warm:.0f} MiB before the faults, {grown:+.0f} MiB at the end")
    odd = [why for _, why in journal.failures if ": " in why and not why.endswith("503")]
    return not (lost or late or odd)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--pause", type=float, default=0.2, help="Seconds between two requests.")
    parser.add_argument("--backbone", default="mobilenet_v3_small")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(
        prefix="facenet-faults-", ignore_cleanup_errors=True
    ) as folder:
        sys.exit(0 if run(given, Path(folder)) else 1)


if __name__ == "__main__":
    main()
