"""A backbone and a store that were written outside this repository, installed with pip, and
picked by name in YAML. Their modules are in this file as a stranger would write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from .installing import Package, install, run

PACKAGES = [
    Package(
        "facenet-tinynet",
        "facenet.backbones",
        "tinynet",
        """\
        from pydantic import BaseModel, ConfigDict
        from facenet.hookspecs import hookimpl
        from facenet.types import Backbone, PluginInfo

        class Options(BaseModel):
            model_config = ConfigDict(extra="forbid")
            width: int = 8

        @hookimpl
        def facenet_info():
            return PluginInfo(summary="Two layers", licence="MIT", options=Options)

        @hookimpl
        def make_backbone(options, image_size):
            from torch import nn

            layers = nn.Sequential(
                nn.Conv2d(3, options.width, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
            )
            half = (0.5, 0.5, 0.5)
            return Backbone(layers, options.width, image_size, half, half)
        """,
    ),
    Package(
        "facenet-filestore",
        "facenet.stores",
        "filestore",
        '''\
        """A gallery in one JSON file, on top of the memory store."""
        import json
        from pathlib import Path
        from pydantic import BaseModel, ConfigDict
        from facenet.hookspecs import hookimpl
        from facenet.types import PluginInfo

        class Options(BaseModel):
            model_config = ConfigDict(extra="forbid")
            path: Path

        @hookimpl
        def facenet_info():
            return PluginInfo(summary="One JSON file", licence="MIT", options=Options)

        @hookimpl
        def make_store(options, embedding_dim, space):
            from facenet_memory.store import MemoryStore

            class FileStore(MemoryStore):
                def enrol(self, identity, embeddings, **how):
                    added = super().enrol(identity, embeddings, **how)
                    entries = [[r.identity, r.centroid.tolist()] for r in self.identities()]
                    options.path.write_text(json.dumps(entries))
                    return added

            store = FileStore(embedding_dim, space)
            if options.path.exists():
                for identity, centroid in json.loads(options.path.read_text()):
                    store.enrol(identity, [centroid])
            return store
        ''',
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed both packages."""
    return install(PACKAGES, tmp_path_factory.mktemp("strangers")).folder


def test_strangers_are_used_like_first_party_plugins(
    site: Path, train_values, faces: Path, tmp_path: Path
) -> None:
    listed = run(site, "facenet", "plugins").stdout
    assert "facenet-tinynet" in listed
    assert "facenet-filestore" in listed

    train_values["model"]["backbone"] = {"plugin": "tinynet", "width": 16}
    train_yaml = tmp_path / "train.yaml"
    train_yaml.write_text(yaml.safe_dump(train_values))
    ran = run(site, "facenet", "train", "--config", train_yaml, "--json")
    assert ran.returncode == 0, ran.stderr
    bundle = Path(json.loads(ran.stdout)["bundle"])
    card = json.loads((bundle / "config.json").read_text())
    assert card["network"]["backbone"] == "tinynet/tinynet"
    assert card["network"]["options"] == {"width": 16}

    inference_yaml = tmp_path / "inference.yaml"
    gallery = tmp_path / "gallery.json"
    inference_yaml.write_text(
        f"checkpoint_path: {bundle}\nstore: {{plugin: filestore, path: {gallery}}}\n"
    )
    photo = faces / "id-000" / "000.jpg"
    assert run(site, "facenet", "enrol", "ann", photo, "--config", inference_yaml).returncode == 0
    assert json.loads(gallery.read_text())[0][0] == "ann"
    ran = run(site, "facenet", "search", photo, "--config", inference_yaml, "--json")
    assert json.loads(ran.stdout)[0]["matches"][0]["identity"] == "ann"


def test_a_strangers_options_are_checked_with_their_line(
    site: Path, trained: Path, tmp_path: Path
) -> None:
    config = tmp_path / "inference.yaml"
    config.write_text(
        f"checkpoint_path: {trained / 'bundle'}\nstore:\n  plugin: filestore\n  pth: x\n"
    )
    ran = run(site, "facenet", "search", "a.jpg", "--config", config)
    assert ran.returncode == 2
    assert f"{config}:4: store.pth: unknown key, did you mean 'path'?" in ran.stderr


def test_without_the_package_its_name_is_unknown(train_values, tmp_path: Path) -> None:
    train_values["model"]["backbone"] = "tinynet"
    train_yaml = tmp_path / "train.yaml"
    train_yaml.write_text(yaml.safe_dump(train_values))
    ran = run(tmp_path, "facenet", "train", "--config", train_yaml)
    assert ran.returncode == 2
    assert "unknown backbone 'tinynet'" in ran.stderr
