"""A typed program of a user: what is right passes mypy in strict mode, what is wrong does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from pathlib import Path

from facenet import Face, Match, Recognizer, evaluate, load_config, train
from facenet.config import TrainConfig

config = load_config(Path("configs/train.yaml"), TrainConfig)
bundle = train(config)
accuracy = evaluate(config, Path("artifacts/train/bundle"))

with Recognizer.from_config(load_config("configs/inference.yaml")) as recognizer:
    recognizer.enrol("Ann", ["ann.jpg", b"..."], metadata={"team": "red"})
    decision = recognizer.verify("one.jpg", "two.jpg")
    similar: float = decision.similarity
    for found in recognizer.search("party.jpg", top_k=3):
        face: Face = found.face
        best: Match = found.matches[0]
        who: str | None = found.identity
        print(who, best.similarity, face.box, similar)
"""


def checked(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "program.py"
    path.write_text(program)
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", path], capture_output=True, text=True, cwd=folder
    )


def test_a_users_program_is_typed(tmp_path: Path) -> None:
    right = checked(PROGRAM, tmp_path)
    assert right.returncode == 0, right.stdout
    wrong = checked(PROGRAM.replace("best.similarity", "best.similarty"), tmp_path)
    assert 'error: "Match" has no attribute "similarty"' in wrong.stdout
    wrong = checked(PROGRAM.replace('verify("one.jpg", "two.jpg")', 'verify("one.jpg")'), tmp_path)
    assert "Missing positional argument" in wrong.stdout
