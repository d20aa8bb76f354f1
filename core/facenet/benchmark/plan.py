"""Which runs a sweep has, and whether those on the disk are the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facenet.benchmark.records import (
    RESULT,
    SWEEP,
    PlannedRun,
    RunKey,
    RunResult,
    Sweep,
    read_record,
    run_folder,
)
from facenet.config import BenchmarkConfig, Slot, TrainConfig, plain_config
from facenet.config.train import NEUTRAL
from facenet.data import IdentityFolder
from facenet.errors import ConfigError, DataError, RequestError
from facenet.text import slug
from facenet.training.licences import check_run
from facenet.validation import changed_keys

NOT_DECISIVE = (*NEUTRAL, "logging.output_dir", "logging.loggers", "logging.log_every_n_steps")
"""Keys of a training configuration that do not change what comes of a run. Images are told apart
by their digest instead of the folder that they are in."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a sweep: what tells it apart, and the configuration that it is trained with."""

    key: RunKey
    config: TrainConfig


def runs_of(config: BenchmarkConfig) -> list[Run]:
    """The runs of a sweep in the order of its configuration, backbone by backbone.

    Raises `ConfigError` where two of them are the same, or where a plugin or a pretrained weight
    cannot be used: all problems at once, before the first run starts.
    """
    runs = list(_runs(config))
    _refuse_twins(runs)
    problems = list(dict.fromkeys(filter(None, map(_problem, runs))))
    if problems:
        raise ConfigError("\n".join(problems))
    return runs


def sweep_of(config: BenchmarkConfig, runs: list[Run], folder: IdentityFolder) -> Sweep:
    """The plan of a sweep over the images of a folder, as it is written to the disk."""
    data = folder.digest()
    return Sweep(
        configuration=plain_config(config),
        runs=tuple(
            PlannedRun(key=run.key, configuration=plain_config(run.config), data=data)
            for run in runs
        ),
    )


def refuse_another_sweep(output: Path, sweep: Sweep) -> None:
    """Raise `ConfigError` when a run that stands in `output` was begun with another configuration
    or other images than the sweep has now: their results would be mixed."""
    before = read_record(output / SWEEP, Sweep)
    if before is None:
        if output.is_dir() and any(output.iterdir()):
            raise DataError(f"{output}: holds files, and no sweep; choose another output_dir")
        return
    planned = {run.key.name: run for run in before.runs}
    problems = []
    for run in sweep.runs:
        folder = run_folder(output, run.key)
        result = read_record(folder / RESULT, RunResult)
        # What is in the plan alone may change; where a run has begun, it was planned like this.
        then = result.run if result else planned.get(run.key.name) if folder.is_dir() else None
        if then is not None and (changes := _changes(then, run)):
            problems.append(f"{folder}: {changes}")
    if problems:
        raise ConfigError(
            "\n".join(problems) + "\nTheir results would be mixed: set the former values, choose "
            "another output_dir, or train all runs again with --no-resume"
        )


def _runs(config: BenchmarkConfig) -> Iterator[Run]:
    training = config.training
    combinations = [(each.backbone, each.embedding_dim) for each in config.experiments] or [
        (backbone, dim) for backbone in config.backbones for dim in config.embedding_dims
    ]
    for backbone, dim in combinations:
        for miner in config.miners or (training.miner,):
            for seed in config.seeds or (training.seed,):
                labels = _label(backbone), _label(miner)
                key = RunKey(
                    name=slug(f"{labels[0]}-d{dim}-{labels[1]}-s{seed}"),
                    backbone=labels[0],
                    embedding_dim=dim,
                    miner=labels[1],
                    seed=seed,
                )
                model = {"backbone": backbone, "embedding_dim": dim}
                output = run_folder(config.output_dir, key)
                changes = {
                    "seed": seed,
                    "model": training.model.model_copy(update=model),
                    "miner": miner,
                    "logging": training.logging.model_copy(update={"output_dir": output}),
                }
                yield Run(key, training.model_copy(update=changes))


def _label(slot: Slot) -> str:
    """'resnet18', or 'timm/resnet18 (drop_path=0.1)' where it has options."""
    options = ", ".join(f"{key}={value}" for key, value in slot.options.items())
    return f"{slot.name} ({options})" if options else slot.name


def _refuse_twins(runs: list[Run]) -> None:
    names: dict[str, RunKey] = {}
    for run in runs:
        # Some file systems do not tell capitals apart.
        twin = names.setdefault(run.key.name.lower(), run.key)
        if twin is not run.key:
            raise ConfigError(
                f"benchmark: two runs would be kept as {run.key.name}: {_shown(twin)} and "
                f"{_shown(run.key)}; leave one out"
            )


def _shown(key: RunKey) -> str:
    return f"{key.backbone} with {key.embedding_dim}, {key.miner}, seed {key.seed}"


def _problem(run: Run) -> str | None:
    try:
        check_run(run.config)
    except RequestError as error:
        return str(error)
    return None


def _changes(then: PlannedRun, now: PlannedRun) -> str:
    """What differs, in words; empty when nothing does."""
    changed = changed_keys(then.configuration, now.configuration, free=NOT_DECISIVE)
    if then.data != now.data:
        changed.append("the images of data.root are not the same")
    return "; ".join(changed)
