"""Which device computes."""

from __future__ import annotations

import torch

from facenet.errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """'auto', 'cpu', 'cuda' or 'mps' to a usable device; auto prefers cuda, then mps, then cpu.

    Raises `DeviceError` when the named device is not usable: never a silent run on the CPU.
    """
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((kind for kind, there in usable.items() if there), "cpu"))
    if not usable.get(name, True):
        raise DeviceError(f"device {name!r} is not usable here: use 'cpu', or 'auto' to choose")
    return torch.device(name)
