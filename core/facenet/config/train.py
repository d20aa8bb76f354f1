"""The training configuration, `configs/train.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from facenet.config.section import BackboneSlot, LicencesConfig, MinerSlot, Section
from facenet.validation import wrong_key

MAX_EMBEDDING_DIM = 4000
"""Where pgvector's index ends: `halfvec` columns of an HNSW index have at most 4000 dimensions."""

EmbeddingDim = Annotated[int, Field(ge=1, le=MAX_EMBEDDING_DIM)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Augmentation = Literal["flip", "color", "crop", "rotation", "blur", "jpeg"]
PixelType = Literal["uint8", "float16", "float32"]
Precision = Literal["32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"]

NEUTRAL = (
    "data.root",
    "data.num_workers",
    "data.pin_memory",
    "data.persistent_workers",
    "data.cache_dataset",
    "trainer.enable_progress_bar",
    "watchdog",
    "licences",
)
"""Keys of a training configuration, or groups of them, that do not decide what is computed."""


class DataConfig(Section):
    """Images and how they become batches."""

    root: Path = Field(description="Folder with one folder of images for each identity.")
    image_size: int = Field(112, ge=16, le=1024, description="Side of the network's input, pixels.")
    batch_size: PositiveInt | None = Field(
        None, description="Must equal classes_per_batch x samples_per_class; null: computed."
    )
    num_workers: NonNegativeInt = Field(
        2, description="Processes that prepare batches, for each device; 0: the main one."
    )
    classes_per_batch: int = Field(16, ge=2, description="P: identities in a batch of one device.")
    samples_per_class: int = Field(4, ge=2, description="K: images of each identity in a batch.")
    val_split: Fraction = Field(0.2, description="Share of identities held out for validation.")
    shuffle: bool = Field(True, description="Draw new batches each epoch; false: the same ones.")
    val_images_per_class: int | None = Field(
        20, ge=2, description="Most images of an identity in validation pairs; null: all."
    )
    min_images_per_class: int = Field(2, ge=2, description="Identities with fewer are left out.")
    augmentations: tuple[Augmentation, ...] = Field(
        ("flip", "color", "crop"), description="Random changes to training images, in this order."
    )
    cache_dataset: bool = Field(
        False, description="Decode once, to a memory-mapped file in .facenet/cache."
    )
    precision: PixelType = Field(
        "uint8",
        description="Type of pixels in batches and cache; uint8 is smallest, the others are not "
        "rounded after augmentation.",
    )
    pin_memory: bool = Field(False, description="Page-locked batches: faster copies to a GPU.")
    persistent_workers: bool = Field(True, description="Keep workers between epochs.")

    @property
    def images_per_batch(self) -> int:
        """P x K."""
        return self.classes_per_batch * self.samples_per_class

    @model_validator(mode="after")
    def _batch_is_p_times_k(self) -> Self:
        if self.batch_size not in (None, self.images_per_batch):
            text = (
                f"is {self.batch_size}, but classes_per_batch x samples_per_class is "
                f"{self.classes_per_batch} x {self.samples_per_class} = {self.images_per_batch}: "
                "make them equal, or leave batch_size out (null)"
            )
            raise wrong_key((("batch_size",), text))
        return self


class ModelConfig(Section):
    """The embedding network and its loss."""

    backbone: BackboneSlot = Field(
        BackboneSlot(plugin="resnet18"),
        description="Architecture, `plugin/architecture`, or a mapping with the plugin's options.",
    )
    embedding_dim: EmbeddingDim = Field(128, description="Length of an embedding.")
    pretrained: bool = Field(False, description="Start from the library's pretrained weights.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout before the embedding layer.")
    margin: PositiveFloat | Literal["soft"] = Field(
        0.2, description="Triplet margin in units of `distance`; soft: softplus without margin."
    )
    distance: Literal["cosine", "euclidean"] = Field(
        "cosine", description="Between embeddings of unit length: 0 to 2 either way."
    )
    train_backbone: bool = Field(True, description="false: only the embedding layer learns.")


class OptimizerConfig(Section):
    """The optimizer; `betas` is used by adam and adamw, `momentum` by sgd."""

    name: Literal["adam", "adamw", "sgd"] = Field("adamw", description="Algorithm.")
    lr: PositiveFloat = Field(1e-3, description="Peak learning rate.")
    weight_decay: NonNegativeFloat = Field(1e-4, description="Weight decay.")
    betas: tuple[Fraction, Fraction] = Field((0.9, 0.999), description="Adam's two decay rates.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of sgd.")


class SchedulerConfig(Section):
    """How the learning rate changes; all counts are optimizer steps."""

    name: Literal["cosine", "multistep"] | None = Field("cosine", description="null: constant.")
    warmup_steps: NonNegativeInt = Field(50, description="Linear rise from lr/100 to lr.")
    t_max: PositiveInt | None = Field(None, description="Steps of the cosine; null: whole run.")
    milestones: tuple[PositiveInt, ...] = Field((), description="Steps at which lr drops.")
    gamma: Fraction = Field(0.1, description="Factor of each drop.")

    @model_validator(mode="after")
    def _multistep_has_milestones(self) -> Self:
        if self.name == "multistep" and not self.milestones:
            text = "'multistep' needs at least one, for example [1000, 2000]"
            raise wrong_key((("milestones",), text))
        return self


class TrainerConfig(Section):
    """Passed to `lightning.Trainer` under the same names."""

    max_epochs: PositiveInt = Field(20, description="Passes over the training identities.")
    devices: PositiveInt | Literal["auto"] = Field(1, description="How many devices.")
    num_nodes: PositiveInt = Field(1, description="How many machines.")
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = Field(
        "auto", description="Kind of device."
    )
    strategy: Literal["auto", "ddp", "ddp_spawn"] = Field(
        "auto", description="How processes are started; auto: `ddp` where there are several."
    )
    precision: Precision = Field("32-true", description="Arithmetic of the network.")
    accumulate_grad_batches: PositiveInt = Field(1, description="Batches for each step.")
    gradient_clip_val: NonNegativeFloat | None = Field(1.0, description="Largest gradient norm.")
    limit_train_batches: PositiveInt | Share | None = Field(
        None, description="Batches of an epoch: a count, a share up to 1.0, or null: all."
    )
    limit_val_batches: PositiveInt | Share | None = Field(
        None, description="Batches of a validation: a count, a share up to 1.0, or null: all."
    )
    deterministic: bool = Field(False, description="Only algorithms that repeat exactly.")
    enable_progress_bar: bool = Field(True, description="Show progress while training.")


class LoggerConfig(BaseModel):
    """A logger: a bare name, or a mapping of `name` and the arguments of its class."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(min_length=1, description="csv, tensorboard or a class of Lightning's.")

    @model_validator(mode="before")
    @classmethod
    def _accept_bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_serializer(mode="wrap")
    def _dump(self, handler: SerializerFunctionWrapHandler) -> Any:
        return handler(self) if self.model_extra else self.name


class LoggingConfig(Section):
    """Where a run's artifacts go and which checkpoints stay."""

    output_dir: Path = Field(Path("artifacts/train"), description="Folder of the run.")
    checkpoint_interval: PositiveInt = Field(1, description="Epochs between checkpoints.")
    checkpoint_top_k: PositiveInt = Field(1, description="How many best checkpoints stay.")
    monitor: Literal["val_auc", "val_accuracy", "val_tar_at_far", "val_eer"] = Field(
        "val_auc", description="The figure that says which checkpoint is best."
    )
    mode: Literal["max", "min"] = Field("max", description="min for val_eer, max for the others.")
    log_every_n_steps: PositiveInt = Field(10, description="Steps between rows of metrics.csv.")
    loggers: tuple[LoggerConfig, ...] = Field(
        (LoggerConfig(name="csv"), LoggerConfig(name="tensorboard")),
        description="`csv`, `tensorboard`, or Lightning logger classes, by name or as a mapping "
        "of `name` and the class's own arguments.",
    )

    @model_validator(mode="after")
    def _mode_fits_monitor(self) -> Self:
        right = "min" if self.monitor == "val_eer" else "max"
        if self.mode != right:
            text = f"is {self.mode!r}, but the best {self.monitor} is its {right}imum: {right!r}"
            raise wrong_key((("mode",), text))
        return self


class TrainConfig(Section):
    """Everything that a training run depends on."""

    seed: NonNegativeInt = Field(0, description="Seed of split, batches, weights, augmentation.")
    data: DataConfig
    model: ModelConfig = Field(default_factory=ModelConfig)
    miner: MinerSlot = Field(
        MinerSlot(plugin="distance_weighted"), description="Triplet miner plugin."
    )
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig)
    scheduler: SchedulerConfig | None = Field(
        default_factory=SchedulerConfig, description="null: constant learning rate."
    )
    watchdog: Literal["warn", "stop"] | None = Field(
        "warn", description="When training collapses or stands still; null: nothing."
    )
    trainer: TrainerConfig = Field(default_factory=TrainerConfig)
    logging: LoggingConfig = Field(default_factory=LoggingConfig)
    licences: LicencesConfig = Field(default_factory=LicencesConfig)

    @model_validator(mode="after")
    def _a_checkpoint_is_written(self) -> Self:
        interval, epochs = self.logging.checkpoint_interval, self.trainer.max_epochs
        if interval > epochs:
            text = f"is {interval}, more than trainer.max_epochs ({epochs}): nothing would be kept"
            raise wrong_key((("logging", "checkpoint_interval"), text))
        return self
