"""Sweeps from the command line: real runs, real interruptions."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from facenet.benchmark.records import SWEEP, RunResult, read_embeddings, write_record
from facenet.benchmark.state import read_state

from .sweeps import Run, write_sweep

BACKBONES, DIMS = ("mobilenet_v3_small", "shufflenet_v2_x0_5"), (8, 16)
RUNS = [f"{backbone}-d{dim}-distance_weighted-s0" for backbone in BACKBONES for dim in DIMS]


def write_config(folder: Path, faces: Path, **changes: Any) -> Path:
    """A sweep whose runs take seconds, with its results in `folder`/out."""
    values = {
        "training": {
            "data": {
                "root": str(faces),
                "image_size": 32,
                "classes_per_batch": 4,
                "samples_per_class": 3,
                "num_workers": 1,
                "val_split": 0.34,
            },
            "scheduler": {"warmup_steps": 2},
            "trainer": {"max_epochs": 2, "accelerator": "cpu"},
            "logging": {"loggers": ["csv"], "log_every_n_steps": 1},
        },
        "output_dir": str(folder / "out"),
        "backbones": list(BACKBONES),
        "embedding_dims": list(DIMS),
        "inference_batch_size": 4,
        "top_k": 3,
        "num_random_queries": 2,
        "device": "cpu",
        **changes,
    }
    path = folder / "benchmark.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def start(config: Path, *flags: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "facenet", "benchmark", "--config", str(config), *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def results_of(output: Path) -> dict[str, RunResult]:
    paths = sorted(output.glob("runs/*/run_result.json"))
    return {path.parent.name: RunResult.model_validate_json(path.read_bytes()) for path in paths}


def without_timings(result: RunResult) -> RunResult:
    """What must not depend on when, and how often interrupted, a run was made."""
    configuration = json.loads(json.dumps(result.run.configuration))
    configuration["logging"].pop("output_dir")
    run = result.run.model_copy(update={"configuration": configuration})
    changes = {"run": run, "training_seconds": 0.0, "peak_memory": 0, "speed": None}
    return result.model_copy(update=changes)


@pytest.fixture(scope="module")
def finished(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that was not interrupted; its configuration is beside it."""
    folder = tmp_path_factory.mktemp("sweep")
    query = faces / "id-000" / "000.jpg"
    process = start(write_config(folder, faces, query_image=str(query)))
    _, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    return folder / "out"


class TestAFinishedSweep:
    def test_every_run_has_a_result(self, finished: Path) -> None:
        results = results_of(finished)
        assert sorted(results) == sorted(RUNS)
        assert {result.status for result in results.values()} == {"done"}

    def test_a_result_has_figures_with_intervals(self, finished: Path) -> None:
        for result in results_of(finished).values():
            accuracy = result.figures["accuracy"]
            assert accuracy.low <= accuracy.value <= accuracy.high
            assert result.identities == 4
            assert result.training_seconds > 0

    def test_networks_are_measured(self, finished: Path) -> None:
        results = results_of(finished)
        speeds = [results[name].speed for name in RUNS]
        assert all(speed and speed.latency_ms > 0 and speed.throughput > 0 for speed in speeds)
        # The head of 16 dimensions has more parameters than that of 8.
        assert speeds[0].parameters < speeds[1].parameters
        assert speeds[0].flops < speeds[1].flops

    def test_floating_point_operations_are_counted(self, finished: Path) -> None:
        """The head is a linear layer: 8 more outputs cost 2 x 8 operations for each input."""
        small, large = (results_of(finished)[name].speed for name in RUNS[:2])
        weights = large.parameters - small.parameters
        assert weights <= large.flops - small.flops <= 2 * weights

    def test_a_bundle_is_kept_for_each_run(self, finished: Path) -> None:
        for result in results_of(finished).values():
            assert (finished / result.bundle / "model.safetensors").is_file()

    def test_embeddings_are_of_the_held_out_people(self, finished: Path, faces: Path) -> None:
        found = read_embeddings(finished / "runs" / RUNS[0])
        assert found.embeddings.shape == (24, 8)
        np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1, atol=1e-5)
        assert found.held_out.all()
        assert found.gallery.all()
        assert found.query.shape == (8,)
        assert all((faces / image).is_file() for image in found.images)

    def test_the_same_command_does_nothing_again(self, finished: Path, facenet) -> None:
        before = {path: path.stat().st_mtime_ns for path in finished.glob("runs/*/*")}
        ran = facenet("benchmark", "--config", finished.parent / "benchmark.yaml", "--json")
        assert ran.code == 0, ran.err
        assert [run["stage"] for run in ran.json()["runs"]] == ["measured"] * 4
        assert {path: path.stat().st_mtime_ns for path in finished.glob("runs/*/*")} == before

    def test_another_batch_size_is_measured_without_training(self, finished: Path, facenet) -> None:
        """It trains nothing again, and changes what was measured alone."""
        before = results_of(finished)
        config = finished.parent / "benchmark.yaml"
        ran = facenet("benchmark", "--config", config, "--inference-batch-size", "2")
        assert ran.code == 0, ran.err
        after = results_of(finished)
        assert {r.speed.measured_with.batch_size for r in after.values()} == {2}
        for name, result in after.items():
            assert without_timings(result) == without_timings(before[name])
            assert result.training_seconds == before[name].training_seconds

    def test_another_configuration_is_refused(self, finished: Path, facenet) -> None:
        ran = facenet(
            "benchmark",
            *("--config", finished.parent / "benchmark.yaml"),
            *("--set", "training.optimizer.lr=0.1"),
        )
        assert ran.code == 2
        assert f"runs/{RUNS[0]}: optimizer.lr was 0.001, is 0.1" in ran.err
        assert "--no-resume" in ran.err

    def test_other_images_are_refused(
        self, finished: Path, faces: Path, tmp_path: Path, facenet
    ) -> None:
        """The folder may be elsewhere, and must hold the same."""
        fewer = tmp_path / "faces"
        for path in sorted(faces.glob("*/*"))[1:]:
            (fewer / path.parent.name).mkdir(parents=True, exist_ok=True)
            os.link(path, fewer / path.parent.name / path.name)
        config = finished.parent / "benchmark.yaml"
        ran = facenet("benchmark", "--config", config, "--set", f"training.data.root={fewer}")
        assert ran.code == 2
        assert "the images of data.root are not the same" in ran.err

    def test_status_says_how_far_it_is(self, finished: Path, facenet) -> None:
        ran = facenet("benchmark", "status", finished)
        assert ran.code == 0
        assert "4 of 4 runs trained, 4 measured" in ran.out
        # Not folded, where no terminal would be too narrow.
        rows = [line.split()[:3] for line in ran.out.splitlines()]
        assert [BACKBONES[0], str(DIMS[0]), "measured"] in rows
        assert all(line.count("(") == line.count(")") for line in ran.out.splitlines())
        state = facenet("benchmark", "status", finished, "--json").json()
        assert state["running"] is False
        assert [run["key"]["name"] for run in state["runs"]] == RUNS


def test_runs_side_by_side_share_the_time_that_is_left(faces: Path, tmp_path: Path) -> None:
    sweep, _ = write_sweep(tmp_path, faces, [Run(), Run(dim=32, status="waiting")])
    alone = read_state(tmp_path).seconds_left
    assert alone == pytest.approx(61.5)
    write_record(tmp_path / SWEEP, sweep.model_copy(update={"configuration": {"max_parallel": 2}}))
    assert read_state(tmp_path).seconds_left == pytest.approx(alone / 2)


class TestInterruption:
    def test_ctrl_c_saves_and_the_same_command_goes_on(
        self, finished: Path, faces: Path, tmp_path: Path
    ) -> None:
        """Also: while it is at work, no other sweep may start in its folder."""
        config, output = write_config(tmp_path, faces, backbones=[BACKBONES[0]]), tmp_path / "out"
        process = start(config)
        wait_for(lambda: next(output.glob("runs/*/progress.json"), None), process)
        process.send_signal(signal.SIGSTOP)  # Lest it end before the other has begun.
        second = start(config)
        _, said = second.communicate(timeout=300)
        assert second.returncode == 2
        assert "another sweep is at work in this folder" in said
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=100)
        assert process.returncode == 130
        assert "Traceback" not in said
        assert no_one_works_in(output)
        assert run_to_the_end(config) == 0
        assert_same_results(output, finished)

    def test_sigterm_saves_as_ctrl_c_does(self, faces: Path, tmp_path: Path) -> None:
        """As a job scheduler or a container's end sends it."""
        config, output = write_config(tmp_path, faces, embedding_dims=[8]), tmp_path / "out"
        process = start(config)
        wait_for(lambda: next(output.glob("runs/*/progress.json"), None), process)
        process.terminate()
        _, said = process.communicate(timeout=100)
        assert process.returncode == 130
        assert "interrupted; what was finished is kept" in said
        assert no_one_works_in(output)
        assert "stopping after this step" in next(output.glob("runs/*/training.log")).read_text()

    def test_killed_at_random_points(self, finished: Path, faces: Path, tmp_path: Path) -> None:
        kill_and_go_on(finished, write_config(tmp_path, faces, backbones=[BACKBONES[0]]), kills=2)

    @pytest.mark.slow
    @pytest.mark.timeout(1800)
    def test_killed_at_twenty_random_points(
        self, finished: Path, faces: Path, tmp_path: Path
    ) -> None:
        kill_and_go_on(finished, write_config(tmp_path, faces), kills=20)


def kill_and_go_on(finished: Path, config: Path, *, kills: int) -> None:
    """`kill -9` of the sweep alone: its workers must leave by themselves."""
    output = config.parent / "out"
    moments = random.Random(kills)
    for _ in range(kills):
        process = start(config)
        time.sleep(moments.uniform(4, 16))
        process.kill()
        process.communicate()
        wait_for(lambda: no_one_works_in(output))
    assert run_to_the_end(config) == 0
    assert_same_results(output, finished)


def assert_same_results(output: Path, reference: Path) -> None:
    """The sweep in `output` may have fewer backbones."""
    ours, theirs = results_of(output), results_of(reference)
    assert len(ours) >= len(DIMS)
    for name, result in ours.items():
        assert without_timings(result) == without_timings(theirs[name])
        mine, other = (read_embeddings(folder / "runs" / name) for folder in (output, reference))
        np.testing.assert_array_equal(mine.embeddings, other.embeddings)


def run_to_the_end(config: Path) -> int:
    process = start(config)
    _, said = process.communicate(timeout=500)
    assert "Traceback" not in said
    return process.returncode


def no_one_works_in(output: Path) -> bool:
    """Whether no worker has its log open there any more."""
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            names = [os.readlink(each) for each in descriptors.iterdir()]
        except OSError:
            continue  # it has ended since, or is not ours
        if any(name.startswith(str(output)) for name in names):
            return False
    return True


def wait_for(
    reached: Callable[[], Any], process: subprocess.Popen[str] | None = None, seconds: float = 120
) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert process is None or process.poll() is None, "it ended before"
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)


class TestWhatCannotBe:
    def test_an_unknown_backbone_is_found_before_any_run(
        self, faces: Path, tmp_path: Path, facenet
    ) -> None:
        config = write_config(tmp_path, faces, backbones=["resnet18", "resnet81"])
        ran = facenet("benchmark", "--config", config)
        assert ran.code == 2
        assert "backbones.1: " in ran.err
        assert "'resnet81'" in ran.err
        assert not (tmp_path / "out").exists()

    def test_a_run_that_fails_does_not_end_the_sweep(
        self, faces: Path, tmp_path: Path, facenet
    ) -> None:
        """At this learning rate the loss is soon not a number."""
        config = write_config(tmp_path, faces, backbones=["mobilenet_v3_small"])
        flags = ("--set", "training.optimizer.lr=1e30", "--set", "training.scheduler=null")
        ran = facenet("benchmark", "--config", config, *flags)
        assert ran.code == 1
        results = results_of(tmp_path / "out")
        assert {result.status for result in results.values()} == {"failed"}
        assert len(results) == 2
        assert "diverged" in ran.err
        assert "optimizer.lr" in ran.err

    def test_an_unreadable_query_image(self, faces: Path, tmp_path: Path, facenet) -> None:
        (tmp_path / "query.jpg").write_text("no image")
        config = write_config(tmp_path, faces)
        ran = facenet("benchmark", "--config", config, "--query-image", tmp_path / "query.jpg")
        assert ran.code == 2
        assert "query.jpg" in ran.err
        assert "reading images" not in ran.err  # which may take minutes
        assert not (tmp_path / "out").exists()

    def test_no_images(self, faces: Path, tmp_path: Path, facenet) -> None:
        config = write_config(tmp_path, faces)
        ran = facenet("benchmark", "--config", config, "--set", "training.data.root=nowhere")
        assert ran.code == 2
        assert "nowhere: no such folder; data.root names one" in ran.err
        assert not (tmp_path / "out").exists()

    def test_a_full_disk(
        self, faces: Path, tmp_path: Path, facenet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import shutil

        usage = shutil.disk_usage(tmp_path)._replace(free=2**20)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        config = write_config(tmp_path, faces)
        # No run has begun by then, and another plan mixes no results.
        for rate in ("1e-3", "1e-4"):
            ran = facenet("benchmark", "--config", config, "--set", f"training.optimizer.lr={rate}")
            assert ran.code == 1
            assert "1 MiB are free on its disk" in ran.err

    def test_a_folder_that_holds_something_else(self, faces: Path, tmp_path: Path, facenet) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("all my work")
        ran = facenet("benchmark", "--config", write_config(tmp_path, faces))
        assert ran.code == 2
        assert "holds files, and no sweep" in ran.err

    def test_status_of_a_folder_without_a_sweep(self, tmp_path: Path, facenet) -> None:
        ran = facenet("benchmark", "status", tmp_path)
        assert ran.code == 2
        assert "no sweep is here; sweep.json is missing" in ran.err
        (tmp_path / "file").touch()
        ran = facenet("benchmark", "status", tmp_path / "file")
        assert ran.code == 2
        assert "no sweep is here; it is no folder" in ran.err

    def test_no_runs_named(self, faces: Path, tmp_path: Path, facenet) -> None:
        config = write_config(tmp_path, faces, backbones=[], embedding_dims=[])
        ran = facenet("benchmark", "--config", config)
        assert ran.code == 2
        assert "backbones: is empty" in ran.err
        assert "embedding_dims: is empty" in ran.err

    def test_the_same_run_twice(self, faces: Path, tmp_path: Path, facenet) -> None:
        config = write_config(tmp_path, faces, embedding_dims=[8, 8])
        ran = facenet("benchmark", "--config", config)
        assert ran.code == 2
        assert "two runs would be kept as mobilenet_v3_small-d8-distance_weighted-s0" in ran.err


class TestCompare:
    def test_a_sweep_with_itself_shows_no_difference(self, finished: Path, facenet) -> None:
        found = facenet("benchmark", "compare", finished, finished, "--json").json()
        assert [run["run"] for run in found["compared"]] == RUNS
        verdicts = {each["verdict"] for run in found["compared"] for each in run["differences"]}
        assert verdicts == {"no difference shown"}

    def test_two_models_on_photos(
        self, finished: Path, faces: Path, inference_yaml: Path, facenet
    ) -> None:
        first, second = (finished / "runs" / name / "bundle" for name in RUNS[:2])
        options = ("--data", faces, "--config", inference_yaml)
        ran = facenet("benchmark", "compare", first, second, *options, "--json")
        assert ran.code == 0, ran.err
        for each in ran.json()["differences"]:
            change = each["change"]
            assert change["value"] == pytest.approx(each["b"] - each["a"])
            assert change["low"] <= change["value"] <= change["high"]

    def test_two_models_without_photos(self, finished: Path, tmp_path: Path, facenet) -> None:
        ran = facenet("benchmark", "compare", finished, tmp_path)
        assert ran.code == 2
        assert f"{tmp_path}: is no sweep" in ran.err
        assert "--data" in ran.err
