"""Options that many commands share, and what they give: loaded configurations and recognizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facenet.errors import ConfigError

if TYPE_CHECKING:
    from facenet.config import InferenceConfig, TrainConfig
    from facenet.recognition import Recognizer

Command = TypeVar("Command", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def config_options(*kinds: str, has_default: bool = True) -> Callable[[Command], Command]:
    """`--config`, by default configs/<kind>.yaml, and `--set key.path=value`.

    A command that takes one of several kinds, or has a default of its own, gets None where no file
    is named.
    """
    has_default = has_default and len(kinds) == 1

    def decorate(command: Command) -> Command:
        command = click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Override a key, as in --set optimizer.lr=3e-4; may be repeated.",
        )(command)
        return click.option(
            "--config",
            type=PATH,
            default=Path("configs", f"{kinds[0]}.yaml") if has_default else None,
            show_default=has_default,
            help=f"The {' or '.join(kinds)} configuration.",
        )(command)

    return decorate


def load_train_config(config: Path, overrides: tuple[str, ...]) -> TrainConfig:
    """The training configuration of `--config` and `--set`."""
    from facenet.config import TrainConfig, load_config

    return load_config(_existing(config), TrainConfig, overrides=overrides)


def load_inference_config(config: Path, overrides: tuple[str, ...]) -> InferenceConfig:
    """The inference configuration of `--config` and `--set`."""
    from facenet.config import load_config

    return load_config(_existing(config), overrides=overrides)


@contextmanager
def open_recognizer(config: Path, overrides: tuple[str, ...]) -> Iterator[Recognizer]:
    """The recognizer of an inference configuration; its store is closed at the end."""
    loaded = load_inference_config(config, overrides)
    from facenet.recognition import Recognizer

    with Recognizer.from_config(loaded) as recognizer:
        yield recognizer


def _existing(config: Path) -> Path:
    if not config.is_file():
        raise ConfigError(f"{config}: no such configuration file; name one with --config")
    return config
