"""What backbone plugins have in common: local weights, their errors, and the feature dimension.

Importing this module is as cheap as pydantic; torch is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from facenet.errors import ConfigError, ModelError
from facenet.text import first_line

if TYPE_CHECKING:
    import torch
    from torch import nn

_NESTED = ("state_dict", "model")
"""Where published training checkpoints keep the state dict, beside optimizer and epoch."""


class PretrainedOptions(BaseModel):
    """Options that say where pretrained weights come from; a plugin may add its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights_file: Path | None = Field(
        None,
        description="Local copy of the pretrained weights (.safetensors, or a state dict of "
        "torch.save), for machines that cannot fetch them.",
    )

    def check_wanted(self, pretrained: bool) -> None:
        """Raise `ConfigError` where weights are named but not wanted."""
        given = [key for key, value in self if value is not None]
        if given and not pretrained:
            raise ConfigError(
                f"model.backbone.{given[0]} has no meaning with model.pretrained: false; "
                "set model.pretrained: true or leave it out"
            )


@contextmanager
def built_for(architecture: str, image_size: int, own_size: int) -> Iterator[None]:
    """Turn a network's refusal of `image_size` pixels into a `ConfigError` that names its own."""
    try:
        yield
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"{architecture} cannot work at image_size {image_size} (its own is {own_size}): "
            f"{reason}"
        ) from error


def feature_dim(module: nn.Module, image_size: int) -> int:
    """F of a module from (N, 3, image_size, image_size) to (N, F).

    Measured on one black image, so that an impossible size is found before training: what the
    module raises comes through. `ValueError` when it gives anything but one vector an image.
    """
    import torch

    was_training = module.training
    device = next(module.parameters()).device
    with torch.inference_mode():
        features = module.eval()(torch.zeros(1, 3, image_size, image_size, device=device))
    module.train(was_training)
    if not isinstance(features, torch.Tensor) or features.ndim != 2:
        got = tuple(getattr(features, "shape", ())) or type(features).__name__
        raise ValueError(f"it gives {got} for one image, not one vector of features")
    return int(features.shape[1])


def read_state_dict(path: Path) -> Mapping[str, torch.Tensor]:
    """The tensors of a weights file by name; no code in it is run.

    Raises `ModelError` when the file is missing, damaged or holds something else.
    """
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelError(f"weights_file {path}: no such file")
    content: object
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # There is no telling what a reader raises for a file of another kind.
        raise ModelError(
            f"weights_file {path}: neither .safetensors nor a state dict that can be read "
            f"safely: {first_line(error)}"
        ) from error
    if isinstance(content, dict):
        content = next((content[key] for key in _NESTED if key in content), content)
    if not (
        isinstance(content, dict)
        and content
        and all(isinstance(tensor, torch.Tensor) for tensor in content.values())
    ):
        raise ModelError(f"weights_file {path}: holds no state dict, tensors by name")
    return content
