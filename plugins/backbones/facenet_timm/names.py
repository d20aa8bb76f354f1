"""timm's names, the names that stand for them, and what is known of each without building it."""

from __future__ import annotations

from typing import Any

import timm
from timm.models import get_pretrained_cfg

from facenet.errors import RequestError
from facenet.spdx import checked_licence
from facenet.types import Architecture

ALIASES = {
    "beit_b_16_224": "beit_base_patch16_224.in22k_ft_in22k_in1k",
    "beit_b_16_224_in22k": "beit_base_patch16_224.in22k_ft_in22k",
    "beit_b_16_224_in22k_ft_in1k": "beit_base_patch16_224.in22k_ft_in22k_in1k",
    "beit_l_16_224": "beit_large_patch16_224.in22k_ft_in22k_in1k",
    "beit_l_16_224_in22k": "beit_large_patch16_224.in22k_ft_in22k",
    "beit_l_16_224_in22k_ft_in1k": "beit_large_patch16_224.in22k_ft_in22k_in1k",
    "mvit_v2_s": "mvitv2_small.fb_in1k",
}
"""Names from elsewhere -> timm's architecture and tag of pretrained weights."""

_EXPLANATIONS = {
    "mvit_v2_m": "no library has a network of that name; take mvitv2_small or mvitv2_base",
}


def list_architectures() -> list[Architecture]:
    """All networks of timm, with and without the tag of their weights, and the aliases."""
    names = {*timm.list_models(), *timm.list_models(pretrained=True), *ALIASES}
    return [_record(name) for name in sorted(names)]


def explain(name: str) -> str | None:
    """What to say of a name that is often asked for and not offered."""
    return _EXPLANATIONS.get(name)


def timm_name(architecture: str) -> str:
    """timm's own name, its tag included where it has one."""
    return ALIASES.get(architecture, architecture)


def pretrained_cfg(architecture: str) -> Any:
    """timm's record of the weights that a name stands for: its tag's, or the default ones."""
    return get_pretrained_cfg(timm_name(architecture))


def input_size(cfg: Any) -> int:
    """The side in pixels of the images that the network was designed for."""
    return int(cfg.input_size[-1])


def spdx_licence(cfg: Any) -> str | None:
    """The SPDX id of the weights; `LicenseRef-` where SPDX has none, None where timm has none."""
    if not cfg.has_weights or cfg.license in (None, "", "unknown"):
        return None
    try:
        return checked_licence(cfg.license)
    except RequestError:
        return f"LicenseRef-{cfg.license}"


def _record(architecture: str) -> Architecture:
    cfg = pretrained_cfg(architecture)
    # timm keeps no parameter counts, and counting them would mean building the network.
    return Architecture(architecture, None, input_size(cfg), spdx_licence(cfg))
