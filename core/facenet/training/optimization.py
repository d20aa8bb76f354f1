"""Optimizers, and the learning rate over the steps of a run."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from facenet.config.train import OptimizerConfig, SchedulerConfig

WARMUP_START = 0.01
"""Share of the learning rate at which warm-up starts."""


def make_optimizer(options: OptimizerConfig, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer over all weights of a network that learn."""
    weights = _parameter_groups(network, options.weight_decay)
    if options.name == "sgd":
        return torch.optim.SGD(weights, lr=options.lr, momentum=options.momentum)
    kind = torch.optim.AdamW if options.name == "adamw" else torch.optim.Adam
    return kind(weights, lr=options.lr, betas=options.betas)


def learning_rate_factor(options: SchedulerConfig | None, step: int, total: int) -> float:
    """What optimizer.lr is multiplied with at an optimizer step, of `total`: in 0..1."""
    if options is None:
        return 1.0
    if step < options.warmup_steps:
        return WARMUP_START + (1 - WARMUP_START) * step / options.warmup_steps
    if options.name == "multistep":
        return float(options.gamma ** sum(step >= at for at in options.milestones))
    if options.name == "cosine":
        length = max(1, (options.t_max or total) - options.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1, (step - options.warmup_steps) / length)))
    return 1.0


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay is for weights: biases and normalisation parameters are left alone."""
    learning = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
