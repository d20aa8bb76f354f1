"""`facenet store migrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.main import INTERRUPTED
from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json, print_table, progress, report_skipped
from facenet.text import count

if TYPE_CHECKING:
    from facenet.config import InferenceConfig
    from facenet.recognition.decisions import DecisionChange
    from facenet.recognition.migration import Migration

SHOWN = 10
FIGURES = {
    "rank_1": "rank-1",
    "threshold": "threshold",
    "right": "named rightly",
    "wrong": "named wrongly",
    "nobody": "named nobody",
}


@click.command()
@config_options("inference")
@click.option("--to", "bundle", type=PATH, help="The bundle of the model to change to.")
@click.option("--images", type=PATH, help="The photos it was enrolled from: <identity>/<image>.")
@click.option("--crops", is_flag=True, help="Embed the aligned faces that the gallery has kept.")
@click.option("--no-switch", is_flag=True, help="Only prepare, and say what would change.")
@click.option(
    "--without-missing", is_flag=True, help="Leave behind samples of which there is no picture."
)
@click.option(
    "--abandon", is_flag=True, help="Give up an unfinished migration, or the former collection."
)
@json_option
def migrate(
    config: Path,
    overrides: tuple[str, ...],
    bundle: Path | None,
    images: Path | None,
    crops: bool,
    no_switch: bool,
    without_missing: bool,
    abandon: bool,
    as_json: bool,
) -> int:
    """Bring the gallery to another model: embed its samples anew, compare, and switch.

    The configuration is that of the present model. The new collection is made beside the old one,
    which is used meanwhile; a run that was ended goes on with the same command. To go back, change
    checkpoint_path and migrate to the former model: what it knows already is kept.
    """
    if abandon:
        return _abandon(config, overrides)
    if bundle is None:
        raise click.UsageError("give the model to change to with --to, or --abandon")
    if (images is None) is not crops:
        raise click.UsageError("give either --images or --crops: what to embed")
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.migration import migrate
        from facenet.signals import stopped_by_signals

        with stopped_by_signals() as asked, progress("embedding") as update:
            report = migrate(
                recognizer,
                bundle,
                images=images,
                switch=not no_switch,
                without_missing=without_missing,
                progress=update,
                stop=asked.is_set,
            )
        former = recognizer.config
    if as_json:
        print_json(report)
    else:
        _print(report, former.checkpoint_path, bundle)
    _warn(report, former, bundle)
    if report.interrupted:
        click.echo(
            f"facenet: interrupted: {report.done:,} of {report.samples:,} samples are embedded; "
            "the same command goes on with the others",
            err=True,
        )
        return INTERRUPTED
    return 0 if report.switched or no_switch else 1


def _abandon(config: Path, overrides: tuple[str, ...]) -> int:
    with open_recognizer(config, overrides) as recognizer:
        from facenet.recognition.migration import abandon

        given_up = abandon(recognizer)
    said = {
        "unfinished": "the unfinished migration is given up",
        "former": "the former collection is gone: there is no way back to its model",
        None: "the gallery has one collection only",
    }
    click.echo(said[given_up])
    return 0


def _print(report: Migration, former: Path, bundle: Path) -> None:
    click.echo(f"{report.done:,} of {count(report.samples, 'sample')} are in the new space")
    if report.change is not None:
        _print_change(report.change)
    if report.switched:
        left = report.samples - report.done
        click.echo(
            f"the gallery is in the space of {bundle} now: set checkpoint_path to it (was "
            f"{former}), and start anew what has the gallery open"
            + (f"; {count(left, 'sample')} stayed behind" if left else "")
        )
    elif report.change is not None:
        click.echo("the gallery is in its former space still")
    which = "left behind" if report.switched else "without a picture that can be used"
    names = [str(each) for each in report.incomplete]
    became = f"of whom samples are {which}, and who are not compared"
    report_skipped("identity", names, SHOWN, became=became, plural="identities")
    if report.incomplete and not report.switched:
        click.echo(
            "--without-missing switches, and leaves these samples behind, for good: the way back "
            "does not bring them",
            err=True,
        )


def _print_change(change: DecisionChange) -> None:
    rows = [[what, *change.values_of(name)] for name, what in FIGURES.items()]
    title = f"{count(change.probes, 'sample')} of {change.identities} identities, each left out"
    print_table(["", "before", "after"], rows, title)
    if change.before.threshold is None or change.after.threshold is None:
        click.echo("no decisions to compare: one of the models is not calibrated")
        return
    click.echo(f"{count(len(change.flips), 'decision')} would change")
    for flip in change.flips[:SHOWN]:
        was, now = flip.before or "nobody", flip.after or "nobody"
        click.echo(f"  {flip.identity}, sample {flip.sample}: {was} -> {now}")


def _warn(report: Migration, former: InferenceConfig, bundle: Path) -> None:
    """What speaks against the new model, on standard error."""
    change = report.change
    if change is None:
        return
    if change.worse:
        figures = (
            f"{FIGURES[name]} {before:.4g} -> {after:.4g}"
            for name in change.worse
            for before, after in [change.values_of(name)]
        )
        back = f"; the way back is --to {former.checkpoint_path}" if report.switched else ""
        click.echo(
            f"facenet: {bundle} is the worse model here: {', '.join(figures)}{back}", err=True
        )
    if former.threshold is not None:
        click.echo(
            f"facenet: threshold {former.threshold} of the configuration is the former model's: "
            f"leave it out with {bundle}, or choose another",
            err=True,
        )
    if change.after.threshold is None:
        click.echo(
            f"facenet: {bundle} is not calibrated, so that searches name nobody: `facenet "
            f"calibrate --checkpoint {bundle} --data FOLDER`",
            err=True,
        )
