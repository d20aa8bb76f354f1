"""`facenet bundle create|show|verify|import`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facenet.cli.options import PATH, json_option
from facenet.cli.output import print_json, print_table
from facenet.errors import FacenetError, RequestError

if TYPE_CHECKING:
    from facenet.models import BundleCheck, EmbeddingModel

Command = TypeVar("Command", bound=Callable[..., Any])


def channels(_: click.Context, __: click.Parameter, value: str) -> tuple[float, ...]:
    """From `127.5` or `123.7,116.3,103.5` to three numbers."""
    try:
        numbers = tuple(float(number) for number in value.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3):
        raise click.BadParameter(f"{value!r}: give one number, or three separated by commas")
    return numbers * 3 if len(numbers) == 1 else numbers


def card_options(*, licence_required: bool) -> Callable[[Command], Command]:
    """`--licence` and `--intended-use`: what only the user can say of a model."""

    def decorate(command: Command) -> Command:
        command = click.option("--intended-use", help="What the model may be used for.")(command)
        return click.option(
            "--licence",
            "--license",
            "licence",
            metavar="SPDX",
            required=licence_required,
            help="Licence of the weights, such as Apache-2.0 or LicenseRef-Research.",
        )(command)

    return decorate


@click.group("bundle")
def command() -> None:
    """Make, show, check and import model bundles."""


@command.command()
@click.option("--checkpoint", type=PATH, required=True, help="Checkpoint or bundle.")
@click.option("--output", type=PATH, required=True, help="Folder of the bundle.")
@card_options(licence_required=False)
def create(checkpoint: Path, output: Path, licence: str | None, intended_use: str | None) -> None:
    """Make a bundle of a checkpoint, or of a bundle with other words on its card."""
    from facenet.models import load_model
    from facenet.spdx import checked_licence

    given = {"licence": licence and checked_licence(licence), "intended_use": intended_use}
    model = load_model(checkpoint)
    model.card = model.card.model_copy(
        update={key: value for key, value in given.items() if value is not None}
    )
    _save(model, output)


@command.command()
@click.argument("bundle", type=PATH)
@json_option
def show(bundle: Path, as_json: bool) -> None:
    """Print what a bundle says of itself; its weights are not read."""
    from facenet.models import describe, read_card

    card = read_card(bundle)
    if as_json:
        print_json(card.model_dump(mode="json"))
        return
    for section in describe(card):
        click.echo(section.heading)
        if section.text:
            click.echo(f"\n  {section.text}\n")
        if section.rows:
            print_table(["", ""], section.rows)


@command.command()
@click.argument("bundle", type=PATH)
@json_option
def verify(bundle: Path, as_json: bool) -> None:
    """Check that a bundle is whole and gives the recorded embedding on this machine."""
    from facenet.models import check_bundle

    check = check_bundle(bundle)
    if as_json:
        found = {"embedding": check.embedding, "passed": check.passed}
        print_json({**dataclasses.asdict(check), **found})
    else:
        _print_check(check)
    if not check.passed:
        raise FacenetError(f"{bundle}: {_failure(check)}")


@command.command("import")
@click.argument("model", type=PATH)
@click.option("--output", type=PATH, required=True, help="Folder of the bundle.")
@click.option("--replace", is_flag=True, help="Also where --output holds a bundle already.")
@click.option(
    "--image-size",
    type=click.IntRange(16, 1024),
    required=True,
    help="Side in pixels of the network's input.",
)
@click.option(
    "--color",
    type=click.Choice(["rgb", "bgr"]),
    required=True,
    help="Order of colours that the network was trained with.",
)
@click.option(
    "--mean",
    callback=channels,
    required=True,
    metavar="NUMBER[,NUMBER,NUMBER]",
    help="Subtracted from pixels, on the scale 0..255; one per channel in the order of --color.",
)
@click.option(
    "--std",
    callback=channels,
    required=True,
    metavar="NUMBER[,NUMBER,NUMBER]",
    help="What they are then divided by, likewise.",
)
@click.option(
    "--alignment",
    type=click.Choice(["none", "square", "five-point"]),
    required=True,
    help="How the faces that it was trained with were cut out.",
)
@card_options(licence_required=True)
def import_(model: Path, output: Path, replace: bool, **known: Any) -> None:
    """Make a bundle of an ONNX network that was trained elsewhere.

    The file must hold one network from (N, 3, S, S) float32 pixels to (N, D) float32 embeddings.
    It is run on two faces first. All options say what the file does not: ask its publisher.
    """
    from facenet.models import import_onnx
    from facenet.models.bundle import CONFIG

    if (output / CONFIG).is_file() and not replace:
        raise RequestError(
            f"{output}: holds a bundle, with all that was measured of it: name another --output, "
            "or give --replace"
        )
    _save(import_onnx(model, **known), output)


def _save(model: EmbeddingModel, output: Path) -> None:
    from facenet.models import save_bundle

    save_bundle(model, output)
    click.echo(f"{output}: bundle, embedding space {model.card.space}")


def _print_check(check: BundleCheck) -> None:
    rows = [
        ("weights", "as the card says"),
        ("embedding space", f"{check.space}, as the card says"),
        ("embedding of the reference face", check.embedding),
        ("largest difference", check.max_difference and f"{check.max_difference:.2g}"),
        ("cosine", check.cosine and f"{check.cosine:.6f}"),
        ("README.md", check.readme),
    ]
    print_table(["", ""], rows)


def _failure(check: BundleCheck) -> str:
    if check.embedding == "differs":
        return (
            f"embeds the reference face otherwise here (cosine {check.cosine:.6f}): compare the "
            "versions of torch, torchvision and onnxruntime with those where it was made"
        )
    if check.embedding == "not recorded":
        problem = "its card records no embedding of the reference face"
    else:
        problem = f"README.md {'is missing' if check.readme == 'missing' else 'is not of its card'}"
    return f"{problem}; write it anew with `facenet bundle create --checkpoint BUNDLE --output ...`"
