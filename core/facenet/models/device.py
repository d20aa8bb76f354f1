"""Which device computes."""

from __future__ import annotations

import logging
import warnings

import torch

from facenet.errors import DeviceError
from facenet.text import first_line

logger = logging.getLogger(__name__)

_GPUS = ("cuda", "mps")
_NONE_FOUND = "torch finds none"


def resolve_device(name: str, *, announce: bool = True) -> torch.device:
    """'auto', 'cpu', 'cuda' or 'mps' to a device that computes; auto prefers cuda, then mps.

    What auto chose is logged at level INFO, unless `announce` is false. Raises `DeviceError` when
    the named device is not usable: never a silent run on the CPU.
    """
    if name == "auto":
        device, reason = _best()
        if announce:
            logger.info("device: %s (auto; %s)", device, reason)
        return torch.device(device)
    if name in _GPUS and (problem := _problem(name)):
        raise DeviceError(
            f"device {name!r} is not usable here ({problem}): use 'cpu', or 'auto' to choose"
        )
    return torch.device(name)


def _best() -> tuple[str, str]:
    """The device that auto stands for, and which GPU that is or why it is none."""
    problems = []
    for kind in _GPUS:
        problem = _problem(kind)
        if problem is None:
            return kind, torch.cuda.get_device_name() if kind == "cuda" else "Apple's GPU"
        if problem != _NONE_FOUND:
            problems.append(f"{kind}: {problem}")
    return "cpu", ": ".join(["no GPU is usable here", *problems])


def _problem(kind: str) -> str | None:
    """Why GPUs of a kind cannot compute here; None: one did."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = _is_available(kind)
    if not found:
        # Of a driver that is too old, for instance, torch only warns.
        return first_line(said[-1].message) if said else _NONE_FOUND
    try:
        two = (torch.ones(1, device=kind) + 1).item()
    except (AssertionError, RuntimeError) as error:
        return first_line(error)
    return None if two == 2 else f"it computes 1 + 1 = {two:g}"


def _is_available(kind: str) -> bool:
    return torch.cuda.is_available() if kind == "cuda" else torch.backends.mps.is_available()
