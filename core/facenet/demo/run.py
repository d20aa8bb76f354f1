"""The stages of the demo; each is skipped when what it would make is there already."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from facenet.config import InferenceConfig, TrainConfig, dump_config, load_config, parse_config
from facenet.data import IdentityFolder, Sample, scan_folder
from facenet.drawn_faces import write_faces
from facenet.errors import DataError
from facenet.evaluation import rank_k_accuracy
from facenet.models import load_model
from facenet.paths import checked_output_folder
from facenet.recognition import Recognizer, embed_files, populate
from facenet.stores import Match
from facenet.training import Evaluation, evaluate_model, train
from facenet.training.checkpoints import FOLDER
from facenet.training.loggers import METRICS
from facenet.training.run import BUNDLE, begin_folder
from facenet.types import Bars, Progress

TOP_K = 3
STATE = "demo.json"
"""What the demo trained, or began to train, in the folder."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How large the demo is; the defaults take about four minutes on two cores."""

    output: Path
    data: Path | None = None
    identities: int = 80
    samples: int = 10
    epochs: int = 12
    image_size: int = 64
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One searched image: who it shows, and who the gallery says it shows."""

    path: Path
    identity: str
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DemoResult:
    """Everything that the report shows."""

    folder: IdentityFolder
    trained_now: bool
    metrics: Path
    bundle: Path
    inference_config: Path
    evaluation: Evaluation
    enrolled: dict[str, list[Path]]
    probes: list[Probe]

    def rank(self, k: int) -> float:
        """Rank-k accuracy of the searches."""
        truth = [probe.identity for probe in self.probes]
        ranked = [[match.identity for match in probe.matches] for probe in self.probes]
        return rank_k_accuracy(truth, ranked, k)


def run_demo(settings: DemoSettings, progress: Bars) -> DemoResult:
    """Draw or read faces, train, measure on unseen identities, enrol half of their images in the
    embedded PostgreSQL and search with the other half."""
    checked_output_folder(settings.output)
    _refuse_another_run(settings.output)
    root = settings.data or settings.output / "faces"
    if settings.data is None:
        _draw(settings, root, progress)
    with progress("reading images") as update:
        folder = scan_folder(root, min_images=2, progress=update)
    config = _train_config(settings, folder)
    trained_now, evaluation = _train_once(config, folder)
    inference = _write_inference_config(settings.output)
    gallery, queries = _halves(evaluation.samples)
    with Recognizer.from_config(load_config(inference)) as recognizer:
        with progress("enrolling") as update:
            populate(recognizer, root, images=[s.path for s in gallery], progress=update)
        with progress("searching") as update:
            probes = _search(recognizer, queries, update)
    return DemoResult(
        folder=folder,
        trained_now=trained_now,
        metrics=settings.output / METRICS,
        bundle=settings.output / BUNDLE,
        inference_config=inference,
        evaluation=evaluation,
        enrolled=_by_identity(gallery),
        probes=probes,
    )


def _draw(settings: DemoSettings, root: Path, progress: Bars) -> None:
    """Draw the faces that are missing; faces of other settings are drawn anew."""
    wanted = {key: getattr(settings, key) for key in ("identities", "samples", "seed")}
    drawn = root / "drawn.json"
    if root.exists() and not drawn.is_file():
        raise DataError(f"{root}: not drawn by the demo; choose another --output")
    if not root.exists() or json.loads(drawn.read_text(encoding="utf-8")) != wanted:
        for identity in root.glob("id-*"):
            shutil.rmtree(identity)
        root.mkdir(parents=True, exist_ok=True)
        drawn.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
    with progress("drawing faces") as update:
        write_faces(root, **wanted, progress=update)


def _train_config(settings: DemoSettings, folder: IdentityFolder) -> TrainConfig:
    if len(folder.identities) < 8:
        raise DataError(
            f"{folder.root}: {len(folder.identities)} identities with 2 or more images; "
            "the demo needs at least 8"
        )
    val_split = 0.25
    train_identities = len(folder.identities) - round(len(folder.identities) * val_split)
    return parse_config(
        {
            "seed": settings.seed,
            "data": {
                "root": str(folder.root),
                "image_size": settings.image_size,
                "classes_per_batch": min(16, train_identities),
                "samples_per_class": 4,
                "val_split": val_split,
                "augmentations": ["flip", "color", "crop"],
            },
            "model": {"backbone": "resnet18", "embedding_dim": 128, "margin": 0.4},
            "optimizer": {"name": "adamw", "lr": 1e-3},
            "scheduler": {"name": "cosine", "warmup_steps": 20},
            "trainer": {"max_epochs": settings.epochs, "accelerator": "cpu"},
            "logging": {"output_dir": str(settings.output), "log_every_n_steps": 1},
        },
        TrainConfig,
    )


def _train_once(config: TrainConfig, folder: IdentityFolder) -> tuple[bool, Evaluation]:
    """Train, or go on, unless the same configuration was trained on the same files before."""
    output = config.logging.output_dir
    fingerprint = hashlib.sha256((dump_config(config) + folder.digest()).encode()).hexdigest()
    state, wanted = output / STATE, {"fingerprint": fingerprint}
    before = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else None
    if before == wanted and (output / BUNDLE).is_dir():
        return False, evaluate_model(config, load_model(output / BUNDLE), folder)
    if before != wanted:
        if before:
            _set_gallery_aside(output)
        begin_folder(output)
        state.write_text(json.dumps(wanted) + "\n", encoding="utf-8")
    return True, train(config, folder=folder, existing="resume").evaluation


def _refuse_another_run(output: Path) -> None:
    held = [name for name in (FOLDER, BUNDLE) if (output / name).exists()]
    if held and not (output / STATE).is_file():
        raise DataError(
            f"{output}: not made by the demo, and holds {held[0]}/; choose another --output"
        )


def _set_gallery_aside(output: Path) -> None:
    """Keep the gallery of the model that is about to be replaced: people may be enrolled in it."""
    gallery = output / "postgres"
    if gallery.exists():
        kept = next(
            path
            for number in itertools.count(1)
            if not (path := output / f"postgres-{number}").exists()
        )
        gallery.rename(kept)
        logger.warning("%s: the gallery of the model before is kept there", kept)


def _write_inference_config(output: Path) -> Path:
    values = {
        "checkpoint_path": str(output / BUNDLE),
        "detector": "whole_image",
        "store": {"plugin": "pgvector", "data_dir": str(output / "postgres")},
    }
    parse_config(values, InferenceConfig)
    path = output / "inference.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def _halves(samples: tuple[Sample, ...]) -> tuple[list[Sample], list[Sample]]:
    """Of every identity's images the even ones for the gallery, the odd ones as probes."""
    gallery, queries = [], []
    for identity, images in _by_identity(samples).items():
        gallery += [Sample(path, identity) for path in images[::2]]
        queries += [Sample(path, identity) for path in images[1::2]]
    return gallery, queries


def _by_identity(samples: list[Sample] | tuple[Sample, ...]) -> dict[str, list[Path]]:
    grouped: dict[str, list[Path]] = {}
    for sample in samples:
        grouped.setdefault(sample.identity, []).append(sample.path)
    return grouped


def _search(recognizer: Recognizer, queries: list[Sample], progress: Progress) -> list[Probe]:
    identities = {sample.path: sample.identity for sample in queries}
    probes = []
    for batch in embed_files(recognizer.pipeline, list(identities), progress):
        found = recognizer.store.search(batch.embeddings, top_k=TOP_K)
        probes += [
            Probe(path, identities[path], tuple(matches))
            for path, matches in zip(batch.found, found, strict=True)
        ]
    return probes
