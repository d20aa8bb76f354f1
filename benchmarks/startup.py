"""How long the launcher takes before it does anything, against a bare Python start.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 15
REFERENCE = ("python -c pass", ["-c", "pass"])
CASES = [
    REFERENCE,
    ("python -c 'import numpy'", ["-c", "import numpy"]),
    ("facenet --help", ["-m", "facenet", "--help"]),
    ("facenet plugins", ["-m", "facenet", "plugins"]),
]


def seconds(arguments: list[str]) -> float:
    """Wall time of one fresh Python process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Run all cases interleaved, so that a noisy machine disturbs them alike."""
    for _, arguments in CASES:
        seconds(arguments)  # fills the file cache
    times: dict[str, list[float]] = {name: [] for name, _ in CASES}
    for _ in range(ROUNDS):
        for name, arguments in CASES:
            times[name].append(seconds(arguments))
    medians = {name: statistics.median(values) for name, values in times.items()}
    reference = medians[REFERENCE[0]]
    lines = [f"median of {ROUNDS} interleaved rounds; reference: {REFERENCE[0]}"]
    lines += [
        f"{name:26} {median * 1000:7.0f} ms   +{(median - reference) * 1000:5.0f} ms"
        f"   {median / reference:5.1f} x"
        for name, median in medians.items()
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
