"""What a report says about the machine that measured."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from facenet.text import count

DISTRIBUTIONS = ("facenet-kit", "numpy", "torch", "onnxruntime")


def environment() -> list[tuple[str, str]]:
    """(name, text) of the time, the machine, and the versions of what computes, as installed."""
    rows = [
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("machine", f"{_processor()}, {count(os.cpu_count() or 1, 'core')}"),
        ("system", platform.platform(terse=True)),
        ("Python", platform.python_version()),
    ]
    for name in DISTRIBUTIONS:
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            continue  # torch and onnxruntime are extras
    return rows


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
