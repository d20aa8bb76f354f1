"""The configuration of a benchmark sweep, `configs/benchmark.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from facenet.config.inference import Device
from facenet.config.section import BackboneSlot, MinerSlot, Section
from facenet.config.train import EmbeddingDim, TrainConfig
from facenet.validation import wrong_key


class Experiment(Section):
    """One combination of a sweep."""

    backbone: BackboneSlot = Field(description="Backbone as in `model.backbone`.")
    embedding_dim: EmbeddingDim = Field(description="Length of an embedding.")


class BenchmarkConfig(Section):
    """A sweep of backbones x embedding sizes over one training block.

    Every combination is trained with each of `miners` and each of `seeds`.
    """

    training: TrainConfig = Field(
        description="A whole training configuration, shared by all runs; what a run varies - "
        "`model.backbone`, `model.embedding_dim`, `logging.output_dir` - is taken from the sweep."
    )
    output_dir: Path = Field(
        Path("artifacts/benchmark"), description="Folder of runs, results and figures."
    )
    backbones: tuple[BackboneSlot, ...] = Field((), description="Backbones of the product.")
    embedding_dims: tuple[EmbeddingDim, ...] = Field(
        (), description="Embedding sizes of the product."
    )
    experiments: tuple[Experiment, ...] = Field(
        (), description="Combinations one by one, instead of the product."
    )
    miners: tuple[MinerSlot, ...] = Field(
        (), description="Triplet miners; empty: that of `training`."
    )
    seeds: tuple[NonNegativeInt, ...] = Field(
        (),
        description="Seeds, each with a split of its own; intervals are then over seeds. Empty: "
        "that of `training`.",
    )
    max_parallel: PositiveInt = Field(
        1, description="Most runs that train at once, where memory allows."
    )
    inference_batch_size: PositiveInt = Field(
        32, description="Batch of the throughput measurement."
    )
    top_k: PositiveInt = Field(5, description="Matches in each row of a query figure.")
    num_random_queries: NonNegativeInt = Field(4, description="Random queries in a query figure.")
    gallery_split: Literal["train", "val", "all"] = Field(
        "val", description="Identities that the queries are searched among."
    )
    device: Device = Field("auto", description="Where speed is measured.")
    query_image: Path | None = Field(
        None, description="A query of your own, cropped as training images are; null: none."
    )

    @model_validator(mode="after")
    def _has_runs(self) -> Self:
        if self.experiments:
            return self
        missing = [name for name in ("backbones", "embedding_dims") if not getattr(self, name)]
        if missing:
            text = "is empty: name at least one, or list experiments"
            raise wrong_key(*(((name,), text) for name in missing))
        return self
