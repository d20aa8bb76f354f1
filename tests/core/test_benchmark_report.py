"""What a sweep shows: its numbers, figures, query figures and report."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facenet.benchmark.panels import FRAME, TILE, draw_panels
from facenet.benchmark.queries import Panel, query_panels
from facenet.benchmark.records import RunResult, Speed, Sweep, run_folder
from facenet.benchmark.report import write_report
from facenet.benchmark.summary import Candidate, Network, candidates, pareto_front
from facenet.errors import FacenetError
from facenet.evaluation import Estimate
from facenet.imaging.drawing import KNOWN, UNKNOWN

from .sweeps import MEASURED_WITH, Run, embedded, sweep_config, write_sweep

LONG = "timm/convnextv2_tiny.fcmae_ft_in22k_in1k_variant_{}"
TWELVE = [LONG.format(number) for number in range(12)]
THREE = [
    Run("resnet18", 16, noise=1.4, latency=2.0),
    Run("resnet18", 32, noise=1.2, latency=2.1),
    Run("timm/resnet50", 16, noise=0.8, latency=9.0, parameters=25_000_000),
]
FAILED, WAITING = Run("vgg", status="failed"), Run("resnet34", status="waiting")
FIGURES = {
    f"benchmark_{name}.{form}"
    for name in ("accuracy", "latency", "size")
    for form in ("png", "pdf")
}
TEXTS = {
    f"benchmark_{name}" for name in ("results.json", "results.csv", "report.md", "report.html")
}


def report(
    output: Path, faces: Path, runs: Sequence[Run], **changes: Any
) -> tuple[Sweep, list[RunResult]]:
    """The sweep of which a report stands in `output`."""
    query = changes.get("query_image")
    sweep, results = write_sweep(output, faces, runs, query)
    write_report(output, sweep, results, sweep_config(output, faces, **changes))
    return sweep, results


@pytest.fixture(scope="module")
def output(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with all that may happen, and its report."""
    folder = tmp_path_factory.mktemp("sweep")
    report(folder, faces, [*THREE, FAILED, WAITING])
    return folder


@pytest.fixture(scope="module")
def results(output: Path) -> dict[str, dict[str, Any]]:
    """The results of its runs as their files have them, by the name of the run."""
    files = output.glob("runs/*/run_result.json")
    return {path.parent.name: json.loads(path.read_bytes()) for path in files}


def test_every_number_of_the_json_is_that_of_the_file_it_names(
    output: Path, results: dict[str, dict[str, Any]]
) -> None:
    found = json.loads((output / "benchmark_results.json").read_bytes())
    assert {run["name"] for run in found["runs"]} == set(results)
    for run in found["runs"]:
        result = json.loads((output / run["file"]).read_bytes())
        key = result.pop("run")["key"]
        result.pop("format_version")
        assert run == key | {"file": run["file"]} | result


def test_every_number_of_the_csv_is_that_of_the_file_it_names(
    output: Path, results: dict[str, dict[str, Any]]
) -> None:
    rows = list(csv.DictReader(io.StringIO((output / "benchmark_results.csv").read_text("utf-8"))))
    assert [row["name"] for row in rows] == [run.planned.key.name for run in [*THREE, FAILED]]
    for row in rows:
        result = json.loads((output / row["file"]).read_bytes())
        for name, figure in result["figures"].items():
            for column, number in (
                (name, figure["value"]),
                (f"{name}_low", figure["low"]),
                (f"{name}_high", figure["high"]),
            ):
                assert row[column] == ("" if number is None else repr(number))
        for name in ("genuine_pairs", "training_seconds", "peak_memory", "identities"):
            assert row[name] == str(result[name])
        for name in ("parameters", "flops", "latency_ms", "throughput"):
            assert row[name] == (str(result["speed"][name]) if result["speed"] else "")


@pytest.mark.parametrize("name", ["benchmark_report.md", "benchmark_report.html"])
def test_the_report_has_every_figure_with_its_interval_and_names_the_files(
    output: Path, results: dict[str, dict[str, Any]], name: str
) -> None:
    text = html.unescape((output / name).read_text("utf-8"))
    for run, result in results.items():
        assert f"runs/{run}/run_result.json" in text
        for figure in result["figures"].values():
            if figure["value"] is not None:
                assert str(Estimate(**figure)) in text
        if result["speed"]:
            assert f"{result['speed']['parameters']:,}" in text
            assert f"{result['speed']['latency_ms']:.2f}" in text


@pytest.mark.parametrize("name", ["benchmark_report.md", "benchmark_report.html"])
def test_the_report_says_what_failed_and_what_is_still_to_come(output: Path, name: str) -> None:
    text = html.unescape((output / name).read_text("utf-8"))
    assert "3 of 5 runs finished, 1 failed, 1 still to come" in text
    reason = "training diverged: loss is NaN <at> step 12; lower optimizer.lr"
    assert reason in text.replace("\n", " ").replace("  ", " ")
    assert "resnet34-d16-batch_hard-s0: not finished" in text


def test_the_table_is_sorted_by_accuracy_and_says_who_is_not_worse(
    faces: Path, tmp_path: Path
) -> None:
    noises = {"bad": 2.5, "good": 0.8, "fair": 1.8, "as good": 0.8}
    runs = [Run(name, noise=noise) for name, noise in noises.items()]
    _, found = report(tmp_path, faces, runs)
    text = (tmp_path / "benchmark_report.md").read_text("utf-8")
    table = text.partition("## Accuracy")[2].partition("## ")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][2:]
    ranked = sorted(found, key=lambda result: -result.figures["accuracy"].value)
    assert [row[0].removeprefix("| ") for row in rows] == [
        result.run.key.backbone for result in ranked
    ]
    verdicts = [row[-1].removesuffix(" |") for row in rows]
    assert verdicts == ["the best", "≈ no difference shown", "worse", "worse"]


def test_two_calls_differ_in_the_environment_alone(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, found = write_sweep(tmp_path, faces, THREE)
    config = sweep_config(tmp_path, faces)
    written = []
    for date in ("today", "tomorrow"):
        monkeypatch.setattr(
            "facenet.benchmark.report.environment", lambda day=date: [("date", day)]
        )
        files = write_report(tmp_path, sweep, found, config)
        written.append({path.name: path.read_bytes() for path in files})
    first, second = (json.loads(files.pop("benchmark_results.json")) for files in written)
    assert (first.pop("environment"), second.pop("environment")) == (
        {"date": "today"},
        {"date": "tomorrow"},
    )
    assert first == second
    assert {name for name in written[0] if written[0][name] != written[1][name]} == {
        "benchmark_report.md",
        "benchmark_report.html",
    }


def test_the_page_needs_nothing_beside_it(output: Path) -> None:
    page = (output / "benchmark_report.html").read_text("utf-8")
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert page.count("<svg") == 3
    assert page.count("<img") == len(list(output.glob("*_queries.png")))


def test_every_file_that_the_markdown_links_to_is_there(output: Path) -> None:
    text = (output / "benchmark_report.md").read_text("utf-8")
    linked = re.findall(r"\]\(([^)]+)\)", text)
    assert {path.name for path in output.iterdir() if path.is_file()} - {"sweep.json"} <= {
        *linked,
        "benchmark_report.md",
    }
    assert [name for name in linked if not (output / name).is_file()] == []


@pytest.mark.parametrize(
    ("backbones", "dims", "width"),
    [(["resnet18"], [16], 3.5), (["resnet18"], [8, 16, 64], 3.5), (TWELVE, [16], 7)],
    ids=["one", "one, three sizes", "twelve"],
)
def test_figures_have_the_width_of_a_paper(
    backbones: list[str], dims: list[int], width: float, faces: Path, tmp_path: Path
) -> None:
    report(tmp_path, faces, [Run(name, dim) for name in backbones for dim in dims])
    for name in ("accuracy", "latency", "size"):
        with Image.open(tmp_path / f"benchmark_{name}.png") as image:
            assert image.width == width * 200
        document = (tmp_path / f"benchmark_{name}.pdf").read_bytes()
        assert re.search(rb"/MediaBox \[\s*0 0 %d " % (72 * width), document)
        assert b"/FontFile2" in document
        assert b"/Type3" not in document
    for dim in dims:
        assert (tmp_path / f"embedding_dim_{dim}_queries.png").is_file()
    assert len(list(tmp_path.glob("backbone_*_queries.png"))) == len(backbones)


@pytest.mark.parametrize(("latency", "together"), [(2.1, True), (20.0, False)])
def test_labels_of_the_pareto_front_are_joined_where_they_would_run_into_each_other(
    latency: float, together: bool, faces: Path, tmp_path: Path
) -> None:
    slower = THREE[1]._replace(latency=latency)
    report(tmp_path, faces, [THREE[0], slower, THREE[2]._replace(latency=40.0)])
    page = (tmp_path / "benchmark_report.html").read_text("utf-8")
    assert (">16, 32</text>" in page) is together


def test_a_sweep_without_results_has_a_report_without_figures(faces: Path, tmp_path: Path) -> None:
    report(tmp_path, faces, [WAITING, FAILED])
    files = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert files == TEXTS | {"sweep.json"}
    assert "0 of 2 runs finished, 1 failed" in (tmp_path / "benchmark_report.md").read_text()


def test_what_is_not_measured_yet_has_accuracy_alone(faces: Path, tmp_path: Path) -> None:
    report(tmp_path, faces, [run._replace(status="trained") for run in THREE])
    files = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert files == TEXTS | {"sweep.json", "benchmark_accuracy.png", "benchmark_accuracy.pdf"}
    assert "not compared" in (tmp_path / "benchmark_report.md").read_text("utf-8")


def test_figures_of_a_former_report_go_and_other_files_stay(faces: Path, tmp_path: Path) -> None:
    report(tmp_path, faces, THREE)
    (tmp_path / "notes.txt").write_text("mine")
    report(tmp_path, faces, [THREE[0]])
    assert not (tmp_path / "backbone_timm-resnet50_queries.png").exists()
    assert not (tmp_path / "embedding_dim_32_queries.png").exists()
    assert (tmp_path / "embedding_dim_16_queries.png").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_full_disk_is_an_error_and_leaves_the_former_report(
    faces: Path, tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    sweep, found = report(tmp_path, faces, THREE)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    config = sweep_config(tmp_path, faces, top_k=1)
    with full_disk(1000), pytest.raises(FacenetError, match="the report cannot be written"):
        write_report(tmp_path, sweep, found, config)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_figures_of_several_seeds_are_means_with_students_interval(
    faces: Path, tmp_path: Path
) -> None:
    runs = [Run(seed=seed, latency=seed + 1.0) for seed in (0, 1, 2, 3)]
    _, found = report(tmp_path, faces, runs)
    (candidate,) = candidates(found)
    values = [result.figures["eer"].value for result in found]
    reach = 3.182446 * np.std(values, ddof=1) / 2
    eer = candidate.figure("eer")
    assert eer.value == pytest.approx(np.mean(values))
    assert (eer.low, eer.high) == pytest.approx((eer.value - reach, eer.value + reach))
    assert candidate.figure("tar_at_far_1e-06").value is None
    assert candidate.cost("latency_ms") == 2.5
    text = (tmp_path / "benchmark_report.md").read_text("utf-8")
    assert "Student's 95 % intervals over seeds" in text
    assert text.count("run_result.json") == 4


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), max_size=12))
def test_the_pareto_front_holds_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    front = pareto_front([network(cost, accuracy / 6) for cost, accuracy in points], "parameters")
    found = [(each.cost("parameters"), round(6 * each.accuracy.value)) for each in front]

    def is_beaten(one: tuple[int, int]) -> bool:
        return any(
            (other[0] < one[0] and other[1] >= one[1]) or (other[0] <= one[0] and other[1] > one[1])
            for other in points
        )

    assert found == sorted(one for one in points if not is_beaten(one))


def network(parameters: int, accuracy: float) -> Candidate:
    """A candidate with a cost and an accuracy."""
    speed = Speed(
        measured_with=MEASURED_WITH, parameters=parameters, flops=1, latency_ms=1, throughput=1
    )
    result = RunResult(
        run=Run().planned, status="done", figures={"accuracy": Estimate(accuracy)}, speed=speed
    )
    return Candidate(Network("resnet18", 16, "batch_hard"), (result,))


def panels(output: Path, faces: Path, runs: Sequence[Run], **changes: Any) -> dict[str, Panel]:
    _, found = write_sweep(output, faces, runs, changes.get("query_image"))
    config = sweep_config(output, faces, **changes)
    return {panel.name: panel for panel in query_panels(output, candidates(found), config)}


def test_panels_rank_backbones_by_accuracy_and_sizes_by_length(faces: Path, tmp_path: Path) -> None:
    runs = [
        Run(name, dim, noise=noise)
        for name, noise in (("bad", 2.0), ("good", 0.5), ("fair", 1.0))
        for dim in (32, 8, 16)
    ]
    found = panels(tmp_path, faces, runs)
    assert set(found) == {
        *(f"embedding_dim_{dim}_queries" for dim in (8, 16, 32)),
        *(f"backbone_{name}_queries" for name in ("good", "fair", "bad")),
    }
    for name, panel in found.items():
        by_backbone = ["32 numbers", "16 numbers", "8 numbers"]
        expected = by_backbone if name.startswith("backbone") else ["good", "fair", "bad"]
        assert len(panel.searches) == 2
        for _, rows in panel.searches:
            assert [row.name for row in rows] == expected


def test_rows_of_several_miners_are_told_apart(faces: Path, tmp_path: Path) -> None:
    runs = [Run(miner=miner) for miner in ("batch_hard", "batch_all")]
    found = panels(tmp_path, faces, runs)["embedding_dim_16_queries"]
    names = {row.name for _, rows in found.searches for row in rows}
    assert names == {"resnet18, batch_hard", "resnet18, batch_all"}


def test_a_search_finds_the_most_similar_others_and_knows_hits(faces: Path, tmp_path: Path) -> None:
    run = Run(noise=1.5)
    panel = panels(tmp_path, faces, [run], top_k=7)["backbone_resnet18_queries"]
    data = embedded(faces, run)
    hits = []
    for query, (row,) in panel.searches:
        similarity = data.embeddings @ data.embeddings[data.images.index(query.path)]
        order = [n for n in np.argsort(-similarity) if data.images[n] != query.path][:7]
        assert [found.path for found in row.found] == [data.images[n] for n in order]
        assert [found.similarity for found in row.found] == pytest.approx(similarity[order])
        hits += [found.hit for found in row.found]
        assert [found.hit for found in row.found] == [
            data.people[n] == query.path.parent.name == query.person for n in order
        ]
    assert {*hits} == {True, False}


def test_only_the_gallery_is_searched_and_asked(faces: Path, tmp_path: Path) -> None:
    run = Run()
    _, found = write_sweep(tmp_path, faces, [run])
    folder = run_folder(tmp_path, run.planned.key)
    with np.load(folder / "embeddings.npz") as file:
        arrays = dict(file)
    arrays["gallery"] = np.array([image < "id-003" for image in arrays["images"]])
    np.savez(folder / "embeddings.npz", **arrays)
    config = sweep_config(tmp_path, faces, num_random_queries=50, top_k=50)
    panel = query_panels(tmp_path, candidates(found), config)[0]
    in_gallery = {image for image in embedded(faces, run).images if image.parent.name < "id-003"}
    assert {query.path for query, _ in panel.searches} == in_gallery
    for query, (row,) in panel.searches:
        assert {each.path for each in row.found} == in_gallery - {query.path}


def test_queries_are_drawn_with_the_seed_and_are_the_same_for_all(
    faces: Path, tmp_path: Path
) -> None:
    def queries(seed: int) -> set[tuple[Path, ...]]:
        config = sweep_config(
            tmp_path, faces, training={"data": {"root": str(faces)}, "seed": seed}
        )
        found = query_panels(tmp_path, ranked, config)
        return {tuple(query.path for query, _ in panel.searches) for panel in found}

    ranked = candidates(write_sweep(tmp_path, faces, THREE)[1])
    assert len(queries(0)) == 1
    assert queries(0) == queries(0) != queries(1)


def test_whom_a_query_of_ones_own_shows_is_not_known(faces: Path, tmp_path: Path) -> None:
    query = sorted(faces.rglob("*.jpg"))[0]
    panel = panels(tmp_path, faces, [Run()], query_image=str(query))["embedding_dim_16_queries"]
    assert len(panel.searches) == 3
    own, (row,) = panel.searches[-1]
    assert own.person is None
    assert {found.hit for found in row.found} == {None}
    assert query not in {found.path for found in row.found}


def test_rows_of_a_panel_have_one_seed_and_say_which(faces: Path, tmp_path: Path) -> None:
    runs = [Run("resnet18", seed=1), *(Run(name, seed=0) for name in ("resnet18", "resnet50"))]
    found = panels(tmp_path, faces, runs)["embedding_dim_16_queries"]
    assert sorted(row.name for row in found.searches[0][1]) == ["resnet18", "resnet50"]
    assert found.title == "Embedding size 16, seed 0"


def test_hits_and_misses_are_framed_and_what_is_not_known_is_not(
    faces: Path, tmp_path: Path
) -> None:
    query = sorted(faces.rglob("*.jpg"))[0]
    found = panels(tmp_path, faces, [Run(noise=1.5)], query_image=str(query), top_k=5)
    panel = found["embedding_dim_16_queries"]
    hits = [each.hit for _, rows in panel.searches for row in rows for each in row.found]
    (pixels,) = draw_panels([panel])
    assert framed(pixels, KNOWN) == hits.count(True) > 0
    assert framed(pixels, UNKNOWN) == hits.count(False) > 0


def framed(pixels: np.ndarray, colour: str) -> float:
    """How many frames of a colour a picture holds."""
    rgb = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return (pixels == rgb).all(axis=-1).sum() / ((TILE + 2 * FRAME) ** 2 - TILE**2)


def test_a_picture_that_is_gone_is_an_empty_tile(faces: Path, tmp_path: Path) -> None:
    panel = panels(tmp_path, faces, [Run()], top_k=1)["embedding_dim_16_queries"]
    gone = [
        (
            query,
            [
                row._replace(
                    found=[each._replace(path=tmp_path / "gone.jpg") for each in row.found]
                )
                for row in rows
            ],
        )
        for query, rows in panel.searches
    ]
    whole, without = draw_panels([panel, panel._replace(searches=gone)])
    assert whole.shape == without.shape
    assert framed(without, "#dfe2e6") > framed(whole, "#dfe2e6")
