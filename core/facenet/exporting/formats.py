"""The forms in which a model leaves facenet, and which of them an output's name means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from facenet.errors import RequestError
from facenet.exporting.onnx_file import open_onnx, write_onnx
from facenet.exporting.torch_export import open_torch_export, write_torch_export
from facenet.exporting.torchscript import open_torchscript, write_torchscript
from facenet.models import TorchModel

if TYPE_CHECKING:
    from facenet.exporting.pixels import Exported

BUNDLE = "bundle"
Precision = Literal["fp32", "int8"]


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A kind of file: what messages call one, how it may end, how it is written and loaded."""

    noun: str
    suffixes: tuple[str, ...]
    write: Callable[[TorchModel, Path], None]
    open: Callable[[Path], Exported]

    def __str__(self) -> str:
        return f"{self.noun} must end in {' or '.join(self.suffixes)}"


FORMATS = {
    "torchscript": FileFormat(
        "a TorchScript file", (".ts", ".pt"), write_torchscript, open_torchscript
    ),
    "torch-export": FileFormat(
        "a torch.export file", (".pt2",), write_torch_export, open_torch_export
    ),
    "onnx": FileFormat("an ONNX file", (".onnx",), write_onnx, open_onnx),
}


def checked_format(
    output: Path,
    asked: str | None = None,
    *,
    precision: Precision = "fp32",
    with_images: bool = False,
) -> str:
    """A key of `FORMATS`, or `BUNDLE`: what was `asked` for, or else what `output` ends in.

    Raises `RequestError` when the two contradict each other, the ending says nothing, or the format
    does not come in that precision. An ending guards other files: an export replaces what has its
    name.
    """
    kind = _format_of(output, asked)
    if kind == BUNDLE and (precision != "fp32" or with_images):
        raise RequestError(
            f"{output}: a bundle is the model itself; --precision and --images are for files"
        )
    if precision == "int8" and kind != "onnx":
        raise RequestError(f"{output}: --precision int8 is for ONNX files, which end in .onnx")
    if precision == "int8" and not with_images:
        raise RequestError(
            "--precision int8: needs --images, a folder of identities to calibrate and measure on"
        )
    return kind


def _format_of(output: Path, asked: str | None) -> str:
    endings = {suffix: name for name, form in FORMATS.items() for suffix in form.suffixes}
    named = endings.get(output.suffix)
    if asked is None and named is None and output.suffix:
        raise RequestError(
            f"{output}: {', '.join(map(str, FORMATS.values()))}; a bundle is a folder, without "
            f"ending or with --format {BUNDLE}"
        )
    kind = asked or named or BUNDLE
    if kind == BUNDLE and named:
        raise RequestError(f"{output}: a bundle is a folder; {output.suffix} is for {named} files")
    if kind != BUNDLE and kind != named:
        raise RequestError(f"{output}: {FORMATS[kind]}")
    return kind
