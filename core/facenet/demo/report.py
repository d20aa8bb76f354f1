"""The demo's report: one HTML file that needs nothing beside it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from facenet.demo.run import DemoResult, Probe
from facenet.evaluation.figures import histogram_figure, roc_figure
from facenet.imaging import centre_square, open_photo
from facenet.pages.page import data_address, render, to_svg, write_files
from facenet.pages.parts import Row
from facenet.pages.style import GENUINE, IMPOSTOR, dress, new_figure, styled

PANELS = 8
"""How many searched probes the report shows."""
THUMBNAIL = 96


def write_report(result: DemoResult, path: Path) -> None:
    """Write the page."""
    summary = result.evaluation.summary
    point = summary.measured.verification.decision_point()
    histogram = histogram_figure(summary.measured.pairs, point.threshold if point else None)
    page = render(
        "facenet.demo/report.html.j2",
        facts=facts(result),
        figures=[
            to_svg(training_figure(result.metrics), "Training loss, and AUC on unseen identities"),
            to_svg(roc_figure(summary), "TAR against FAR"),
            to_svg(histogram, "Similarities of genuine and of impostor pairs"),
        ],
        panels=[_panel(result, probe) for probe in _chosen(result.probes)],
        identities=len(result.enrolled),
    )
    write_files(path.parent, {path.name: page.encode()})


def facts(result: DemoResult) -> list[Row]:
    """The figures of a demo, for the terminal and the report alike."""
    verification = result.evaluation.verification
    point = verification.decision_point()
    unseen = len(result.enrolled)
    enrolled = sum(len(paths) for paths in result.enrolled.values())
    rows = [
        ("model", "trained now" if result.trained_now else "trained before, reused"),
        ("trained on", f"{len(result.folder.identities) - unseen} identities"),
        ("measured on", f"{unseen} identities never seen in training"),
        (
            "pairs",
            f"{verification.genuine_pairs:,} genuine, {verification.impostor_pairs:,} impostor",
        ),
        ("accuracy", f"{verification.accuracy:.4f} at the best threshold"),
        ("ROC AUC", f"{verification.auc:.4f}"),
    ]
    if point:
        rows.append(
            (f"TAR@FAR={point.far:g}", f"{point.tar:.4f} at threshold {point.threshold:.4f}")
        )
    return [
        *rows,
        ("gallery", f"{enrolled} images of {unseen} identities in PostgreSQL"),
        ("searches", f"{len(result.probes)} probes"),
        ("rank-1", f"{result.rank(1):.4f}"),
        ("rank-3", f"{result.rank(3):.4f}"),
    ]


@styled
def training_figure(metrics: Path) -> Figure:
    """Training loss of each logged step, and AUC on unseen identities after each epoch."""
    with metrics.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    figure, axes = new_figure("Training", "step", "triplet loss")
    for key, color, target, label in (
        ("train_loss", IMPOSTOR, axes, "triplet loss"),
        ("val_auc", GENUINE, axes.twinx(), "AUC on unseen identities"),
    ):
        points = [(int(row["step"]), float(row[key])) for row in rows if row.get(key)]
        target.plot(*zip(*points, strict=True), color=color, label=label, linewidth=1.5)
        target.set_ylabel(label)
        if target is not axes:
            dress(target)
            target.grid(visible=False)
            target.spines["right"].set_visible(True)
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _chosen(probes: list[Probe]) -> list[Probe]:
    """Successes, evenly spread over all probes, then a few mistakes."""
    wrong = [probe for probe in probes if probe.matches[0].identity != probe.identity]
    right = [probe for probe in probes if probe not in wrong]
    step = max(1, len(right) // PANELS)
    mistakes = wrong[: max(PANELS // 4, PANELS - len(right))]
    return right[::step][: PANELS - len(mistakes)] + mistakes


def _panel(result: DemoResult, probe: Probe) -> dict[str, Any]:
    return {
        "identity": probe.identity,
        "image": _thumbnail(probe.path),
        "matches": [
            {
                "identity": match.identity,
                "similarity": match.similarity,
                "right": match.identity == probe.identity,
                "image": _thumbnail(result.enrolled[match.identity][0]),
            }
            for match in probe.matches
        ],
    }


def _thumbnail(path: Path) -> str:
    return data_address(centre_square(open_photo(path), THUMBNAIL))
