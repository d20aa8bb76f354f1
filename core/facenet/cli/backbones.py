"""`facenet backbones`."""

from __future__ import annotations

import click

from facenet.architectures import listed
from facenet.cli.options import json_option
from facenet.cli.output import print_json, print_table, report_skipped
from facenet.errors import PluginError
from facenet.plugins import Registry
from facenet.text import did_you_mean
from facenet.types import Architecture


@click.command("backbones")
@click.option("--grep", "text", default="", metavar="TEXT", help="Only names that contain TEXT.")
@json_option
def command(text: str, as_json: bool) -> None:
    """List the networks that `model.backbone` can name; none is built.

    `size` is the side in pixels that a network was designed for, `licence` that of its pretrained
    weights; - where it is not known.
    """
    failures: list[PluginError] = []
    offered = [
        (plugin.ref.name, architecture)
        for plugin, architectures in listed(Registry(), failures)
        for architecture in architectures
    ]
    report_skipped("backbone plugin", [str(failure) for failure in failures])
    # A network is also found by the name that is never ambiguous, source/name.
    found = [(s, a) for s, a in offered if text.lower() in f"{s}/{a.name}".lower()]
    if as_json:
        print_json([_record(source, architecture) for source, architecture in found])
    elif found:
        print_table(
            ["name", "source", "parameters", "size", "licence"],
            [
                (a.name, source, _millions(a.parameters), a.input_size, a.licence)
                for source, a in found
            ],
        )
    else:
        hint = did_you_mean(text, [a.name for _, a in offered])
        click.echo(f"no backbone's name contains {text!r}{hint}", err=True)


def _record(source: str, architecture: Architecture) -> dict[str, str | int | None]:
    return {
        "name": architecture.name,
        "source": source,
        "parameters": architecture.parameters,
        "input_size": architecture.input_size,
        "licence": architecture.licence,
    }


def _millions(parameters: int | None) -> str | None:
    return None if parameters is None else f"{parameters / 1e6:.1f} M"
