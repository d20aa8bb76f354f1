"""Batch-hard mining and triplet loss, forward and backward, against the ways others do it.

python benchmarks/mining.py [B ...]

Everything from the network's output on: normalise, similarity, mining, loss, and the gradient of
the output. The floor is the product of similarity alone, which nobody can do without. Peak memory
is that of the largest batch, each way in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from timing import interleaved_medians
from torch.nn.functional import normalize

SIZES = (128, 512, 2048, 4096)
DIMENSION = 512
SAMPLES_PER_CLASS = 4
MARGIN = 0.2
ROUNDS = 9
FLOOR = "matrix product alone (floor)"
OURS = "facenet batch_hard"
REFERENCE = "pytorch-metric-learning"

LossOf = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From (B, D) unit embeddings and (B,) labels to the loss."""


def facenet() -> LossOf:
    """The miner plugin and the loss as the training module calls them."""
    from facenet.plugins import Registry
    from facenet.training import triplet_loss

    mine = Registry().load("miner", "batch_hard").make_from({}, progress=lambda: 0.0)

    def loss_of(embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        rows = embeddings.detach()
        similarity = rows @ rows.T
        triplets = mine(rows, labels, similarity)
        return triplet_loss(embeddings, similarity, triplets, margin=MARGIN, distance="cosine").loss

    return loss_of


def metric_learning() -> LossOf:
    """The recipe of pytorch-metric-learning's README, with cosine similarity."""
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import BatchHardMiner

    mine = BatchHardMiner(distance=CosineSimilarity())
    loss = TripletMarginLoss(margin=MARGIN, distance=CosineSimilarity())
    return lambda embeddings, labels: loss(embeddings, labels, mine(embeddings, labels))


def open_metric_learning() -> LossOf:
    """OML's hard miner in its triplet loss (Euclidean)."""
    from oml.losses.triplet import TripletLossWithMiner
    from oml.miners.inbatch_hard_tri import HardTripletsMiner

    return TripletLossWithMiner(margin=MARGIN, miner=HardTripletsMiner())


def textbook() -> LossOf:
    """Ten lines as in many a tutorial: autograd through the whole matrix."""

    def loss_of(embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        similarity = embeddings @ embeddings.T
        same = labels[:, None] == labels
        hardest_positive = similarity.masked_fill(~same, 2).min(dim=1).values
        hardest_negative = similarity.masked_fill(same, -2).max(dim=1).values
        return (hardest_negative - hardest_positive + MARGIN).relu().mean()

    return loss_of


WAYS: dict[str, Callable[[], LossOf]] = {
    OURS: facenet,
    REFERENCE: metric_learning,
    "textbook autograd": textbook,
}
if find_spec("oml"):
    WAYS["open-metric-learning"] = open_metric_learning


def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a network puts out for P x K images, and their labels."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(size, DIMENSION, generator=generator)
    return rows.requires_grad_(), torch.arange(size) // SAMPLES_PER_CLASS


def step(loss_of: LossOf, rows: torch.Tensor, labels: torch.Tensor) -> None:
    """One forward and backward."""
    rows.grad = None
    loss_of(normalize(rows, dim=1), labels).backward()


def seconds(size: int) -> dict[str, float]:
    """Median seconds of a step for each way, and of the floor."""
    rows, labels = batch(size)
    unit = normalize(rows.detach(), dim=1)
    cases: dict[str, Callable[[], object]] = {FLOOR: lambda: unit @ unit.T}
    cases |= {name: partial(step, way(), rows, labels) for name, way in WAYS.items()}
    return interleaved_medians(cases, rounds=ROUNDS)


def peak_megabytes(name: str, size: int) -> float:
    """How much a step adds to the peak of a fresh process."""
    command = [sys.executable, __file__, "--peak", name, str(size)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(ran.stdout)


def print_peak(name: str, size: int) -> None:
    """The child's side of `peak_megabytes`."""
    loss_of = WAYS[name]()
    step(loss_of, *batch(64))  # loads what is loaded late
    rows, labels = batch(size)
    before = _peak_kib()
    step(loss_of, rows, labels)
    sys.stdout.write(f"{(_peak_kib() - before) / 1024:.0f}")


def _peak_kib() -> int:
    """Linux's figure for this program; `ru_maxrss` would begin at that of the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def like_in_training() -> None:
    """The allocator keeps freed memory only once it has seen a large block freed; the activations
    of a network have long done that. Without it, small batches measure page faults."""
    torch.empty(31 * 2**20, dtype=torch.uint8).fill_(0)


def main(sizes: tuple[int, ...]) -> None:
    like_in_training()
    measured = {size: seconds(size) for size in sizes}
    lines = [
        f"median of {ROUNDS} interleaved rounds, D = {DIMENSION}, float32, "
        f"{torch.get_num_threads()} threads; multiples of the floor (of {REFERENCE})",
        "".join([f"{'B':30}", *(f"{size:>16}" for size in sizes), f"{'peak':>10}"]),
    ]
    floors = (f"{times[FLOOR] * 1e3:13.2f} ms" for times in measured.values())
    lines.append("".join([f"{FLOOR:30}", *floors]))
    for name in WAYS:
        cells = (
            f"{times[name] / times[FLOOR]:8.1f} ({times[name] / times[REFERENCE]:5.2f})"
            for times in measured.values()
        )
        peak = f"{peak_megabytes(name, max(sizes)):7.0f} MB"
        lines.append("".join([f"{name:30}", *cells, peak]))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(2)
    if sys.argv[1:2] == ["--peak"]:
        print_peak(sys.argv[2], int(sys.argv[3]))
    else:
        main(tuple(map(int, sys.argv[1:])) or SIZES)
