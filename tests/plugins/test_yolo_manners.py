"""The manners of the library behind the detector yolo: what it must not do in a user's process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from facenet.errors import ModelError
from facenet.plugins import Registry
from facenet.testing.detectors import drawn_photo

MANNERS = """\
import json, os, socket, sys
from pathlib import Path

asked = []
def refuse(*arguments, **_):
    asked.append(str(arguments))
    raise OSError("no network here")
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse
socket.socket.connect = socket.socket.connect_ex = refuse

import cv2, numpy as np, torch
from facenet.plugins import Registry

def state():
    return {
        "threads": (torch.get_num_threads(), cv2.getNumThreads()),
        "variables": dict(os.environ),
        "printed": np.get_printoptions()["linewidth"],
        "files": [str(path) for path in Path.home().rglob("*")] + os.listdir(),
    }

torch.set_num_threads(3)
cv2.setNumThreads(3)
before = state()
plugin = Registry().load("detector", "yolo")
detector = plugin.make_from({"weights": sys.argv[1], "max_side": 128}, device="cpu")
detector([np.zeros((200, 300, 3), np.uint8)])
after = state()
for name in ("YOLO_AUTOINSTALL", "YOLO_OFFLINE", "YOLO_VERBOSE"):
    after["variables"].pop(name, None)
after["variables"].pop("ULTRALYTICS_SAFE_LOAD", None)
Path(sys.argv[2]).write_text(json.dumps({"asked": asked, "before": before, "after": after}))
"""


def make(weights: Path) -> Any:
    plugin = Registry().load("detector", "yolo")
    return plugin.make_from({"weights": weights, "max_side": 128}, device="cpu")


@pytest.mark.parametrize("name", ["pose.pt", "pose.onnx"])
def test_the_library_keeps_to_itself(yolo_files: Path, tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    report = tmp_path / "report.json"
    where_python_looks = {
        name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ
    }
    ran = subprocess.run(
        [sys.executable, "-c", MANNERS, yolo_files / name, report],
        env=where_python_looks | {"HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ran.stdout, ran.stderr) == ("", "")
    told = json.loads(report.read_text())
    assert told["asked"] == []
    assert told["after"] == told["before"]


@pytest.mark.parametrize("name", ["yolov5n.pt", "whose weights' name.pt", "best_qnn.onnx"])
def test_a_file_is_loaded_under_any_name(yolo_files: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(yolo_files / f"pose{Path(name).suffix}", tmp_path / name)
    assert make(tmp_path / name)([drawn_photo()])[0]


def test_a_checkpoint_cannot_run_code(yolo_files: Path, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "was here"),)

    torch.save({"model": Hostile()}, tmp_path / "weights.pt")
    with pytest.raises(ModelError, match="ULTRALYTICS_SAFE_LOAD"):
        make(tmp_path / "weights.pt")
    assert not (tmp_path / "was here").exists()
