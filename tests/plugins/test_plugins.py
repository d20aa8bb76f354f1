"""What all plugins have in common, on each first-party plugin; and how a suite is overridden."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from facenet.plugins import Plugin, Registry
from facenet.testing import PluginSuite

OURS = [ref for ref in Registry().refs() if ref.distribution == "facenet-kit"]
NEEDED: Mapping[str, Mapping[str, Any]] = {"pml": {"miner": "BatchHardMiner"}}
"""Options without which a plugin makes nothing."""


class TestOurs(PluginSuite):
    @pytest.fixture(params=OURS, ids=lambda ref: f"{ref.kind}-{ref.name}")
    def plugin(self, request: pytest.FixtureRequest, facenet_registry: Registry) -> Plugin:
        return facenet_registry.load_ref(request.param)

    @pytest.fixture
    def options(self, plugin: Plugin) -> Mapping[str, Any]:
        return NEEDED.get(plugin.ref.name, {})


def pytest_says(source: str, folder: Path) -> str:
    """What pytest prints on a module of tests that someone has written."""
    (folder / "test_mine.py").write_text(dedent(source))
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert ran.returncode != 0
    return ran.stdout


def test_a_suite_that_is_subclassed_wrongly_says_so_in_a_sentence(tmp_path: Path) -> None:
    said = pytest_says(
        """\
        from facenet.testing import MinerSuite

        class TestForgotten(MinerSuite):
            pass
        """,
        tmp_path,
    )
    assert "TestForgotten must override the fixture 'miner': the miner, as from" in said
    assert "Traceback" not in said
    assert "def " not in said


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (
            "def test_a_face_is_found(self): ...",
            "TestMine.test_a_face_is_found would replace a test of the suite: give it another name",
        ),
        ("def detector(self): ...", "TestMine.detector is no fixture: put @pytest.fixture above"),
    ],
)
def test_a_name_that_a_suite_has_already_is_told(
    method: str, sentence: str, tmp_path: Path
) -> None:
    said = pytest_says(
        f"""\
        from facenet.testing import DetectorSuite

        class TestMine(DetectorSuite):
            {method}
        """,
        tmp_path,
    )
    assert sentence in said
