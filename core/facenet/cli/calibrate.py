"""`facenet calibrate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.data_options import PairsSource, data_options
from facenet.cli.options import PATH, config_options, json_option, open_recognizer
from facenet.cli.output import print_json, print_table
from facenet.errors import RequestError

if TYPE_CHECKING:
    from facenet.evaluation import MapKind, ScoredPairs
    from facenet.models import Probability
    from facenet.recognition import Recognizer


@click.command("calibrate")
@config_options("inference")
@click.option("--checkpoint", type=PATH, help="Bundle; default: checkpoint_path as configured.")
@data_options
@click.option(
    "--target-far",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=1e-3,
    show_default=True,
    help="Share of pairs of two people that may be taken for one.",
)
@click.option(
    "--probability",
    type=click.Choice(["logistic", "isotonic"]),
    help="Also fit a map from similarity to probability.",
)
@json_option
def command(
    config: Path,
    overrides: tuple[str, ...],
    checkpoint: Path | None,
    data: Path | None,
    pairs: Path | None,
    images: Path | None,
    target_far: float,
    probability: MapKind | None,
    as_json: bool,
) -> None:
    """Find the threshold for a false accept rate, and write it into the model's bundle.

    Measured through the whole pipeline on your photos: --data FOLDER of <identity>/<image>, or
    --pairs with --images. Verification and search then decide with it, and say so. Of the folder
    that the model was trained on, only the people whom it never saw are measured.
    """
    source = PairsSource(data, pairs, images)
    if not source.is_given:
        raise click.UsageError("name the data: --data FOLDER, or --pairs FILE --images FOLDER")
    with open_recognizer(config, overrides, checkpoint) as recognizer:
        bundle = _bundle_of(recognizer)
        from facenet.imaging import fingerprint
        from facenet.models import (
            calibration_fars,
            calibration_of,
            describe_threshold,
            spread_of,
            update_card,
        )

        result, failures, data_name = source.measure(
            recognizer, more_fars=calibration_fars(target_far)
        )
        calibration = calibration_of(
            result.summary,
            target_far,
            data=data_name,
            fingerprint=fingerprint(result.data.images, source.root),
            probability=_probability(result.summary.measured.pairs, probability),
            spread=spread_of(result),
        )
    update_card(bundle, {"calibration": calibration})
    if as_json:
        print_json({"bundle": bundle, "failures": failures, **calibration.model_dump()})
    else:
        print_table(["", ""], describe_threshold(calibration).rows)
        click.echo(f"written to {bundle}")


def _bundle_of(recognizer: Recognizer) -> Path:
    """The bundle to write to, checked before the work."""
    from facenet.models import read_card

    path = recognizer.config.checkpoint_path
    if not path.is_dir():
        raise RequestError(
            f"{path}: a checkpoint keeps no threshold; make a bundle of it with `facenet bundle "
            "create`, and calibrate that"
        )
    if read_card(path).space != recognizer.model.card.space:
        raise RequestError(
            f"image_size {recognizer.config.image_size}: is not the bundle's own, so that a "
            "threshold would not hold for it; leave image_size out"
        )
    return path


def _probability(pairs: ScoredPairs, kind: MapKind | None) -> Probability | None:
    from facenet.evaluation import fit_probability
    from facenet.models import Probability

    return Probability(**asdict(fit_probability(pairs, kind))) if kind else None
