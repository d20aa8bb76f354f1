"""A corpus of files that were made to harm, damaged, odd, or as large as is allowed.

Each gives its pixels, or an `ImageError` that names it: never another error, a warning, a hang, or
more than 300 MB. With `-s` each file is printed with what came of it, its milliseconds of processor
time, and its megabytes above what the process takes idle.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facenet.errors import ImageError
from facenet.imaging import decode, open_photo
from facenet.types import ImageLimits

CORPUS = Path(__file__).with_name("hostile_images")
MOST_MEMORY = 300


@pytest.mark.parametrize("group", ["valid", "hostile", "damaged"])
def test_every_file_gives_its_pixels_or_an_error_that_names_it(group: str, tmp_path: Path) -> None:
    check(group, tmp_path, at_least=100)


@pytest.mark.slow
def test_the_largest_files_that_are_allowed_are_decoded_in_bounded_memory(tmp_path: Path) -> None:
    check("large", tmp_path, at_least=30)


def check(group: str, folder: Path, *, at_least: int) -> None:
    """Decode a group of the corpus, and print what came of it."""
    command = [sys.executable, "-W", "always", str(CORPUS), group, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        line = "{name:28} {ms:6.0f} ms {mb:6.1f} MB  {outcome:.90} {wrong}".format(**row)
        sys.stdout.write(f"\n{line}")
    assert len(rows) >= at_least
    assert [row for row in rows if row["wrong"]] == []
    assert [row for row in rows if row["mb"] > MOST_MEMORY] == []


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "none.jpg", "no such file")


def test_a_link_to_nothing_is_a_missing_file(tmp_path: Path) -> None:
    link = tmp_path / "link.jpg"
    link.symlink_to(tmp_path / "none.jpg")
    refused(link, "no such file")


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link.jpg"
    link.symlink_to(link)
    refused(link, "cannot be read: Too many levels")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "is not a file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    refused(tmp_path / "pipe.jpg", "is not a file")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no such device")
def test_a_device_is_refused(tmp_path: Path) -> None:
    refused(Path("/dev/zero"), "is not a file")


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="this system has no such file")
def test_a_file_that_states_no_length_is_refused() -> None:
    refused(Path("/proc/version"), "is empty")


def test_a_name_that_no_file_can_have_is_refused() -> None:
    refused("a\0.jpg", "cannot be read")


def test_a_file_of_more_bytes_than_allowed_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(2**40)
    refused(path, r"1,099,511,627,776 bytes are more than the 50,000,000 allowed")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.touch(mode=0)
    refused(path, "cannot be read: Permission denied")


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/a.jpg", "file:///etc/hostname", "s3://a/b"]
)
def test_an_address_is_not_fetched(address: str) -> None:
    refused(address, "is an address, and facenet fetches none")


def test_what_is_damaged_behind_the_header_is_named_when_pixels_are_asked_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cut.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    photo = open_photo(path)
    assert photo.size == (400, 300)
    for scale in (0.1, 1):
        with pytest.raises(ImageError, match=r"cut\.jpg: cannot be decoded: .*truncated"):
            photo.at(scale)


def test_a_pillow_image_that_is_no_photo_is_refused() -> None:
    with pytest.raises(ImageError, match=r"^image: floating-point pixels: not a photo$"):
        decode(Image.new("F", (4, 4)))


def test_lower_limits_refuse_nothing_that_keeps_to_them(tmp_path: Path) -> None:
    noise = Image.effect_noise((400, 300), 50).convert("CMYK")
    noise.save(tmp_path / "a.jpg", progressive=True, quality=100)
    noise.convert("RGB").save(tmp_path / "a.webp", lossless=True)
    for path in tmp_path.iterdir():
        limits = ImageLimits(max_pixels=120_000, max_bytes=path.stat().st_size)
        assert decode(path, limits).shape == (300, 400, 3)


def refused(source: Path | str, reason: str) -> None:
    with pytest.raises(ImageError, match=re.escape(f"{source}: ") + reason):
        open_photo(source)
