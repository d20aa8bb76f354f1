"""`facenet evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facenet.cli.data_options import PairsSource, data_options, recognizer_of
from facenet.cli.figures import print_identification, print_slices, print_verification
from facenet.cli.options import PATH, config_options, json_option, load_train_config
from facenet.cli.output import print_json, progress, report_skipped
from facenet.paths import checked_output_folder

if TYPE_CHECKING:
    from facenet.evaluation import IdentificationResult, Slice, VerificationResult
    from facenet.models import ModelCard
    from facenet.recognition import Recognizer

Threshold = tuple[float, str]
"""A similarity, and where it comes from."""


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What was measured, of which model, on what."""

    model: ModelCard
    data: str
    root: Path
    pipeline: str
    verification: VerificationResult | None
    identification: IdentificationResult | None
    failures: Sequence[str]
    threshold: Threshold | None


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
        checked_output_folder(output)
    if gallery is not None and probe is not None:
        with recognizer_of(config or _INFERENCE, overrides, checkpoint) as recognizer:
            measured = _search(recognizer, gallery, probe)
    elif source.is_given:
        with recognizer_of(config or _INFERENCE, overrides, checkpoint) as recognizer:
            measured = _verify(recognizer, source)
    elif checkpoint is not None:
        measured = _held_out(config or _TRAIN, overrides, checkpoint)
    else:
        raise click.UsageError("name a --checkpoint, or data: --pairs, --data, or --gallery")
    found = _slices(measured, attributes) if attributes else []
    if output is not None:
        _report(measured, found, output)
    if as_json:
        print_json(_record(measured, found))
        return
    if measured.verification:
        print_verification(measured.verification.summary)
    if measured.identification:
        print_identification(measured.identification.identification)
    print_slices(found)
    if output is not None:
        click.echo(f"report  {output / 'index.html'}")


_TRAIN, _INFERENCE = Path("configs/train.yaml"), Path("configs/inference.yaml")


def _held_out(config: Path, overrides: tuple[str, ...], checkpoint: Path) -> Measurement:
    loaded = load_train_config(config, overrides)
    from facenet.training import evaluate

    evaluation = evaluate(loaded, checkpoint)
    point = evaluation.verification.decision_point()
    return Measurement(
        model=evaluation.card,
        data=f"people held out from {loaded.data.root.name}",
        root=loaded.data.root,
        pipeline="image files as in training: no detector",
        verification=evaluation.pairs,
        identification=evaluation.searches,
        failures=(),
        threshold=(point.threshold, f"FAR {point.far:g} on these pairs") if point else None,
    )


def _verify(recognizer: Recognizer, source: PairsSource) -> Measurement:
    result, failures = source.measure(recognizer)
    threshold = recognizer.known_threshold()
    point = result.summary.measured.verification.decision_point()
    if threshold is None and point is not None:
        threshold = point.threshold, f"FAR {point.far:g} on these pairs"
    return Measurement(
        model=recognizer.model.card,
        data=source.name,
        root=source.root,
        pipeline=_pipeline(recognizer),
        verification=result,
        identification=None,
        failures=failures,
        threshold=threshold,
    )


def _search(recognizer: Recognizer, gallery: Path, probe: Path) -> Measurement:
    from facenet.evaluation import identification_result
    from facenet.recognition import embed_identities

    with progress("embedding the gallery") as update:
        enrolled, failures = embed_identities(recognizer, gallery, update)
    report_skipped("image of the gallery", failures)
    with progress("embedding the probes") as update:
        probes, lost = embed_identities(recognizer, probe, update)
    report_skipped("probe", lost, became="counted as not recognised")
    return Measurement(
        model=recognizer.model.card,
        data=f"{probe.name} in {gallery.name}",
        root=probe,
        pipeline=_pipeline(recognizer),
        verification=None,
        identification=identification_result(enrolled, probes),
        failures=[*failures, *lost],
        threshold=None,
    )


def _pipeline(recognizer: Recognizer) -> str:
    alignment = recognizer.model.card.preprocessing.alignment
    return f"detector {recognizer.config.detector.plugin}, alignment {alignment}"


def _slices(measured: Measurement, path: Path) -> list[Slice]:
    from facenet.evaluation import read_attributes, slices

    result = measured.verification or measured.identification
    assert result is not None, "something was measured"
    attributes = read_attributes(path, result.data)
    threshold = measured.threshold[0] if measured.threshold else None
    with progress("measuring groups") as update:
        return slices(result, attributes, threshold, update)


def _record(measured: Measurement, found: list[Slice]) -> dict[str, object]:
    """What `--json` prints."""
    record: dict[str, object] = {
        "model": measured.model.space,
        "data": measured.data,
        "pipeline": measured.pipeline,
        "failures": measured.failures,
        "figures": {},
    }
    figures: dict[str, object] = {}
    if measured.verification:
        summary = measured.verification.summary
        exact = summary.measured.verification
        figures |= summary.figures
        record |= {
            "genuine_pairs": exact.genuine_pairs,
            "impostor_pairs": exact.impostor_pairs,
            "people": summary.identities,
            "accuracy_protocol": summary.protocol,
            "best_threshold": exact.best_threshold,
            "thresholds": {f"{far:g}": value for far, value in summary.thresholds.items()},
        }
    if measured.identification:
        searches = measured.identification.identification
        figures |= searches.figures
        record |= {
            "gallery": searches.gallery,
            "mated": searches.mated,
            "non_mated": searches.non_mated,
            "open_set": searches.open_set,
        }
    return record | {"figures": figures, "slices": found}


def _report(measured: Measurement, found: list[Slice], folder: Path) -> None:
    """Write the report's page and figures."""
