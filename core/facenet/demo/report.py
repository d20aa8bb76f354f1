"""The demo's report: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import csv
import io
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from facenet.demo.run import DemoResult, Probe
from facenet.evaluation.figures import (
    GENUINE,
    IMPOSTOR,
    NEUTRAL,
    histogram_figure,
    new_figure,
    roc_figure,
    to_svg,
)
from facenet.imaging import crop_face, decode, whole_image_box

PANELS = 8
"""How many searched probes the report shows."""
THUMBNAIL = 96


def write_report(result: DemoResult, rows: list[tuple[str, str]], path: Path) -> None:
    """Write the page; `rows` is the table of figures as (name, value)."""
    pairs = result.evaluation.summary.measured.pairs
    point = result.evaluation.verification.decision_point()
    template = resources.files("facenet.demo").joinpath("report.html.j2").read_text("utf-8")
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(template)
    html = page.render(
        rows=rows,
        figures=[
            to_svg(training_figure(result.metrics)),
            to_svg(roc_figure(result.evaluation.verification)),
            to_svg(
                histogram_figure(
                    pairs.similarity, pairs.genuine, point.threshold if point else None
                )
            ),
        ],
        panels=[_panel(result, probe) for probe in _chosen(result.probes)],
        identities=len(result.enrolled),
    )
    partial = path.with_suffix(".partial")
    partial.write_text(html, encoding="utf-8")
    partial.replace(path)


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
        target.spines["top"].set_visible(False)
        target.spines[:].set_color(NEUTRAL)
        target.tick_params(color=NEUTRAL)
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
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
    """The face as a data: address."""
    image = decode(path)
    buffer = io.BytesIO()
    face = crop_face(image, whole_image_box(image), THUMBNAIL)
    Image.fromarray(face).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
