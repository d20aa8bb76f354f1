"""Options that many commands share, and what they give: loaded configurations and recognizers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facenet.errors import ConfigError, RequestError

if TYPE_CHECKING:
    from facenet.config import InferenceConfig, TrainConfig
    from facenet.recognition import Recognizer
    from facenet.recognition.bulk import Engine

Command = TypeVar("Command", bound=Callable[..., Any])


class _PathType(click.Path[Path]):
    """A path; an empty one, as of a `$(...)` that failed, would be the folder at hand."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        if not os.fspath(value):
            named = param.name if param else "path"
            self.fail(f"an empty path names no {named}", param, ctx)
        return super().convert(value, param, ctx)


PATH = _PathType(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def set_option(help_text: str) -> Callable[[Command], Command]:
    """`--set key.path=value`, any number of times."""
    return click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=help_text)


def config_options(*kinds: str, has_default: bool = True) -> Callable[[Command], Command]:
    """`--config`, by default configs/<kind>.yaml, and `--set key.path=value`.

    A command that takes one of several kinds, or has a default of its own, gets None where no file
    is named.
    """
    has_default = has_default and len(kinds) == 1

    def decorate(command: Command) -> Command:
        command = set_option("Override a key, as in --set optimizer.lr=3e-4; may be repeated.")(
            command
        )
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

    return load_config(existing_config(config), TrainConfig, overrides=overrides)


def load_inference_config(config: Path, overrides: tuple[str, ...]) -> InferenceConfig:
    """The inference configuration of `--config` and `--set`."""
    from facenet.config import load_config

    return load_config(existing_config(config), overrides=overrides)


@contextmanager
def open_recognizer(
    config: Path, overrides: tuple[str, ...], checkpoint: Path | None = None
) -> Iterator[Recognizer]:
    """The recognizer of an inference configuration, with another model when one is named; its
    store is closed at the end."""
    other = () if checkpoint is None else (f"checkpoint_path={checkpoint}",)
    loaded = load_inference_config(config, (*overrides, *other))
    from facenet.recognition import Recognizer

    with Recognizer.from_config(loaded) as recognizer:
        yield recognizer


def engine_options(command: Command) -> Command:
    """`--engine` and `--address`, for `open_engine`."""
    command = click.option(
        "--address",
        callback=_for_ray,
        help="With --engine ray: a running cluster; default: one on this machine.",
    )(command)
    return click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        is_eager=True,  # known when the address is looked at
        help="What embeds the images: this process, or workers of Ray.",
    )(command)


@contextmanager
def open_engine(engine: str, address: str | None) -> Iterator[Engine]:
    """The engine that was chosen; raises `RequestError` where it cannot be used."""
    if engine == "local":
        from facenet.recognition.bulk import embed_batches

        yield embed_batches
        return
    from facenet.recognition.on_ray import connected, embed_on_ray

    with connected(address):
        yield embed_on_ray


def metadata_of(option: str, entries: Sequence[str]) -> dict[str, Any]:
    """The values of a repeated option KEY=VALUE; each VALUE is JSON, or else text.

    Raises `RequestError` for an entry without key or `=`, and for a key that comes twice.
    """
    values: dict[str, Any] = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not key or not equals:
            raise RequestError(f"{option} {entry}: must be KEY=VALUE, as in team=research")
        if key in values:
            raise RequestError(f"{option} {entry}: {key} is given twice; leave one out")
        values[key] = _json_or_text(value)
    return values


def existing_config(config: Path) -> Path:
    """The path of a configuration that is there; raises `ConfigError` otherwise."""
    if not config.is_file():
        raise ConfigError(f"{config}: no such configuration file; name one with --config")
    return config


def _for_ray(ctx: click.Context, _option: click.Parameter, address: str | None) -> str | None:
    if address is not None and ctx.params["engine"] != "ray":
        raise RequestError(f"--address {address}: is for --engine ray, which was not asked for")
    return address


def _json_or_text(value: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(value, parse_constant=refuse)
    except (ValueError, RecursionError):
        return value
