"""The report of a sweep: results, figures and query figures, as a page and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facenet.benchmark.compare import compare_with_best
from facenet.benchmark.figures import NAMES, charts
from facenet.benchmark.panels import draw_panels
from facenet.benchmark.queries import query_panels
from facenet.benchmark.records import RunResult, Sweep
from facenet.benchmark.results import result_file, results_csv, results_json
from facenet.benchmark.summary import candidates, not_finished
from facenet.benchmark.tables import facts, intervals, reading, tables
from facenet.config import BenchmarkConfig
from facenet.imaging.png import png
from facenet.pages.machine import environment
from facenet.pages.page import FORMS, chart_files, data_address, render, to_svg, write_files

REPORT, RESULTS = "benchmark_report", "benchmark_results"
_FORMER = (
    *(f"{name}.{form}" for name in NAMES for form in FORMS),
    "embedding_dim_*_queries.png",
    "backbone_*_queries.png",
)
"""Figures of a former report, which go where this one has none of that name."""


def write_report(
    output: Path, sweep: Sweep, results: Sequence[RunResult], config: BenchmarkConfig
) -> list[Path]:
    """Write what came of the sweep in `output`, and return the files; the page comes last.

    `results` may hold failed runs, and fewer runs than planned: the report says so. It replaces
    the former one, which stays whole when this call is interrupted. Raises `FacenetError` when the
    disk does not take it.
    """
    found = candidates(results)
    ranked = compare_with_best(output, found)
    machine = environment()
    drawn = charts(found, intervals(found))
    panels = query_panels(output, found, config)
    files = {
        f"{RESULTS}.json": results_json(sweep, results, ranked, machine),
        f"{RESULTS}.csv": results_csv(results),
    } | chart_files(drawn)
    pictures = []
    for panel, pixels in zip(panels, draw_panels(panels), strict=True):
        files[f"{panel.name}.png"] = png(pixels)
        pictures.append((panel, data_address(pixels)))
    content = {
        "title": f"Benchmark on {config.training.data.root.name}",
        "reading": reading(sweep, results, ranked),
        "tables": tables(ranked),
        "charts": [(chart, to_svg(chart.figure, chart.caption)) for chart in drawn],
        "panels": pictures,
        "runs": [(result, result_file(result)) for result in results],
        "not_finished": not_finished(sweep, results),
        "facts": facts(results, config),
        "machine": machine,
    }
    for form in ("md", "html"):
        template = f"facenet.benchmark/report.{form}.j2"
        files[f"{REPORT}.{form}"] = render(template, **content).encode()
    write_files(output, files, instead_of=_FORMER)
    return [output / name for name in files]
