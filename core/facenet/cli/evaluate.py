"""`facenet evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.data_options import PairsSource, data_options, left_out
from facenet.cli.measurement import (
    Measurement,
    print_measurement,
    print_measurement_json,
    write_measurement,
)
from facenet.cli.options import (
    PATH,
    config_options,
    json_option,
    load_train_config,
    open_recognizer,
)
from facenet.cli.output import progress, report_skipped

if TYPE_CHECKING:
    from facenet.evaluation import Slice, Verification
    from facenet.recognition import Recognizer

TRAIN, INFERENCE = Path("configs/train.yaml"), Path("configs/inference.yaml")


@click.command("evaluate")
@config_options("train", "inference")
@click.option("--checkpoint", type=PATH, help="Checkpoint or bundle to measure.")
@data_options
@click.option("--gallery", type=PATH, help="Folder of <identity>/<image> to search in.")
@click.option("--probe", type=PATH, help="Folder of <identity>/<image> to search with.")
@click.option(
    "--slices", "attributes", type=PATH, help="CSV of attributes by identity or image: by group."
)
@click.option("--output", type=PATH, help="Folder for the report: index.html and figures.")
@json_option
def command(
    config: Path | None,
    overrides: tuple[str, ...],
    checkpoint: Path | None,
    data: Path | None,
    pairs: Path | None,
    images: Path | None,
    gallery: Path | None,
    probe: Path | None,
    attributes: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Measure a model, with a 95 % confidence interval on every figure.

    \b
    On the people that its training held out (configs/train.yaml):
      facenet evaluate --checkpoint artifacts/train/bundle
    The whole pipeline of configs/inference.yaml, on photos:
      facenet evaluate --pairs pairs.txt --images FOLDER
      facenet evaluate --data FOLDER
      facenet evaluate --gallery FOLDER --probe FOLDER
    """
    source = PairsSource(data, pairs, images)
    if (gallery is None) != (probe is None):
        raise click.UsageError("--gallery and --probe go together")
    if gallery is not None and source.is_given:
        raise click.UsageError("--gallery and --probe exclude --data and --pairs")
    if output is not None:
        from facenet.evaluation.report import checked_report_folder

        checked_report_folder(output)
    if gallery is not None and probe is not None:
        with open_recognizer(config or INFERENCE, overrides, checkpoint) as recognizer:
            measured = _search(recognizer, gallery, probe)
    elif source.is_given:
        with open_recognizer(config or INFERENCE, overrides, checkpoint) as recognizer:
            measured = _verify(recognizer, source)
    elif checkpoint is not None:
        measured = _held_out(config or TRAIN, overrides, checkpoint)
    else:
        raise click.UsageError("name a --checkpoint, or data: --pairs, --data, or --gallery")
    groups = _groups(measured, attributes) if attributes else []
    if output is not None:
        write_measurement(measured, groups, output)
    if as_json:
        print_measurement_json(measured, groups)
    else:
        print_measurement(measured, groups)


def _held_out(config: Path, overrides: tuple[str, ...], checkpoint: Path) -> Measurement:
    loaded = load_train_config(config, overrides)
    from facenet.training import evaluate

    evaluation = evaluate(loaded, checkpoint)
    return Measurement(
        model=evaluation.card,
        data=f"people held out from {loaded.data.root.name}",
        root=loaded.data.root,
        pipeline="images as in training, no detector",
        results=[evaluation.pairs, evaluation.searches],
        failures=(),
        threshold=_threshold(evaluation.verification),
    )


def _verify(recognizer: Recognizer, source: PairsSource) -> Measurement:
    result, failures, name = source.measure(recognizer)
    return Measurement(
        model=recognizer.model.card,
        data=name,
        root=source.root,
        pipeline=_pipeline(recognizer),
        results=[result],
        failures=failures,
        threshold=recognizer.known_threshold() or _threshold(result.summary.measured.verification),
    )


def _search(recognizer: Recognizer, gallery: Path, probe: Path) -> Measurement:
    from facenet.evaluation import identification_result
    from facenet.recognition import embed_identities

    seen = {root: left_out(recognizer, root) for root in {gallery, probe}}
    with progress("embedding the gallery") as update:
        enrolled, failures = embed_identities(recognizer, gallery, update, without=seen[gallery])
    report_skipped("image of the gallery", failures)
    with progress("embedding the probes") as update:
        probes, lost = embed_identities(recognizer, probe, update, without=seen[probe])
    report_skipped("probe", lost, became="counted as not recognised")
    return Measurement(
        model=recognizer.model.card,
        data=f"{probe.name} in {gallery.name}",
        root=probe,
        pipeline=_pipeline(recognizer),
        results=[identification_result(enrolled, probes)],
        failures=[*failures, *lost],
        threshold=None,
    )


def _groups(measured: Measurement, path: Path) -> list[Slice]:
    from facenet.evaluation import read_attributes, slices

    attributes = read_attributes(path, measured.images)
    threshold = measured.threshold[0] if measured.threshold else None
    with progress("measuring groups") as update:
        return slices(measured.results[0], attributes, threshold, update)


def _threshold(found: Verification) -> tuple[float, str] | None:
    """One that these pairs support, for a model that has none."""
    point = found.decision_point()
    return (point.threshold, f"FAR {point.far:g} on these pairs") if point else None


def _pipeline(recognizer: Recognizer) -> str:
    alignment = recognizer.model.card.preprocessing.alignment
    return f"detector {recognizer.config.detector.plugin}, alignment {alignment}"
