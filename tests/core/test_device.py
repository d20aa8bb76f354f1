"""Which device computes, and that it is said."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from facenet import train
from facenet.config import TrainConfig, parse_config
from facenet.errors import DeviceError
from facenet.models import resolve_device
from facenet.training.trainer import make_trainer

NO_KERNEL = "no kernel image is available for execution on the device"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], torch.Tensor]], None]:
    """Make torch find one GPU, whose first computation is what is given."""

    def find(first: Callable[[], torch.Tensor]) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Acme 3000")
        ones = torch.ones
        monkeypatch.setattr(
            torch,
            "ones",
            lambda *size, **options: (
                first() if options.get("device") == "cuda" else ones(*size, **options)
            ),
        )

    return find


@pytest.fixture
def broken_gpu(gpu) -> None:
    """A GPU that torch finds and has no code for."""

    def fail() -> torch.Tensor:
        raise RuntimeError(f"CUDA error: {NO_KERNEL}\nFor debugging consider ...")

    gpu(fail)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What facenet logged."""
    caplog.set_level(logging.INFO, logger="facenet")
    return lambda: [
        record.getMessage() for record in caplog.records if record.name.startswith("facenet.")
    ]


@pytest.mark.usefixtures("no_gpu")
def test_auto_says_in_one_line_what_it_chose(said) -> None:
    assert resolve_device("auto") == torch.device("cpu")
    assert said() == ["device: cpu (auto; no GPU is usable here)"]


def test_auto_takes_a_gpu_that_computes_and_names_it(gpu, said) -> None:
    gpu(lambda: torch.tensor([1.0]))
    assert resolve_device("auto") == torch.device("cuda")
    assert said() == ["device: cuda (auto; Acme 3000)"]


@pytest.mark.usefixtures("broken_gpu")
def test_auto_passes_over_a_gpu_that_does_not_compute_and_says_why(said) -> None:
    assert resolve_device("auto") == torch.device("cpu")
    expected = f"device: cpu (auto; no GPU is usable here: cuda: CUDA error: {NO_KERNEL})"
    assert said() == [expected]


def test_a_named_device_is_not_announced(said) -> None:
    resolve_device("cpu")
    assert said() == []


@pytest.mark.usefixtures("broken_gpu")
def test_naming_a_gpu_that_does_not_compute_is_an_error_with_the_reason() -> None:
    with pytest.raises(DeviceError, match=rf"'cuda' is not usable here \(CUDA error: {NO_KERNEL}"):
        resolve_device("cuda")


def test_naming_a_gpu_that_computes_wrongly_is_an_error(gpu) -> None:
    gpu(lambda: torch.tensor([0.0]))
    with pytest.raises(DeviceError, match=r"it computes 1 \+ 1 = 1"):
        resolve_device("cuda")


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_naming_a_gpu_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(DeviceError, match=rf"'{name}' is not usable here \(torch finds none\)"):
        resolve_device(name)


def test_the_reason_that_torch_only_warns_of_is_in_the_error(monkeypatch) -> None:
    def warn() -> bool:
        warnings.warn("The NVIDIA driver on your system is too old\n(found 1)", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", warn)
    with pytest.raises(DeviceError, match=r"\(The NVIDIA driver on your system is too old\)"):
        resolve_device("cuda")


@pytest.mark.usefixtures("broken_gpu")
def test_training_says_its_device_and_takes_none_that_does_not_compute(train_values, said) -> None:
    config = parse_config(train_values, TrainConfig, overrides=["trainer.accelerator=auto"])
    trainer = make_trainer(config, [], from_step=0)
    assert trainer.strategy.root_device == torch.device("cpu")
    [line] = said()
    assert line.startswith("device: cpu (auto; no GPU is usable here: cuda: ")


@pytest.mark.usefixtures("broken_gpu")
def test_training_on_a_gpu_that_does_not_compute_writes_nothing(train_values) -> None:
    config = parse_config(train_values, TrainConfig, overrides=["trainer.accelerator=cuda"])
    with pytest.raises(DeviceError, match=f"trainer: device 'cuda' .*{NO_KERNEL}"):
        train(config)
    assert not config.logging.output_dir.exists()


def test_a_command_says_it_on_standard_error_alone(trained: Path, faces: Path, tmp_path) -> None:
    config = tmp_path / "inference.yaml"
    config.write_text(f"checkpoint_path: {trained / 'bundle'}\nstore: memory\n")
    image = str(next(faces.rglob("*.jpg")))
    command = [sys.executable, "-m", "facenet", "verify", image, image, "--config", str(config)]
    ran = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout)
    [line] = ran.stderr.splitlines()
    assert line.startswith("device: ")


def test_python_says_nothing_unless_logging_is_on() -> None:
    code = "from facenet.models import resolve_device; resolve_device('auto')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("", "")
