"""The demo end to end, at a small size."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

SMALL = ("--identities", 12, "--samples", 4, "--epochs", 1)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


def test_the_demo_runs_the_whole_loop(facenet, output: Path) -> None:
    ran = facenet("demo", "--output", output, *SMALL)
    assert ran.code == 0, ran.err
    assert "trained now" in ran.out
    assert "9 identities" in ran.out
    assert "6 images of 3 identities in PostgreSQL" in ran.out
    assert {"faces", "bundle", "postgres", "report.html", "inference.yaml"} <= {
        path.name for path in output.iterdir()
    }


def test_the_report_stands_alone(output: Path) -> None:
    page = (output / "report.html").read_text()
    assert page.count("<svg") == 3
    assert page.count("data:image/jpeg") == 6 * 4
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []


def test_the_printed_commands_work(facenet, output: Path) -> None:
    ran = facenet("demo", "--output", output, *SMALL)
    assert "trained before, reused" in ran.out
    commands = [shlex.split(line) for line in ran.out.partition("Next:")[2].strip().splitlines()]
    assert [command[1] for command in commands] == ["search", "verify", "studio", "serve"]
    for command in commands[:2]:
        assert facenet(*command[1:]).code == 0
    for command in commands[2:]:
        assert command[2:] == ["--config", str(output / "inference.yaml")]
    assert {Path(command[0]).name for command in commands} == {"facenet"}


def test_a_second_run_reuses_what_is_there(facenet, output: Path) -> None:
    made = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    first = facenet("demo", "--output", output, *SMALL, "--json").json()
    kept = ("faces", "bundle", "checkpoints")
    for path, time in made.items():
        if path.relative_to(output).parts[0] in kept:
            assert path.stat().st_mtime_ns == time, path
    assert facenet("demo", "--output", output, *SMALL, "--json").json() == first


def test_a_demo_that_was_stopped_goes_on(facenet, output: Path) -> None:
    curve = (output / "metrics.csv").read_text()
    shutil.rmtree(output / "bundle")
    assert facenet("demo", "--output", output, *SMALL).code == 0
    assert (output / "bundle").is_dir()
    assert (output / "metrics.csv").read_text() == curve


def test_other_settings_train_again_and_start_a_new_gallery(facenet, output: Path, caplog) -> None:
    made = [output / "bundle" / "config.json", output / "faces" / "id-000" / "000.jpg"]
    before = [path.read_bytes() for path in made]
    ran = facenet("demo", "--output", output, *SMALL, "--seed", 1)
    assert ran.code == 0, ran.err
    assert all(path.read_bytes() != old for path, old in zip(made, before, strict=True))
    assert "postgres-1: the gallery of the model before is kept there" in caplog.text
    assert (output / "postgres-1" / "PG_VERSION").is_file()
    assert "6 images of 3 identities in PostgreSQL" in ran.out


def test_a_folder_that_the_demo_did_not_draw_is_left_alone(facenet, tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    ran = facenet("demo", "--output", tmp_path, *SMALL)
    assert ran.code == 2
    assert "not drawn by the demo; choose another --output" in ran.err


def test_a_run_that_is_not_the_demos_is_left_alone(facenet, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    before = sorted((tmp_path / "run").rglob("*"))
    ran = facenet("demo", "--output", tmp_path / "run", *SMALL)
    assert ran.code == 2
    assert "not made by the demo, and holds checkpoints/; choose another --output" in ran.err
    assert sorted((tmp_path / "run").rglob("*")) == before


def test_a_folder_of_ones_own(facenet, faces: Path, tmp_path: Path) -> None:
    ran = facenet("demo", "--data", faces, "--output", tmp_path / "out", "--epochs", 1, "--json")
    assert ran.code == 0, ran.err
    assert not (tmp_path / "out" / "faces").exists()
    assert 0 <= ran.json()["searches"]["rank_1"] <= ran.json()["searches"]["rank_3"] <= 1


def test_too_few_identities_are_refused(facenet, faces: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "few" / name).mkdir(parents=True)
        for image in sorted((faces / "id-000").iterdir()):
            (tmp_path / "few" / name / image.name).write_bytes(image.read_bytes())
    ran = facenet("demo", "--data", tmp_path / "few", "--output", tmp_path / "out")
    assert ran.code == 2
    assert "3 identities with 2 or more images; the demo needs at least 8" in ran.err
    assert not (tmp_path / "out").exists()
