"""All pairs of N embeddings, TAR and thresholds at six FARs, against the ways others do it.

python benchmarks/evaluation.py [N ...]

The floor is the product of the N embeddings with themselves, in blocks that are thrown away: no
way can do without computing similarities. Peak memory is what each way adds to the embeddings, in
a process of its own. At 20,000 embeddings the references take minutes and 7 GB: from
`LONG` embeddings on they are timed once, everything else in interleaved rounds.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from timing import interleaved_medians

from facenet.evaluation import FARS, measure_all_pairs

SIZES = (2_000, 10_000, 20_000)
LONG = 10_000
DIMENSION, IMAGES_EACH, NOISE = 512, 5, 2.0
"""Noise under which 93 of 100 genuine pairs are recognised at FAR 0.001."""
ROUNDS = 7
FLOOR = "product alone (floor)"
OURS = "facenet, blocks"
SKLEARN, METRICS = "scikit-learn roc_curve", "torchmetrics binary_roc"
Points = dict[float, float]


def faces(images: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, 512) float32 embeddings of unit length and (N,) labels, 5 images of each person."""
    random = np.random.default_rng(0)
    labels = np.arange(images) // IMAGES_EACH
    centres = random.standard_normal((labels[-1] + 1, DIMENSION), np.float32)
    vectors = centres[labels] + NOISE * random.standard_normal((images, DIMENSION), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels


def product(vectors: np.ndarray, _labels: np.ndarray) -> None:
    for start in range(0, len(vectors), 1024):
        vectors[start : start + 1024] @ vectors.T


def ours(vectors: np.ndarray, labels: np.ndarray) -> Points:
    points = measure_all_pairs(vectors, labels).verification.operating_points
    return {far: point.tar for far, point in points.items() if point}


def flattened(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The triangle of all pairs: (N(N-1)/2,) similarities and whether each is genuine."""
    first, second = np.triu_indices(len(labels), k=1)
    return (vectors @ vectors.T)[first, second], labels[first] == labels[second]


def scikit_learn(vectors: np.ndarray, labels: np.ndarray) -> Points:
    from sklearn.metrics import roc_curve

    similarity, genuine = flattened(vectors, labels)
    far, tar, _ = roc_curve(genuine, similarity)
    return {target: float(tar[far <= target].max()) for target in FARS}


def torchmetrics(vectors: np.ndarray, labels: np.ndarray) -> Points:
    import torch
    from torchmetrics.functional.classification import binary_roc

    similarity, genuine = flattened(vectors, labels)
    # Scores outside of 0..1 would be taken for logits.
    scores = torch.from_numpy(similarity).add_(1).div_(2).clamp_(0, 1)
    far, tar, _ = binary_roc(scores, torch.from_numpy(genuine).long())
    return {target: float(tar[far <= target].max()) for target in FARS}


WAYS: Mapping[str, Callable[[np.ndarray, np.ndarray], Points | None]] = {
    FLOOR: product,
    OURS: ours,
    SKLEARN: scikit_learn,
    METRICS: torchmetrics,
}


def peak_of(way: str, images: int) -> int:
    """Bytes that a way adds to the process that holds the embeddings."""
    ran = subprocess.run(
        [sys.executable, __file__, "--peak", way, str(images)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    return int(ran.stdout)


def print_peak(way: str, images: int) -> None:
    vectors, labels = faces(images)
    WAYS[way](*faces(100))  # imports
    Path("/proc/self/clear_refs").write_text("5")  # forgets the highest resident size so far
    before = resident("VmRSS")
    WAYS[way](vectors, labels)
    sys.stdout.write(str(resident("VmHWM") - before))


def resident(key: str) -> int:
    """A size of this process in bytes: VmRSS as it is, VmHWM its highest."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if key in line]
    return int(line.split()[1]) * 1024


def seconds_of(images: int) -> dict[str, float]:
    vectors, labels = faces(images)
    calls = {name: partial(way, vectors, labels) for name, way in WAYS.items()}
    once = {} if images < LONG else {name: calls.pop(name) for name in (SKLEARN, METRICS)}
    seconds = interleaved_medians(calls, rounds=ROUNDS)
    for name, call in once.items():
        start = time.perf_counter()
        call()
        seconds[name] = time.perf_counter() - start
    return seconds


def largest_difference(images: int) -> float:
    """Between our TARs and scikit-learn's at the FARs that the pairs support."""
    vectors, labels = faces(images)
    reference = scikit_learn(vectors, labels)
    return max(abs(tar - reference[far]) for far, tar in ours(vectors, labels).items())


def main(sizes: list[int]) -> None:
    for images in sizes:
        lines = [f"\nN = {images:,}: {images * (images - 1) // 2:,} pairs"]
        for name, seconds in (found := seconds_of(images)).items():
            memory = peak_of(name, images) / 1e6
            lines.append(
                f"{name:24} {seconds:8.2f} s {seconds / found[FLOOR]:7.1f} x {memory:8,.0f} MB"
            )
        sys.stdout.write("\n".join(lines) + "\n")
    difference = largest_difference(min(sizes))
    sys.stdout.write(f"\nlargest difference to scikit-learn's TARs: {difference:.1e}\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        print_peak(sys.argv[2], int(sys.argv[3]))
    else:
        main([int(size) for size in sys.argv[1:]] or list(SIZES))
