"""`facenet embed`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.options import (
    PATH,
    config_options,
    engine_options,
    json_option,
    open_engine,
    open_recognizer,
)
from facenet.cli.output import print_json, print_table, progress, report_skipped
from facenet.errors import RequestError
from facenet.paths import checked_output_file, write_whole

if TYPE_CHECKING:
    from facenet.types import Vector

_ROWS = 20


@click.command("embed")
@click.argument("images", nargs=-1, required=True, type=PATH)
@config_options("inference")
@click.option("--output", type=PATH, help="Write an .npz file with arrays images and embeddings.")
@engine_options
@json_option
def command(
    images: tuple[Path, ...],
    config: Path,
    overrides: tuple[str, ...],
    output: Path | None,
    engine: str,
    address: str | None,
    as_json: bool,
) -> None:
    """Embed the most prominent face of each image; a folder stands for all images below it."""
    if output is not None and output.suffix != ".npz":
        raise RequestError(f"--output {output}: must end in .npz")
    if output is not None:
        checked_output_file(output)
    names: list[str] = []
    rows: list[Vector] = []
    failures: list[str] = []
    with open_recognizer(config, overrides) as recognizer:
        import numpy as np

        from facenet.recognition import embed_files

        paths = _files(images)
        with open_engine(engine, address) as embed, progress("embedding") as update:
            # Of each batch only this is kept: its crops would fill the memory.
            for batch in embed_files(recognizer.pipeline, paths, update, engine=embed):
                names += map(str, batch.found)
                rows.append(batch.embeddings)
                failures += batch.failures
    report_skipped("image", failures)
    if not names:
        raise RequestError("no image could be embedded")
    embeddings = np.concatenate(rows)
    if output is not None:
        _save(output, names, embeddings)
        numbers = embeddings.shape[1]
        if as_json:
            print_json({"output": output, "images": len(names), "embedding_dim": numbers})
        else:
            click.echo(f"{output}: {len(names):,} embeddings of {numbers} numbers")
    elif as_json:
        pairs = zip(names, embeddings, strict=True)
        print_json([{"image": name, "embedding": vector} for name, vector in pairs])
    else:
        _print(names, embeddings)


def _files(given: Sequence[Path]) -> list[Path]:
    """The files among them, and the images below each folder; raises `DataError` for a folder
    without any."""
    from facenet.errors import DataError
    from facenet.imaging import image_files

    found: list[Path] = []
    for path in given:
        below = image_files(path) if path.is_dir() else [path]
        if not below:
            raise DataError(f"{path}: no image below it")
        found += below
    return found


def _save(output: Path, names: Sequence[str], embeddings: Vector) -> None:
    import numpy as np

    content = io.BytesIO()
    np.savez(content, images=np.array(names), embeddings=embeddings)
    write_whole(output, content.getvalue())


def _print(names: Sequence[str], embeddings: Vector) -> None:
    """The first few rows, and how many more there are: nobody reads ten thousand."""
    rows = [
        (name, " ".join(f"{number:+.3f}" for number in vector[:4]) + " ...")
        for name, vector in zip(names[:_ROWS], embeddings[:_ROWS], strict=True)
    ]
    print_table(["image", f"embedding ({embeddings.shape[1]} numbers)"], rows)
    if len(names) > _ROWS:
        more = len(names) - _ROWS
        click.echo(f"and {more:,} more: --output FILE.npz writes all of them, --json prints them")
