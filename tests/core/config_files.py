"""Configuration files with every key, and what the fixtures `load` and `problems` do."""

from __future__ import annotations

from typing import Protocol, TypeVar

from facenet.config import Section

Config = TypeVar("Config", bound=Section)

TRAIN = """\
seed: 7
data:
  root: faces
  image_size: 96
  batch_size: 32
  num_workers: 0
  classes_per_batch: 8
  samples_per_class: 4
  val_split: 0.25
  val_images_per_class: 10
  shuffle: false
  min_images_per_class: 3
  augmentations: [flip, rotation]
  cache_dataset: true
  precision: float16
  pin_memory: true
  persistent_workers: false
model:
  backbone: resnet50
  embedding_dim: 256
  pretrained: true
  dropout: 0.1
  margin: 0.3
  distance: euclidean
  train_backbone: false
miner: batch_hard
optimizer:
  name: sgd
  lr: 1e-2
  weight_decay: 0
  betas: [0.8, 0.99]
  momentum: 0.95
scheduler:
  name: multistep
  warmup_steps: 10
  t_max: 100
  milestones: [50, 80]
  gamma: 0.5
watchdog: stop
trainer:
  max_epochs: 2
  devices: auto
  num_nodes: 2
  accelerator: cpu
  strategy: ddp
  precision: bf16-mixed
  accumulate_grad_batches: 2
  gradient_clip_val: null
  limit_train_batches: 5
  limit_val_batches: 0.5
  deterministic: true
  enable_progress_bar: false
logging:
  output_dir: out
  checkpoint_interval: 2
  checkpoint_top_k: 3
  monitor: val_accuracy
  mode: max
  log_every_n_steps: 5
  loggers: [csv, {name: WandbLogger, project: faces}]
licences:
  allow: [MIT, BSD-3-Clause]
"""
INFERENCE = """\
checkpoint_path: out/bundle
device: cpu
normalize_embeddings: false
batch_size: 16
num_workers: 1
image_size: 96
threshold: 0.4
detection_threshold: 0.5
detector: whole_image
images:
  formats: [JPEG, PNG]
  max_pixels: 1000000
  max_bytes: 2000000
quality: strict
template: robust
store:
  plugin: pgvector
  host: db.example
  port: 5433
  name: faces
  user: ada
  password: hunter2
  table: samples
  identity_table: people
  sslmode: require
frontends:
  serve: {port: 9000}
licences:
  allow: [MIT, LicenseRef-Ours]
"""
BENCHMARK = """\
training:
  data: {root: faces}
output_dir: out
backbones: [resnet18, resnet50]
embedding_dims: [64, 128]
experiments:
  - {backbone: resnet18, embedding_dim: 32}
miners: [batch_hard, curriculum]
seeds: [0, 1]
max_parallel: 2
inference_batch_size: 8
top_k: 3
num_random_queries: 2
gallery_split: all
device: cpu
query_image: ada.jpg
"""
FILES = {"train": TRAIN, "inference": INFERENCE, "benchmark": BENCHMARK}
DATABASE = """\
database:
  host: db.example
  port: 5433
  name: faces
  user: ada
  password: hunter2
  table: samples
  identity_table: people
  sslmode: require
"""


class Load(Protocol):
    """Write a file and load it."""

    def __call__(
        self, text: str, model: type[Config], *overrides: str, check_plugins: bool = False
    ) -> Config: ...


class Problems(Protocol):
    """Write a file that does not load; the lines that a user reads."""

    def __call__(
        self, text: str, *overrides: str, model: type[Section] = ..., check_plugins: bool = ...
    ) -> list[str]: ...
