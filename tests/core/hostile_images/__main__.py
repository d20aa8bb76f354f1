"""GROUP FOLDER: write a group of the corpus to a folder, decode each file, print JSON lines.

Each file is decoded in a process of its own, whose memory is measured above what it takes idle, and
which is ended after 20 seconds.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from facenet.errors import ImageError
from facenet.imaging import decode

HANGS_AFTER = 20.0


def main(group: str, folder: Path) -> None:
    # Made in a process of its own, so that what is measured has not held them.
    writer = os.fork()
    if not writer:
        _leave(lambda: _write(group, folder))
    if os.waitpid(writer, 0)[1]:
        sys.exit("the corpus cannot be written")
    for line in (folder / "expected.json").read_text().splitlines():
        sys.stdout.write(json.dumps(_measured(folder, json.loads(line))) + "\n")
        sys.stdout.flush()


def _write(group: str, folder: Path) -> None:
    with (folder / "expected.json").open("w") as expected:
        for sample in importlib.import_module(group).samples():
            (folder / sample.name).write_bytes(sample.content)
            expected.write(json.dumps({**vars(sample), "content": ""}) + "\n")


def _measured(folder: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """Decode a file in another process; see `_decode` for what it tells."""
    reading, writing = os.pipe()
    decoder = os.fork()
    if not decoder:
        os.dup2(writing, 2)  # whatever is printed counts as an answer, and a wrong one
        _leave(lambda: os.write(writing, _decode(folder, expected)))
    os.close(writing)
    answer = b""
    ends = time.monotonic() + HANGS_AFTER
    while select.select([reading], [], [], max(0.0, ends - time.monotonic()))[0]:
        if not (part := os.read(reading, 65536)):
            break
        answer += part
    else:
        os.kill(decoder, signal.SIGKILL)
        answer = b"hangs"
    os.close(reading)
    os.waitpid(decoder, 0)
    try:
        return {"name": expected["name"], **json.loads(answer)}
    except ValueError:
        text = answer.decode(errors="replace") or "ends its process"
        return {"name": expected["name"], "wrong": text, "outcome": "", "ms": 0, "mb": 0}


def _decode(folder: Path, expected: dict[str, Any]) -> bytes:
    path = folder / expected["name"]
    idle, started = _peak(), time.process_time()
    try:
        pixels = decode(path)
        outcome, wrong = f"{pixels.shape[1]} x {pixels.shape[0]}", _judged(pixels, expected)
    except ImageError as error:
        outcome = str(error).removeprefix(f"{path}: ")
        wrong = _judged_error(str(error), f"{path}: ", expected)
    spent = time.process_time() - started
    answer = {"outcome": outcome, "wrong": wrong, "ms": 1000 * spent, "mb": _peak() - idle}
    return json.dumps(answer).encode()


def _judged(pixels: np.ndarray, expected: dict[str, Any]) -> str:
    """What is wrong with the pixels; empty: nothing."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        return f"{pixels.dtype} {pixels.shape}"
    if expected["refused"] is not None:
        return "is not refused"
    if expected["quarters"] is None:
        return ""
    width, height = expected["size"]
    if pixels.shape != (height, width, 3):
        return f"is {pixels.shape}"
    middles = pixels[height // 4 :: height // 2, width // 4 :: width // 2][:2, :2]
    found = middles.reshape(4, 3).astype(int)
    if (abs(found - expected["quarters"]) > expected["tolerance"]).any():
        return f"has the colours {found.tolist()}"
    return ""


def _judged_error(text: str, start: str, expected: dict[str, Any]) -> str:
    if not text.startswith(start) or "\n" in text or len(text) < len(start) + 5:
        return f"the message is {text!r}"
    if expected["quarters"] is not None:
        return "is refused"
    if expected["refused"] and not re.search(expected["refused"], text):
        return f"is not refused for {expected['refused']!r}"
    return ""


def _peak() -> float:
    """MB that the process has held at most; a new one begins with what it holds."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / 1024 / (1024 if sys.platform == "darwin" else 1)


def _leave(task: Any) -> None:
    """End a process that was forked, as soon as its task is done."""
    try:
        task()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
