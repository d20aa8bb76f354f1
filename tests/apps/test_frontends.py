"""The conformance suite on each first-party frontend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facenet.plugins import Plugin, Registry
from facenet.testing import FrontendSuite


@pytest.mark.parametrize(
    ("name", "flag", "key"),
    [("serve", "--port", "port"), ("studio", "--port", "port"), ("live", "--top-k", "top_k")],
)
def test_a_wrong_option_is_named_before_a_model_is_looked_for(
    facenet, tmp_path: Path, name: str, flag: str, key: str
) -> None:
    config = tmp_path / "inference.yaml"
    config.write_text("checkpoint_path: nowhere\nstore: memory\n")
    ran = facenet(name, "--config", config, flag, "abc")
    assert ran.code == 2
    assert f"{key}: must be a whole number, got 'abc'" in ran.err
    assert "nowhere" not in ran.err


class TestServe(FrontendSuite):
    @pytest.fixture
    def plugin(self, facenet_registry: Registry) -> Plugin:
        pytest.importorskip("fastapi", reason="needs facenet-kit[serve]")
        return facenet_registry.load("frontend", "serve")

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"port": 0}


class TestStudio(FrontendSuite):
    @pytest.fixture
    def plugin(self, facenet_registry: Registry) -> Plugin:
        pytest.importorskip("gradio", reason="needs facenet-kit[studio]")
        return facenet_registry.load("frontend", "studio")

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"port": 0}


class TestLive(FrontendSuite):
    """On a file it ends by itself."""

    @pytest.fixture
    def plugin(self, facenet_registry: Registry) -> Plugin:
        for library in ("av", "trackers"):
            pytest.importorskip(library, reason="needs facenet-kit[live]")
        return facenet_registry.load("frontend", "live")

    @pytest.fixture
    def options(self, tmp_path: Path) -> dict[str, Any]:
        from .clips import Walk, frames_of, square, write_clip

        walk = Walk("Red", square("Red"), (4, 4), (40, 20))
        clip = write_clip(tmp_path / "clip.mp4", frames_of([walk], 10, (160, 120)))
        return {"camera": str(clip), "headless": True}
