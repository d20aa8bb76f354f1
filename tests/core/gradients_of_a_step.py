"""Write the gradients of one training step: CONFIG OUTPUT; run by test_distributed.py.

Lightning starts this script once more for each further process.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning
import torch

from facenet.config import TrainConfig, load_config
from facenet.data import FaceDataModule, scan_folder
from facenet.training.module import TripletModule
from facenet.training.trainer import make_trainer


class WriteGradients(lightning.Callback):
    def __init__(self, path: Path) -> None:
        self.path = path

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        if trainer.is_global_zero and not self.path.exists():
            gradients = {name: p.grad.clone() for name, p in module.network.named_parameters()}
            torch.save({"loss": module.figures.loss, "gradients": gradients}, self.path)


if __name__ == "__main__":
    config = load_config(sys.argv[1], TrainConfig)
    lightning.seed_everything(config.seed)
    module = TripletModule(config)
    data = FaceDataModule(config, scan_folder(config.data.root, min_images=2))
    trainer = make_trainer(config, [WriteGradients(Path(sys.argv[2]))], from_step=0)
    trainer.fit(module, data)
