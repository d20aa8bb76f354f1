"""Sweeps as they stand on the disk after training, made of numbers: no network is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facenet.benchmark.records import (
    RESULT,
    SWEEP,
    Conditions,
    Embeddings,
    PlannedRun,
    RunKey,
    RunResult,
    Speed,
    Sweep,
    run_folder,
    write_embeddings,
    write_record,
)
from facenet.config import BenchmarkConfig, parse_config
from facenet.evaluation import Embedded, all_pairs_result, halves, identification_result

MEASURED_WITH = Conditions(device="cpu", batch_size=4, image_size=32, gallery_split="val")


class Run(NamedTuple):
    """A run to be made up; a higher `noise` makes it worse. `status` is that of its result, or
    'waiting' without one, or 'trained' before it is measured."""

    backbone: str = "resnet18"
    dim: int = 16
    miner: str = "batch_hard"
    seed: int = 0
    noise: float = 1.0
    latency: float = 2.0
    parameters: int = 11_000_000
    status: str = "measured"

    @property
    def planned(self) -> PlannedRun:
        name = f"{self.backbone.replace('/', '-')}-d{self.dim}-{self.miner}-s{self.seed}"
        key = RunKey(
            name=name,
            backbone=self.backbone,
            embedding_dim=self.dim,
            miner=self.miner,
            seed=self.seed,
        )
        return PlannedRun(key=key, configuration={}, data="these images")


def embedded(faces: Path, run: Run) -> Embedded:
    """The images below a folder, as a network sees them that is as good as the run says."""
    images = sorted(faces.rglob("*.jpg"))
    people = [image.parent.name for image in images]
    identity = np.unique(people, return_inverse=True)[1]
    of_data = np.random.default_rng(run.seed)
    of_network = np.random.default_rng([run.dim, *run.backbone.encode()])
    centres = of_data.normal(size=(identity.max() + 1, 512))[identity, : run.dim]
    hard = of_data.normal(size=(len(images), 512))[:, : run.dim]
    own = of_network.normal(size=(len(images), run.dim))
    vectors = centres + run.noise * (0.9 * hard + 0.4 * own)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embedded(images, people, vectors.astype(np.float32), np.ones(len(images), bool))


def write_sweep(
    output: Path, faces: Path, runs: Sequence[Run], query: Path | None = None
) -> tuple[Sweep, list[RunResult]]:
    """A sweep in `output`, with all images of `faces` held out and in the gallery; a `query` has
    the embedding of the first of them."""
    results = []
    for run in runs:
        result = _result(output, faces, run, query)
        if result is not None:
            write_record(run_folder(output, run.planned.key) / RESULT, result)
            results.append(result)
    sweep = Sweep(configuration={}, runs=tuple(run.planned for run in runs))
    write_record(output / SWEEP, sweep)
    return sweep, results


def sweep_config(output: Path, faces: Path, **changes: Any) -> BenchmarkConfig:
    values = {
        "training": {"data": {"root": str(faces)}},
        "output_dir": str(output),
        "backbones": ["resnet18"],
        "embedding_dims": [16],
        "top_k": 3,
        "num_random_queries": 2,
        **changes,
    }
    return parse_config(values, BenchmarkConfig)


def _result(output: Path, faces: Path, run: Run, query: Path | None) -> RunResult | None:
    if run.status == "waiting":
        return None
    if run.status == "failed":
        reason = "training diverged: loss is NaN <at> step 12;\nlower optimizer.lr"
        return RunResult(run=run.planned, status="failed", reason=reason)
    data = embedded(faces, run)
    pairs = all_pairs_result(data)
    exact = pairs.summary.measured.verification
    measured = run.status == "measured"
    if measured:
        everything = np.ones(len(data.images), bool)
        names = [image.relative_to(faces).as_posix() for image in data.images]
        of_query = None if query is None else data.embeddings[0]
        write_embeddings(
            run_folder(output, run.planned.key),
            Embeddings(names, list(data.people), data.embeddings, everything, everything, of_query),
        )
    return RunResult(
        run=run.planned,
        status="done",
        figures=pairs.figures | identification_result(*halves(data)).figures,
        genuine_pairs=exact.genuine_pairs,
        impostor_pairs=exact.impostor_pairs,
        identities=pairs.summary.identities,
        bundle=f"runs/{run.planned.key.name}/bundle",
        epochs=2,
        training_seconds=61.5,
        peak_memory=2**30,
        speed=Speed(
            measured_with=MEASURED_WITH,
            parameters=run.parameters,
            flops=36_000_000,
            latency_ms=run.latency,
            throughput=987.654,
        )
        if measured
        else None,
    )
