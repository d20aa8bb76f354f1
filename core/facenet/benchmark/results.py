"""The results of a sweep for programs: JSON and CSV, each number as its run's file has it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from facenet.benchmark.compare import Ranked
from facenet.benchmark.figures import COSTS
from facenet.benchmark.records import RESULT, RUNS, RunResult, Sweep
from facenet.benchmark.summary import Candidate, not_finished, pareto_front
from facenet.records import plain


def result_file(result: RunResult) -> str:
    """Where the numbers of a run come from, below the folder of the sweep."""
    return f"{RUNS}/{result.run.key.name}/{RESULT}"


def results_json(
    sweep: Sweep,
    results: Sequence[RunResult],
    ranked: Sequence[Ranked],
    environment: Sequence[tuple[str, str]],
) -> bytes:
    """All runs, the ranking of the networks, and the Pareto fronts. The same results give the same
    bytes, but for `environment`."""
    content = {
        "format_version": 1,
        "planned": len(sweep.runs),
        "not_finished": [key.name for key in not_finished(sweep, results)],
        "runs": [
            result.run.key.model_dump()
            | {"file": result_file(result)}
            | result.model_dump(mode="json", exclude={"format_version", "run"})
            for result in results
        ],
        "ranking": [
            _network(each.candidate)
            | {"accuracy": plain(each.candidate.accuracy), "against_best": plain(each.differences)}
            for each in ranked
        ],
        "pareto_fronts": {
            cost: [
                _network(each) for each in pareto_front([each.candidate for each in ranked], cost)
            ]
            for cost in COSTS
        },
        "environment": dict(environment),
    }
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"


def results_csv(results: Sequence[RunResult]) -> bytes:
    """A row for each run; a cell is empty where there is no number."""
    rows = [_row(result) for result in results]
    columns = dict.fromkeys(column for row in rows for column in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _network(candidate: Candidate) -> dict[str, Any]:
    return candidate.network._asdict() | {"runs": [run.run.key.name for run in candidate.runs]}


def _row(result: RunResult) -> dict[str, Any]:
    row = result.run.key.model_dump()
    row |= {"status": result.status, "reason": result.reason, "file": result_file(result)}
    for name, figure in result.figures.items():
        row |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
    others = {"format_version", "run", "status", "reason", "figures", "speed"}
    row |= result.model_dump(exclude=others)
    if result.speed:
        row |= result.speed.model_dump(exclude={"measured_with"})
        row |= result.speed.measured_with.model_dump()
    return row
