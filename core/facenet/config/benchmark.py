"""The configuration of a benchmark sweep, `configs/benchmark.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import NonNegativeInt, PositiveInt, model_validator

from facenet.config.inference import Device
from facenet.config.section import BackboneSlot, Section, planned
from facenet.config.train import EmbeddingDim, TrainConfig


class Experiment(Section):
    """One run of a sweep."""

    backbone: BackboneSlot = planned(..., "Backbone as in `model.backbone`.")
    embedding_dim: EmbeddingDim = planned(..., "Length of an embedding.")


class BenchmarkConfig(Section):
    """A sweep of backbones x embedding sizes over one training block."""

    training: TrainConfig = planned(..., "A whole training configuration, shared by all runs.")
    output_dir: Path = planned(Path("artifacts/benchmark"), "Folder of results and figures.")
    backbones: tuple[BackboneSlot, ...] = planned((), "Backbones of the product.")
    embedding_dims: tuple[EmbeddingDim, ...] = planned((), "Embedding sizes of the product.")
    experiments: tuple[Experiment, ...] = planned((), "Runs one by one, instead of the product.")
    inference_batch_size: PositiveInt = planned(32, "Batch of the throughput measurement.")
    top_k: PositiveInt = planned(5, "Matches in each row of a query figure.")
    num_random_queries: NonNegativeInt = planned(4, "Random queries in a query figure.")
    gallery_split: Literal["train", "val", "all"] = planned("val", "Identities that are searched.")
    device: Device = planned("auto", "Where the measurements run.")
    query_image: Path | None = planned(None, "A query of your own; null: random ones alone.")

    @model_validator(mode="after")
    def _has_runs(self) -> Self:
        if not self.experiments and not (self.backbones and self.embedding_dims):
            raise ValueError("name backbones and embedding_dims, or list experiments")
        return self
