"""`facenet backbones`: what `model.backbone` can name."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("timm", reason="needs facenet-kit[timm]")


def test_each_network_has_its_source_size_parameters_and_licence(facenet) -> None:
    found = facenet("backbones", "--grep", "vit_b_16_swag_e2e", "--json").json()
    assert found == [
        {
            "name": "vit_b_16_swag_e2e",
            "source": "torchvision",
            "parameters": 86_859_496,
            "input_size": 384,
            "licence": "CC-BY-NC-4.0",
        }
    ]


def test_what_is_not_known_is_not_invented(facenet) -> None:
    [found] = facenet("backbones", "--grep", "convnextv2_tiny.fcmae_ft_in1k", "--json").json()
    assert found["parameters"] is None
    assert (found["source"], found["licence"]) == ("timm", "CC-BY-NC-4.0")


def test_they_stand_in_the_order_in_which_bare_names_are_looked_up(facenet) -> None:
    found = facenet("backbones", "--grep", "RESNET50", "--json").json()
    sources = [one["source"] for one in found if one["name"].startswith("resnet50")]
    assert sources[0] == "torchvision"
    assert set(sources[1:]) == {"timm"}


def test_the_table_names_the_columns(facenet) -> None:
    out = facenet("backbones", "--grep", "resnet18").out
    assert [word in out for word in ("name", "source", "parameters", "size", "licence")] == [
        True
    ] * 5
    assert "11.7 M" in out
    assert "BSD-3-Clause" in out


def test_a_source_and_name_find_one_plugins_network(facenet) -> None:
    found = facenet("backbones", "--grep", "torchvision/resnet", "--json").json()
    assert {one["source"] for one in found} == {"torchvision"}
    assert len(found) == 5


def test_nothing_found_suggests_the_nearest_name(facenet) -> None:
    ran = facenet("backbones", "--grep", "resnt50")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "no backbone's name contains 'resnt50', did you mean 'resnet50'?\n"


def test_a_plugin_that_cannot_list_is_named_and_the_others_are_listed() -> None:
    script = (
        "import sys; sys.modules['timm'] = None\n"
        "from facenet.cli import main\n"
        "sys.exit(main(['backbones', '--grep', 'resnet18', '--json']))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert [one["source"] for one in json.loads(ran.stdout)] == ["torchvision"]
    assert "1 backbone plugin skipped" in ran.stderr
    assert "pip install 'facenet-kit[timm]'" in ran.stderr
