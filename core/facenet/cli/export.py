"""`facenet export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from facenet.cli.options import PATH, json_option
from facenet.cli.output import print_json, print_table, progress, report_skipped

if TYPE_CHECKING:
    from facenet.data import IdentityFolder
    from facenet.exporting import Export

FORMATS = ("torchscript", "torch-export", "onnx", "bundle")


@click.command("export")
@click.option("--checkpoint", type=PATH, required=True, help="Checkpoint or bundle to export.")
@click.option("--output", type=PATH, required=True, help="File, or folder for a bundle.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    help="Default: what the ending of --output says.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "int8"]),
    default="fp32",
    show_default=True,
    help="Of the file's numbers; int8 for ONNX alone.",
)
@click.option(
    "--images",
    type=PATH,
    help="Folder of <identity>/<image> to compare on, and for int8 to calibrate on; "
    "default: drawn faces.",
)
@click.option(
    "--max-tar-drop",
    type=click.FloatRange(0, 1),
    default=0.002,
    show_default=True,
    help="By how much TAR may fall in int8.",
)
@json_option
def command(
    checkpoint: Path,
    output: Path,
    kind: str | None,
    precision: Literal["fp32", "int8"],
    images: Path | None,
    max_tar_drop: float,
    as_json: bool,
) -> None:
    """Write a trained model in a form that runs elsewhere.

    .ts and .pt are TorchScript (which torch has deprecated), .pt2 torch.export, .onnx ONNX; a name
    without ending is a bundle. A file takes uint8 pixels, gives embeddings of unit length, and
    appears only when they are the model's or, in int8, lead to its decisions.
    """
    from facenet.exporting import BUNDLE, checked_format, export_model
    from facenet.models import load_model, save_bundle

    kind = checked_format(output, kind, precision=precision, with_images=images is not None)
    model = load_model(checkpoint)
    if kind == BUNDLE:
        save_bundle(model, output)
        if as_json:
            print_json({"file": output, "format": kind, "space": model.card.space})
        else:
            click.echo(f"{output}: bundle, embedding space {model.card.space}")
        return
    made = export_model(
        model,
        output,
        progress=progress,
        kind=kind,
        precision=precision,
        folder=_read(images) if images else None,
        max_tar_drop=max_tar_drop,
    )
    if as_json:
        print_json(made)
    else:
        _print(made)


def _read(images: Path) -> IdentityFolder:
    from facenet.data import scan_folder

    with progress("reading images") as update:
        folder = scan_folder(images, min_images=2, progress=update)
    report_skipped("unreadable image", folder.unreadable)
    return folder


def _print(made: Export) -> None:
    parity = made.parity
    rows = [
        ("format", f"{made.format}, {made.precision}"),
        ("size", f"{made.megabytes:.1f} MB"),
        (
            "one face",
            f"{made.latency_ms:.1f} ms, by the model itself {made.model_latency_ms:.1f} ms",
        ),
        ("compared on", parity.faces),
        (
            "cosine to the model",
            f"lowest {parity.lowest_cosine:.6f}, mean {parity.mean_cosine:.6f}",
        ),
    ]
    if parity.tar:
        tar = parity.tar
        rows += [
            (f"TAR@FAR={tar.far:g}", f"{tar.before:.4f} before, {tar.after:.4f} after"),
            ("change", str(tar.change)),
        ]
    print_table([str(made.file), ""], rows)
