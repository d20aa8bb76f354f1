"""The option of drawing an answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import PATH

if TYPE_CHECKING:
    from facenet.types import Image

figure_option = click.option(
    "--save-figure",
    "figure",
    type=PATH,
    metavar="FILE",
    help="Also draw the answer: a .png, .jpg or .jpeg file.",
)


def check_figure(figure: Path | None, *photos: Path) -> None:
    """Before the work: whether a figure can be drawn, and written there.

    Raises `RequestError`, or `ModuleNotFoundError` where the extra `figures` is missing.
    """
    if figure is None:
        return
    import supervision  # noqa: F401

    from facenet.imaging.answers import checked_figure_file

    checked_figure_file(figure, *photos)


def save_figure(figure: Path, pixels: Image) -> None:
    """Write the figure and say so on standard error."""
    from facenet.imaging.answers import write_figure

    write_figure(figure, pixels)
    height, width = pixels.shape[:2]
    click.echo(f"{figure}: the answer, {width} x {height} pixels", err=True)
