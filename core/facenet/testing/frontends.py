"""What every frontend must do, as tests: subclass `FrontendSuite` and override `plugin`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from facenet.plugins import Plugin
from facenet.testing.suite import Suite, to_override

PATIENCE = 120
"""Seconds for what a process needs: machines differ."""
IMAGE_SIZE = 32


class FrontendSuite(Suite):
    """Override `plugin`, and `options` where the frontend needs some.

    `ready` is a regular expression for what the frontend writes on standard error when it can be
    used; the suite then stops it as Ctrl-C does. One that says nothing of the kind ends by itself,
    since it has nothing to read.
    """

    ready: ClassVar[str] = r"listening on \S+:\d+"

    @pytest.fixture
    def plugin(self, request: pytest.FixtureRequest) -> Plugin:
        """The installed frontend, as from ``Registry().load("frontend", "serve")``."""
        to_override(request, "the installed plugin, as from facenet_registry.load('frontend', ...)")

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The keys with which it runs, as in YAML."""
        return {}

    @pytest.fixture
    def configuration(self, tmp_path: Path, untrained: Path, plugin: Plugin, options: Any) -> Path:
        """An inference configuration: an untrained model, an empty gallery, these options."""
        import yaml

        path = tmp_path / "inference.yaml"
        values = {
            "checkpoint_path": str(untrained),
            "device": "cpu",
            "detector": "whole_image",
            "store": "memory",
            "frontends": {plugin.ref.name: dict(options)},
        }
        path.write_text(yaml.safe_dump(values))
        return path

    @pytest.fixture
    def untrained(self, tmp_path: Path) -> Path:
        """The bundle of a small network that has learnt nothing."""
        return write_untrained(tmp_path / "bundle")

    def test_options_are_flags_with_a_meaning(
        self, plugin: Plugin, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """If this fails: the options model cannot be shown as flags of `facenet NAME`."""
        from facenet.cli import main

        assert main([plugin.ref.qualified_name, "--help"]) == 0
        shown = capsys.readouterr().out
        for name in plugin.options_model.model_fields:
            assert f"--{name.replace('_', '-')}" in shown

    def test_it_runs_and_ends_well(self, plugin: Plugin, configuration: Path) -> None:
        """If this fails: `facenet NAME` does not start, does not stop when it is asked to, or
        ends with something other than exit code 0."""
        command = [sys.executable, "-m", "facenet", plugin.ref.qualified_name]
        with subprocess.Popen(
            [*command, "--config", configuration],
            cwd=configuration.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            late = threading.Timer(PATIENCE, process.kill)
            late.start()
            try:
                said = self._stop_when_ready(process)
            finally:
                late.cancel()
                process.kill()
        assert process.returncode == 0, said

    def _stop_when_ready(self, process: subprocess.Popen[str]) -> str:
        """What the process writes until it has ended, or was asked to and did."""
        said = ""
        assert process.stderr is not None
        for line in process.stderr:
            said += line
            if re.search(self.ready, line):
                process.send_signal(signal.SIGINT)
                break
        return said + process.communicate()[1]


def write_untrained(folder: Path) -> Path:
    """A bundle of an untrained network for images of 32 pixels."""
    from facenet.models import NetworkSpec, build_network, save_bundle
    from facenet.models.card import ModelCard, Preprocessing
    from facenet.models.torch_model import TorchModel
    from facenet.models.weights import embedding_space

    spec = NetworkSpec(backbone="torchvision/squeezenet1_1", embedding_dim=8)
    network, backbone, spec = build_network(spec, image_size=IMAGE_SIZE)
    preprocessing = Preprocessing(image_size=IMAGE_SIZE, mean=backbone.mean, std=backbone.std)
    space = embedding_space(network.state_dict(), preprocessing)
    card = ModelCard(space=space, network=spec, preprocessing=preprocessing)
    return save_bundle(TorchModel(network, card), folder)
