"""A program: writes small untrained models of ultralytics into a folder, for inputs of 128 pixels.

`pose.pt` finds faces with five landmarks, more or less anywhere; `pose.onnx` is the same for one
photo at a time and `pose-any-batch.onnx` for any number; `boxes.pt` has two classes, one of them
faces, and no landmarks; `things.pt` has two classes and no faces; `classes.pt` is a classifier.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from facenet_yolo.containment import contained

SIDE = 128
SEED = 19  # the scores that it gives are not so near to each other that rounding could swap them
BACKBONE = [[-1, 1, "Conv", [width, 3, 2]] for width in (8, 8, 16, 16, 16)]
POSE, DETECT = [[2, 3, 4], 1, "Pose", ["nc", "kpt_shape"]], [[2, 3, 4], 1, "Detect", ["nc"]]
CLASSIFY = [-1, 1, "Classify", ["nc"]]


def main(folder: Path) -> None:
    with contained():
        pose = model(folder, "pose", POSE, ["face"])
        scatter(pose)
        pose.save(folder / "pose.pt")
        for name, dynamic in (("pose", False), ("pose-any-batch", True)):
            copy = shutil.copyfile(folder / "pose.pt", folder / f"{name}.copy.pt")
            exported = load(copy).export(
                format="onnx", imgsz=SIDE, dynamic=dynamic, simplify=False, opset=17
            )
            Path(exported).rename(folder / f"{name}.onnx")
        boxes = model(folder, "detect", DETECT, ["hat", "face"])
        scatter(boxes)
        boxes.save(folder / "boxes.pt")
        model(folder, "detect", DETECT, ["hat", "dog"]).save(folder / "things.pt")
        model(folder, "classify", CLASSIFY, ["face", "dog"]).save(folder / "classes.pt")


def load(source: Path) -> Any:
    from ultralytics.models import YOLO

    return YOLO(source)


def model(folder: Path, task: str, head: list[Any], names: list[str]) -> Any:
    """An untrained network; ultralytics takes its plan from a file."""
    plan = {"nc": len(names), "kpt_shape": [5, 3], "backbone": BACKBONE, "head": [head]}
    plan |= {"scales": {"n": [1, 1, 1024]}, "scale": "n"}
    path = folder / f"{task}.yaml"
    path.write_text(json.dumps(plan))
    made = load(path)
    made.model.names = dict(enumerate(names))
    return made


def scatter(made: Any) -> None:
    """Weights with which boxes have a few cells' size, and scores that differ."""
    generator = torch.Generator().manual_seed(SEED)
    for layer in made.model.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.weight.requires_grad:
            torch.nn.init.kaiming_normal_(layer.weight, generator=generator)
    head = made.model.model[-1]
    for box, score in zip(head.cv2, head.cv3, strict=True):
        box[-1].weight.data *= 0.05
        box[-1].bias.data = -2 * (torch.arange(16.0) - 2).abs().repeat(4)
        score[-1].weight.data *= 60
        score[-1].bias.data.fill_(-3)
    for landmarks in getattr(head, "cv4", ()):
        landmarks[-1].weight.data *= 0.05


if __name__ == "__main__":
    main(Path(sys.argv[1]))
