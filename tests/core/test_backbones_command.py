"""`facenet backbones`: what `model.backbone` can name."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from facenet.config import TrainConfig, parse_config

pytest.importorskip("timm", reason="needs facenet-kit[timm]")

PAGE = Path(__file__).parents[2] / "docs" / "backbones.md"


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


def test_a_plugin_that_cannot_list_is_named_and_the_others_are_listed(
    facenet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "facenet_timm.names", raising=False)
    monkeypatch.setitem(sys.modules, "timm", None)
    ran = facenet("backbones", "--grep", "resnet18", "--json")
    assert [one["source"] for one in ran.json()] == ["torchvision"]
    assert "1 backbone plugin skipped" in ran.err
    assert "pip install 'facenet-kit[timm]'" in ran.err


def test_the_page_on_backbones_says_what_each_name_stands_for() -> None:
    from facenet_timm.names import ALIASES
    from facenet_torchvision.weights import SWAG_NAMES

    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
    assert set(rows) == {*ALIASES, *SWAG_NAMES}
    for alias, name in ALIASES.items():
        assert f"timm's `{name}`" in rows[alias]
    for alias, (network, weights) in SWAG_NAMES.items():
        assert f"`{network}` with `{weights}`" in rows[alias]


def test_the_configurations_of_the_page_are_accepted(train_values) -> None:
    pages = [
        yaml.safe_load(code) for code in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    ]
    assert len(pages) == 3
    for values in pages:
        assert parse_config({**train_values, **values}, TrainConfig).model.pretrained


def test_the_commands_of_the_page_find_networks(facenet) -> None:
    commands = re.findall(r"^facenet (.*)$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        ran = facenet(*shlex.split(command))
        assert (ran.code, ran.err) == (0, "")
        assert ran.out
