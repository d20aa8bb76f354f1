"""`facenet align`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import PATH, config_options, json_option, load_inference_config
from facenet.cli.output import print_json, progress, report_skipped
from facenet.text import count

if TYPE_CHECKING:
    from facenet.aligning import AlignReport
    from facenet.config import InferenceConfig
    from facenet.types import Alignment


@click.command("align")
@click.option("--data", type=PATH, required=True, help="Folder of <identity>/<image>.")
@click.option("--output", type=PATH, required=True, help="Folder for the aligned faces.")
@click.option(
    "--alignment",
    type=click.Choice(["none", "square", "five-point"]),
    default="five-point",
    show_default=True,
    help="How a face is cut out.",
)
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    default=112,
    show_default=True,
    help="Side of an aligned face in pixels.",
)
@config_options("inference", has_default=False)
@json_option
def command(
    data: Path,
    output: Path,
    alignment: Alignment,
    size: int,
    config: Path | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Prepare a data set: one face of each image, aligned, in a folder to train on.

    Faces are found by the detector yunet, or by that of the configuration (--set detector=yolo);
    no model is loaded. Running it again does only what is missing or has changed.
    """
    loaded = _config(config, overrides)
    from facenet.aligning import align_folder

    with progress("aligning") as update:
        report = align_folder(data, output, loaded, alignment=alignment, size=size, progress=update)
    if as_json:
        print_json(report)
    else:
        _print(report, output)


def _config(path: Path | None, overrides: tuple[str, ...]) -> InferenceConfig:
    if path is not None:
        return load_inference_config(path, overrides)
    from facenet.config import InferenceConfig, parse_config

    # The configuration of recognition must name a model, which is not loaded here.
    values = {"checkpoint_path": "none", "detector": "yunet"}
    return parse_config(values, InferenceConfig, overrides=overrides)


def _print(report: AlignReport, output: Path) -> None:
    reasons = [f"{each.image}: {each.reason}" for each in report.left_out]
    report_skipped("image", reasons, became="left out")
    click.echo(
        f"{output}: {report.aligned} of {count(report.images, 'image')} aligned"
        + (f", {report.kept} were already" if report.kept else "")
    )
    if report.several_faces:
        images = count(report.several_faces, "image")
        click.echo(f"{images} with several faces: the most prominent of each was taken")
    if report.without_image:
        faces = count(report.without_image, "face")
        click.echo(f"{faces} in {output} whose image is no longer in the data: remove what must go")
