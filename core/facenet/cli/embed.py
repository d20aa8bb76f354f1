"""`facenet embed`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json, print_table, progress, report_skipped
from facenet.errors import RequestError
from facenet.paths import checked_output_file


@click.command("embed")
@click.argument("images", nargs=-1, required=True, type=PATH)
@config_options("inference")
@click.option("--output", type=PATH, help="Write an .npz file with arrays images and embeddings.")
@json_option
def command(
    images: tuple[Path, ...],
    config: Path,
    overrides: tuple[str, ...],
    output: Path | None,
    as_json: bool,
) -> None:
    """Embed the best face of each image; a folder stands for all images below it."""
    if output is not None and output.suffix != ".npz":
        raise RequestError(f"--output {output}: must end in .npz")
    if output is not None:
        checked_output_file(output).parent.mkdir(parents=True, exist_ok=True)
    with open_recognizer(config, overrides) as recognizer:
        import numpy as np

        from facenet.imaging import image_files
        from facenet.recognition import embed_files

        paths = [
            path for given in images for path in (image_files(given) if given.is_dir() else [given])
        ]
        with progress("embedding") as update:
            batches = list(embed_files(recognizer.pipeline, paths, update))
        report_skipped("image", [failure for batch in batches for failure in batch.failures])
        names = [str(path) for batch in batches for path in batch.found]
        if not names:
            raise RequestError("no image could be embedded")
        embeddings = np.concatenate([batch.embeddings for batch in batches])
        if output is not None:
            np.savez(output, images=np.array(names), embeddings=embeddings)
            click.echo(f"{output}: {len(names)} embeddings of {embeddings.shape[1]} numbers")
        elif as_json:
            print_json(
                [
                    {"image": name, "embedding": vector}
                    for name, vector in zip(names, embeddings, strict=True)
                ]
            )
        else:
            rows = [
                (name, " ".join(f"{number:+.3f}" for number in vector[:4]) + " ...")
                for name, vector in zip(names, embeddings, strict=True)
            ]
            print_table(["image", f"embedding ({embeddings.shape[1]} numbers)"], rows)
