"""Licences: what SPDX expressions mean, and that what is not allowed is refused before it runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facenet import train
from facenet.config import InferenceConfig, TrainConfig, load_config, parse_config
from facenet.errors import ConfigError, RequestError
from facenet.licensing import (
    Chain,
    check_licences,
    detector_chains,
    extension_chains,
    model_chain,
    plugin_chains,
    weights_chain,
)
from facenet.models import read_card
from facenet.plugins import Registry
from facenet.spdx import checked_licence
from facenet.training.checkpoints import read_state, refuse_another_run
from facenet.training.licences import check_pretrained, check_run

OURS = [ref for ref in Registry().refs() if ref.distribution == "facenet-kit"]
IDS = ("MIT", "Apache-2.0", "ISC", "LicenseRef-Ours")
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
}


def is_allowed(licence: str | None, *allow: str) -> bool:
    try:
        check_licences(allow, [Chain(("part",), licence)])
    except ConfigError:
        return False
    return True


# SPDX expressions


@pytest.mark.parametrize(
    "given, checked",
    [
        ("apache-2.0", "Apache-2.0"),
        ("mit or (isc and LicenseRef-Ours)", "MIT OR (ISC AND LicenseRef-Ours)"),
        ("AGPL-3.0", "AGPL-3.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("apache-2.0 with llvm-exception", "Apache-2.0 WITH LLVM-exception"),
        ("LicenseRef-Apache-2.0", "LicenseRef-Apache-2.0"),
    ],
)
def test_an_expression_is_spelled_as_spdx_does(given: str, checked: str) -> None:
    assert checked_licence(given) == checked


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "()",
        "GPL",
        "BSD",
        "Apache 2.0",
        "MIT AND",
        "MIT MIT",
        "(MIT",
        "LLVM-exception",
        "MIT WITH ISC",
    ],
)
def test_what_is_no_expression_is_refused(wrong: str) -> None:
    with pytest.raises(RequestError, match=f"licence {re.escape(repr(wrong))}: not an SPDX id"):
        checked_licence(wrong)


@given(st.text() | st.lists(st.sampled_from([*IDS, "AND", "or", "WITH", "(", ")"])).map(" ".join))
def test_any_text_is_an_expression_or_a_request_error(text: str) -> None:
    try:
        checked = checked_licence(text)
    except RequestError:
        return
    assert checked_licence(checked) == checked


@pytest.mark.parametrize(
    "licence, allow, allowed",
    [
        ("MIT", ["mit"], True),
        ("MIT", ["Apache-2.0"], False),
        ("AGPL-3.0-only", ["AGPL-3.0"], True),
        ("AGPL-3.0", ["AGPL-3.0-only"], True),
        ("AGPL-3.0-or-later", ["AGPL-3.0-only"], True),
        ("AGPL-3.0-only", ["AGPL-3.0-or-later"], False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", ["GPL-2.0-only"], True),
        ("GPL-2.0-only", ["GPL-2.0-only WITH Classpath-exception-2.0"], False),
        (
            "GPL-2.0-or-later WITH Classpath-exception-2.0",
            ["GPL-2.0-only WITH Classpath-exception-2.0"],
            True,
        ),
        ("LicenseRef-MIT", ["MIT"], False),
        ("LicenseRef-Ours", ["LicenseRef-ours"], False),
        ("Proprietary", ["MIT"], False),
        ("", ["MIT"], False),
        (None, ["MIT"], False),
    ],
)
def test_a_licence_is_allowed(licence: str | None, allow: list[str], allowed: bool) -> None:
    assert is_allowed(licence, *allow) is allowed


Tree = str | tuple[str, "Tree", "Tree"]
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.sampled_from(IDS), lambda part: st.tuples(st.sampled_from(["AND", "OR"]), part, part)
)


def written(tree: Tree) -> str:
    return tree if isinstance(tree, str) else f"({written(tree[1])} {tree[0]} {written(tree[2])})"


def judged(tree: Tree, allow: list[str]) -> bool:
    if isinstance(tree, str):
        return tree in allow
    return (all if tree[0] == "AND" else any)(judged(part, allow) for part in tree[1:])


@given(TREES, st.lists(st.sampled_from(IDS), min_size=1))
def test_one_alternative_suffices_and_all_parts_are_needed(tree: Tree, allow: list[str]) -> None:
    assert is_allowed(written(tree), *allow) is judged(tree, allow)


# What is refused, and in which words


def test_all_refused_chains_are_told_at_once() -> None:
    chains = [
        Chain(("detector yolo",), "MIT"),
        Chain(("detector yolo", "ultralytics"), "AGPL-3.0-only"),
        weights_chain("detector yolo", None),
        Chain(("miner acme",), "Proprietary"),
    ]
    with pytest.raises(ConfigError) as caught:
        check_licences(["MIT", "Apache-2.0"], chains)
    assert str(caught.value).splitlines() == [
        "detector yolo -> ultralytics -> AGPL-3.0-only: not in licences.allow (MIT, Apache-2.0)",
        "detector yolo -> weights: licence not stated",
        "miner acme -> Proprietary: not an SPDX expression, which alone can be in licences.allow "
        "(MIT, Apache-2.0)",
    ]


def test_without_a_list_nothing_is_refused() -> None:
    check_licences(None, [Chain(("detector yolo",), None)])


def test_a_licence_of_weights_is_stated_with_the_command_that_the_refusal_names(
    facenet, trained: Path, tmp_path: Path
) -> None:
    bundle = trained / "bundle"
    with pytest.raises(ConfigError, match="-> weights: licence not stated; state it") as caught:
        check_licences(["LicenseRef-Ours"], [model_chain(bundle, read_card(bundle).licence)])
    command = str(caught.value).partition("`facenet ")[2].rstrip("`")
    stated = tmp_path / "stated"
    filled = command.replace("...", str(stated)).replace("SPDX", "LicenseRef-Ours")
    assert facenet(*filled.split()).code == 0
    check_licences(["LicenseRef-Ours"], [model_chain(stated, read_card(stated).licence)])


def test_unstated_weights_of_a_detector_are_refused_with_the_option_that_states_them() -> None:
    plugin = Registry().load("detector", "yunet")
    expected = r"detector yunet -> weights: licence not stated; state it with detector.weights_lic"
    with pytest.raises(ConfigError, match=expected):
        check_licences(["MIT"], detector_chains(plugin, SimpleNamespace(licence=None)))


def test_a_detector_without_weights_brings_no_licence_of_weights() -> None:
    plugin = Registry().load("detector", "whole_image")
    assert list(detector_chains(plugin, plugin.make_from({}, device="cpu"))) == []


# The configuration


def test_a_wrong_id_in_the_configuration_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "checkpoint_path: x\nlicences:\n  allow:\n    - MIT\n    - Apache2\n    - MIT OR ISC\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, check_plugins=False)
    assert str(caught.value).splitlines() == [
        f"{path}:5: licences.allow.1: licence 'Apache2': not an SPDX id, did you mean "
        "'Apache-2.0'?; a licence that SPDX does not list is written LicenseRef-<name>",
        f"{path}:6: licences.allow.2: licence 'MIT OR ISC': is several; give each as an item of "
        "its own",
    ]


def test_the_configuration_holds_official_spellings() -> None:
    values = {"checkpoint_path": "x", "licences": {"allow": ["mit", "agpl-3.0"]}}
    config = parse_config(values, InferenceConfig, check_plugins=False)
    assert config.licences.allow == ("MIT", "AGPL-3.0-only")


# Before a run begins


def test_training_is_refused_before_images_are_read(facenet, tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    path.write_text(
        "data: {root: /nowhere}\nmodel: {backbone: resnet18}\n"
        "miner: {plugin: pml, miner: TripletMarginMiner}\nlicences: {allow: [Apache-2.0]}\n"
    )
    ran = facenet("train", "--config", path)
    assert ran.code == 2
    where = "not in licences.allow (Apache-2.0)"
    assert ran.err.splitlines() == [
        f"facenet: backbone torchvision -> MIT: {where}",
        f"backbone torchvision -> torchvision -> BSD-3-Clause: {where}",
        f"miner pml -> MIT: {where}",
        f"miner pml -> pytorch-metric-learning -> MIT: {where}",
    ]


def test_pretrained_weights_are_refused_before_they_are_fetched(train_values) -> None:
    train_values["model"] |= {"backbone": "vit_b_16_swag_e2e", "pretrained": True}
    train_values["licences"] = {"allow": ["MIT", "BSD-3-Clause"]}
    chain = "backbone torchvision/vit_b_16_swag_e2e -> weights -> CC-BY-NC-4.0: not in"
    with pytest.raises(ConfigError, match=f"^{chain} [^\n]*$"):
        train(parse_config(train_values, TrainConfig))


def test_weights_that_an_option_chose_are_refused_before_anything_is_written(
    train_values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision import models

    file = tmp_path / "weights.pth"
    torch.save(models.shufflenet_v2_x0_5().state_dict(), file)
    monkeypatch.setattr("facenet_torchvision.weights.licence", lambda _: "CC-BY-NC-4.0")
    backbone = {"plugin": "shufflenet_v2_x0_5", "weights_file": str(file)}
    train_values["model"] |= {"backbone": backbone, "pretrained": True}
    train_values["licences"] = {"allow": ["MIT", "BSD-3-Clause"]}
    config = parse_config(train_values, TrainConfig)
    with pytest.raises(ConfigError, match=r"shufflenet_v2_x0_5 -> weights -> CC-BY-NC-4\.0"):
        train(config)
    assert not config.logging.output_dir.exists()


def test_a_network_that_starts_from_nothing_needs_no_licence(train_values: dict[str, Any]) -> None:
    train_values["licences"] = {"allow": ["MIT", "BSD-3-Clause"]}
    config = parse_config(train_values, TrainConfig)
    check_run(config)
    check_pretrained(config, "torchvision/resnet18", None)


def test_a_run_goes_on_with_other_licences_allowed(trained: Path) -> None:
    last = trained / "checkpoints" / "last.ckpt"
    changed = load_config(
        trained / "config.yaml", TrainConfig, overrides=["licences.allow=[MIT, BSD-3-Clause]"]
    )
    refuse_another_run(changed, read_state(last), last)


def test_a_frontend_is_refused_before_it_starts(facenet, inference_yaml: Path) -> None:
    ran = facenet("serve", "--config", inference_yaml, "--set", "licences.allow=[MIT]")
    assert ran.code == 2
    assert "frontend serve -> uvicorn -> BSD-3-Clause: not in licences.allow (MIT)" in ran.err
    assert "listening" not in ran.err


# Plugins and extensions


@pytest.fixture
def extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install one extension, with this source, for the length of a test."""

    def install(source: str) -> None:
        about = tmp_path / "acme_audit-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.4\nName: acme-audit\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text("[facenet.extensions]\naudit = acme_audit\n")
        head = "from facenet.hookspecs import hookimpl\nfrom facenet.types import PluginInfo\n"
        (tmp_path / "acme_audit.py").write_text(head + dedent(source))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "acme_audit", raising=False)

    return install


def test_an_extension_brings_its_licences(extension) -> None:
    extension("""
        @hookimpl
        def facenet_info():
            return PluginInfo("Audit", "GPL-3.0-only", requires={"acme": "MIT"})
    """)
    assert list(extension_chains()) == [
        Chain(("extension audit",), "GPL-3.0-only"),
        Chain(("extension audit", "acme"), "MIT"),
    ]


def test_an_extension_that_states_no_licence_is_refused(extension) -> None:
    extension("@hookimpl\ndef after_enrol(identity, added): ...\n")
    expected = "extension audit: licence not stated; its author states it with the hook"
    with pytest.raises(ConfigError, match=expected):
        check_licences(["MIT"], extension_chains())


def test_an_extension_that_does_not_load_brings_nothing(extension) -> None:
    extension("raise RuntimeError('boom')")
    assert list(extension_chains()) == []


def test_show_prints_the_licences_of_a_plugin(facenet) -> None:
    shown = facenet("plugins", "show", "frontend", "serve")
    assert "licence MIT\n" in shown.out
    assert "requires uvicorn, licence BSD-3-Clause\n" in shown.out
    as_json = facenet("plugins", "show", "frontend", "serve", "--json").json()
    assert as_json["requires"]["uvicorn"] == "BSD-3-Clause"


@pytest.mark.parametrize("ref", OURS, ids=lambda ref: f"{ref.kind}-{ref.name}")
def test_our_plugins_state_licences_as_spdx_does(ref) -> None:
    for chain in plugin_chains(Registry().load_ref(ref)):
        assert chain.licence
        assert checked_licence(chain.licence) == chain.licence


@pytest.mark.parametrize("ref", OURS, ids=lambda ref: f"{ref.kind}-{ref.name}")
def test_our_plugins_say_of_libraries_what_those_say_themselves(ref) -> None:
    for library, licence in Registry().load_ref(ref).info.requires.items():
        stated = licence_in_metadata(library)
        assert stated in (None, licence), library


@pytest.mark.parametrize("ref", OURS, ids=lambda ref: f"{ref.kind}-{ref.name}")
def test_our_plugins_require_what_their_extra_installs(ref) -> None:
    info = Registry().load_ref(ref).info
    extra = re.search(r"\[(\w+)\]", info.install or "")
    if extra is None:
        assert not info.requires
        return
    # What training needs, facenet itself needs: it comes with no plugin.
    own = installed_by(extra[1]) - installed_by("train")
    assert own <= set(info.requires)


def installed_by(extra: str) -> set[str]:
    """The distributions that an extra of ours names."""
    found = set()
    for requirement in metadata.requires("facenet-kit") or ():
        name, _, marker = requirement.partition(";")
        if re.search(rf"extra == ['\"]{extra}['\"]", marker):
            found.add(re.split(r"[\[<>=!~ ]", name)[0].lower().replace("_", "-"))
    return found


def licence_in_metadata(library: str) -> str | None:
    """What an installed distribution's metadata says, where it says it as SPDX or classifier."""
    try:
        about = metadata.metadata(library)
    except metadata.PackageNotFoundError:
        return None
    for stated in (about.get("License-Expression"), about.get("License")):
        try:
            return checked_licence(stated or "")
        except RequestError:
            continue
    known = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or ()]
    return next((CLASSIFIERS[each] for each in known if each in CLASSIFIERS), None)
