"""`facenet export`."""

from __future__ import annotations

from pathlib import Path

import click

from facenet.cli.options import PATH

FORMATS = ("torchscript", "bundle")


@click.command("export")
@click.option("--checkpoint", type=PATH, required=True, help="Checkpoint or bundle to export.")
@click.option("--output", type=PATH, required=True, help="File, or folder for a bundle.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True)
def command(checkpoint: Path, output: Path, kind: str) -> None:
    """Write a trained model in a form that runs elsewhere."""
    from facenet.models import load_model, save_bundle

    model = load_model(checkpoint)
    if kind == "bundle":
        save_bundle(model, output)
        click.echo(f"{output}: bundle, embedding space {model.card.space}")
        return
    from facenet.exporting import export_torchscript

    parity = export_torchscript(model, output)
    size = output.stat().st_size / 1e6
    click.echo(f"{output}: TorchScript, {size:.1f} MB, lowest cosine to the model {parity:.6f}")
