"""Our default training recipe against others: same network, data, epochs, batches and seeds.

python benchmarks/recipe.py --data FOLDER [--epochs N] [--seeds N] [--image-size N] [--set K=V]

A seed decides the split as well, so that each seed holds out other identities. Prints a table of
means with 95 % confidence intervals over the seeds (Student's t), and the ratio of accepted genuine
pairs to the reference's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from scipy.stats import t as student

from facenet.config import TrainConfig, load_config
from facenet.data import FaceDataModule, IdentityFolder, open_folder
from facenet.evaluation import Verification
from facenet.models import load_model
from facenet.training import evaluate_model
from facenet.training.module import Batch, TripletModule
from facenet.training.trainer import last_checkpoints, make_trainer, quiet_lightning

CONFIG = Path(__file__).parent.parent / "configs" / "train.yaml"
REFERENCE = "pytorch-metric-learning"


class MetricLearningModule(TripletModule):
    """Mining and loss as in pytorch-metric-learning's documentation, all at their defaults."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.their_miner, self.their_loss = BatchHardMiner(), TripletMarginLoss()

    def training_step(self, batch: Batch, _index: int) -> torch.Tensor:
        images, labels = batch
        embeddings = self.network(self.to_input(images))
        self.batches_seen += 1
        loss: torch.Tensor = self.their_loss(
            embeddings, labels, self.their_miner(embeddings, labels)
        )
        return loss


Arm = tuple[Callable[[TrainConfig], TripletModule], list[str]]
ARMS: dict[str, Arm] = {
    "facenet, default": (TripletModule, []),
    "facenet, batch_hard without warm-up": (
        TripletModule,
        ["miner=batch_hard", "scheduler.warmup_steps=0"],
    ),
    REFERENCE: (
        MetricLearningModule,
        ["optimizer.name=adam", "optimizer.weight_decay=0", "scheduler=null", "watchdog=null"],
    ),
}


def fit(arm: Arm, overrides: list[str], folder: IdentityFolder | None = None) -> Verification:
    """Train once; the figures of the last checkpoint on the identities held out."""
    make, own = arm
    with tempfile.TemporaryDirectory() as output:
        place = f"logging.output_dir={output}"
        config = load_config(CONFIG, TrainConfig, overrides=[*overrides, *own, place])
        folder = folder or open_folder(config)
        lightning.seed_everything(config.seed, verbose=False)
        with quiet_lightning():
            trainer = make_trainer(config, [last_checkpoints(config)], from_step=0)
            trainer.fit(make(config), FaceDataModule(config, folder))
        model = load_model(Path(output) / "checkpoints" / "last.ckpt")
        return evaluate_model(config, model, folder).verification


def figures(result: Verification) -> dict[str, float]:
    """What the table shows of one run."""
    point = result.operating_points[1e-2]
    tar = point.tar if point else float("nan")
    return {"AUC": result.auc, "accuracy": result.accuracy, "TAR@FAR=0.01": tar}


def interval(values: list[float]) -> str:
    """Mean and half-width of the 95 % confidence interval of the mean."""
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.3f} ± {half:.3f}"


def main() -> None:
    """All arms of one seed after the other, then the next seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    common = [
        f"data.root={arguments.data}",
        f"data.image_size={arguments.image_size}",
        f"trainer.max_epochs={arguments.epochs}",
        "trainer.enable_progress_bar=false",
        f"logging.checkpoint_interval={arguments.epochs}",
        "logging.loggers=[]",
        *arguments.overrides,
    ]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ARMS}
    for seed in range(arguments.seeds):
        for name, arm in ARMS.items():
            found[name].append(figures(fit(arm, [*common, f"seed={seed}"])))
            row = ", ".join(f"{key} {value:.3f}" for key, value in found[name][-1].items())
            sys.stderr.write(f"seed {seed}, {name}: {row}\n")
    sys.stdout.write(table(found))


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Markdown, one row for each arm."""
    names: list[str] = list(next(iter(found.values()))[0])
    reference = statistics.mean(row["TAR@FAR=0.01"] for row in found[REFERENCE])
    lines = [f"| recipe | {' | '.join(names)} | ratio of TAR |", "| --- " * (len(names) + 2) + "|"]
    for arm, rows in found.items():
        columns: list[Any] = [interval([row[name] for row in rows]) for name in names]
        ratio = statistics.mean(row["TAR@FAR=0.01"] for row in rows) / reference
        lines.append(f"| {arm} | {' | '.join(columns)} | {ratio:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
