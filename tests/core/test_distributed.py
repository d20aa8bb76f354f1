"""Two real processes that train together, over gloo on the CPU."""

from __future__ import annotations

import csv
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

# Runs a command for which a folder, the first argument, is another and empty one.
ELSEWHERE = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
ELSEWHERE += ['mount -t tmpfs none "$0" && exec "$@"']
GRADIENTS = Path(__file__).with_name("gradients_of_a_step.py")


def write_config(values: dict[str, Any], folder: Path, *, processes: int) -> Path:
    """A configuration whose batch, over all processes, is the same for any number of them."""
    folder.mkdir()
    values["data"] |= {"classes_per_batch": 4 // processes, "augmentations": []}
    # Neither batch statistics nor chance in the backbone: those are each process's own.
    values["model"]["backbone"] = "timm/vit_tiny_patch16_224"
    values["trainer"] |= {"devices": processes, "max_epochs": 1, "deterministic": True}
    values["logging"]["output_dir"] = str(folder / "run")
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    return ran


def test_two_processes_of_half_a_batch_have_the_gradients_of_one(
    train_values: dict[str, Any], tmp_path: Path
) -> None:
    found = []
    for processes in (1, 2):
        config = write_config(train_values, tmp_path / str(processes), processes=processes)
        run(GRADIENTS, config, config.parent / "gradients.pt")
        found.append(torch.load(config.parent / "gradients.pt", weights_only=True))
    one, two = found
    assert two["loss"] == pytest.approx(one["loss"], abs=1e-6)
    assert one["gradients"].keys() == two["gradients"].keys()
    assert max(gradient.abs().max() for gradient in one["gradients"].values()) > 1e-3
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(two["gradients"][name], gradient, atol=1e-5, rtol=0, msg=name)


def test_the_command_trains_and_measures_with_two_processes(
    train_values: dict[str, Any], tmp_path: Path
) -> None:
    curves, printed = [], []
    for processes in (1, 2):
        config = write_config(train_values, tmp_path / str(processes), processes=processes)
        printed.append(run("-m", "facenet", "train", "--config", config).stdout)
        with (config.parent / "run" / "metrics.csv").open(newline="") as file:
            curves.append(list(csv.DictReader(file)))
        assert (config.parent / "run" / "bundle" / "model.safetensors").is_file()
    for one, two in zip(*curves, strict=True):
        for column in ("train_loss", "val_auc"):
            assert float(two[column] or 0) == pytest.approx(float(one[column] or 0), abs=2e-3)
    assert printed[1].count("\nbundle ") == 1


@pytest.mark.slow
def test_two_machines_need_not_share_the_output_folder(
    train_values: dict[str, Any], tmp_path: Path
) -> None:
    config = write_config(train_values, tmp_path / "two", processes=2)
    output = tmp_path / "two" / "run"
    output.mkdir()
    if subprocess.run([*ELSEWHERE, output, "true"], capture_output=True).returncode:
        pytest.skip("this process may not mount")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ran = []
    for rank, elsewhere in enumerate(([], [*ELSEWHERE, output])):
        torchrun = f"-m torch.distributed.run --nnodes=2 --node-rank={rank} --nproc-per-node=1"
        meeting = f"--master-addr=127.0.0.1 --master-port={port}"
        train = (
            f"-m facenet train --set trainer.devices=1 --set trainer.num_nodes=2 --config {config}"
        )
        arguments = [sys.executable, *f"{torchrun} {meeting} {train}".split()]
        ran.append(
            subprocess.Popen(
                [*elsewhere, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    said = [process.communicate(timeout=300)[0] for process in ran]
    assert [process.returncode for process in ran] == [0, 0], said
    assert (output / "bundle" / "model.safetensors").is_file()
