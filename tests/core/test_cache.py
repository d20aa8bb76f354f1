"""The image cache: built once, valid for one content, never half there."""

from __future__ import annotations

import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from facenet.config import TrainConfig, load_config, parse_config
from facenet.data import FaceDataModule, FaceDataset, cache_build, dataset, open_cache, open_folder
from facenet.data.cache import CropCache
from facenet.data.precision import as_type
from facenet.errors import DataError, ImageError

SIZE = 32


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The images that were decoded for the cache since the test began."""
    seen: list[Path] = []
    read_crop = cache_build.read_crop

    def watched(path: Path, image_size: int) -> Any:
        seen.append(path)
        return read_crop(path, image_size)

    monkeypatch.setattr(cache_build, "read_crop", watched)
    return seen


def cache(
    folder: Path, precision: Any = "uint8", image_size: int = SIZE, **given: Any
) -> CropCache:
    return open_cache(
        folder, folder.parent / "cache", image_size=image_size, precision=precision, **given
    )


def entries(folder: Path) -> list[Path]:
    return sorted((folder.parent / "cache").glob("*/*"))


def all_pixels(cache: CropCache) -> np.ndarray:
    return cache.take(cache.rows(cache.paths))


def test_a_cache_holds_what_decoding_gives(own_faces: Path) -> None:
    samples = open_folder(training(own_faces)).samples
    plain, cached = FaceDataset(samples, SIZE), FaceDataset(samples, SIZE, crops=cache(own_faces))
    for index in (0, 30, 71):
        assert torch.equal(plain[index][0], cached[index][0])
        assert plain[index][1] == cached[index][1]


def test_a_second_opening_decodes_nothing(own_faces: Path, decoded: list[Path]) -> None:
    first = cache(own_faces)
    assert len(decoded) == 72
    decoded.clear()
    again = cache(own_faces)
    assert decoded == []
    assert np.array_equal(all_pixels(again), all_pixels(first))


def change_an_image(folder: Path) -> None:
    a, b = folder / "id-000" / "000.jpg", folder / "id-001" / "000.jpg"
    status = a.stat()
    a.write_bytes(b.read_bytes())
    os.utime(a, ns=(status.st_atime_ns, status.st_mtime_ns))


def add_an_image(folder: Path) -> None:
    shutil.copy(folder / "id-000" / "000.jpg", folder / "id-000" / "new.jpg")


def remove_an_image(folder: Path) -> None:
    (folder / "id-003" / "002.jpg").unlink()


def rename_an_identity(folder: Path) -> None:
    (folder / "id-003").rename(folder / "someone")


@pytest.mark.parametrize(
    "change", [change_an_image, add_an_image, remove_an_image, rename_an_identity]
)
def test_a_changed_folder_gets_a_new_cache_in_place_of_the_old(
    own_faces: Path, change: Any
) -> None:
    old = cache(own_faces)
    change(own_faces)
    new = cache(own_faces)
    assert entries(own_faces) == [new.entry] != [old.entry]
    plain = np.stack([cache_build.read_crop(path, SIZE) for path in new.paths])
    assert np.array_equal(all_pixels(new), plain)


def test_sizes_and_types_have_entries_of_their_own(own_faces: Path, decoded: list[Path]) -> None:
    variants = [("uint8", 32), ("float16", 32), ("float32", 32), ("uint8", 24)]
    made = [cache(own_faces, *variant) for variant in variants]
    assert len(entries(own_faces)) == 4
    decoded.clear()
    assert [all_pixels(cache(own_faces, *variant)).shape for variant in variants] == [
        all_pixels(each).shape for each in made
    ]
    assert decoded == []


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_float_pixels_are_in_0_to_1_and_give_back_their_bytes(
    own_faces: Path, precision: Any
) -> None:
    stored = all_pixels(cache(own_faces, precision))
    assert stored.dtype == precision
    assert 0.0 <= stored.min() < 0.1 < 0.9 < stored.max() <= 1.0
    samples = open_folder(training(own_faces)).samples
    from_bytes = FaceDataset(samples, SIZE, crops=cache(own_faces)).pixels(range(72))
    as_bytes = FaceDataset(samples, SIZE, crops=cache(own_faces, precision)).pixels(range(72))
    assert torch.equal(as_bytes, from_bytes)


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_every_byte_survives_being_a_float(precision: Any) -> None:
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(as_type(as_type(every, precision), "uint8"), every)


def test_unreadable_images_are_known_without_decoding(own_faces: Path, decoded: list[Path]) -> None:
    (own_faces / "id-001" / "text.jpg").write_text("no image")
    config = training(own_faces, min_images_per_class=2)
    plain = open_folder(config)
    cached = cached_training(own_faces, min_images_per_class=2)
    first = open_folder(cached)
    decoded.clear()
    again = open_folder(cached)
    assert decoded == []
    for found in (first, again):
        assert found.unreadable == plain.unreadable
        assert found.samples == plain.samples
    assert "text.jpg: not an image" in plain.unreadable[0]


def cut_the_pixels(entry: Path) -> None:
    pixels = entry / "pixels.npy"
    pixels.write_bytes(pixels.read_bytes()[:-1000])


def flip_a_byte(entry: Path) -> None:
    with (entry / "pixels.npy").open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)[0]
        file.seek(5000)
        file.write(bytes([byte ^ 255]))


def empty_the_index(entry: Path) -> None:
    (entry / "index.json").write_text("{}")


def garble_the_pixels(entry: Path) -> None:
    (entry / "pixels.npy").write_bytes(b"no array")


def remove_the_index(entry: Path) -> None:
    (entry / "index.json").unlink()


@pytest.mark.parametrize(
    "damage",
    [cut_the_pixels, flip_a_byte, empty_the_index, garble_the_pixels, remove_the_index],
)
def test_a_damaged_cache_is_rebuilt(own_faces: Path, damage: Any, decoded: list[Path]) -> None:
    intact = all_pixels(cache(own_faces))
    damage(cache(own_faces).entry)
    decoded.clear()
    assert np.array_equal(all_pixels(cache(own_faces)), intact)
    assert len(decoded) == 72
    decoded.clear()
    cache(own_faces)
    assert decoded == []


def test_an_interrupted_build_leaves_nothing(own_faces: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if (own_faces.parent / "cache").exists() and done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache(own_faces, progress=interrupt)
    assert entries(own_faces) == []
    assert len(all_pixels(cache(own_faces))) == 72


def test_what_killed_builds_left_is_removed_and_running_ones_are_left(own_faces: Path) -> None:
    home = cache(own_faces).entry.parent
    for name, age in (("dead", 7200), ("alive", 0)):
        (home / f".building-{name}").mkdir()
        os.utime(home / f".building-{name}", (os.stat(home).st_mtime - age,) * 2)
    add_an_image(own_faces)
    entry = cache(own_faces).entry
    assert sorted(path.name for path in home.iterdir()) == [".building-alive", entry.name]


def test_a_full_disk_is_named_and_nothing_stays(own_faces: Path, full_disk) -> None:
    expected = r"cannot be written: .*1 MB.*data.cache_dataset=false"
    with full_disk(50_000), pytest.raises(DataError, match=expected):
        cache(own_faces)
    assert entries(own_faces) == []


def test_builds_at_the_same_time_agree(own_faces: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: all_pixels(cache(own_faces)), range(4)))
    assert all(np.array_equal(each, made[0]) for each in made)
    assert len(entries(own_faces)) == 1


def test_a_cache_travels_to_a_worker_without_its_pixels(own_faces: Path) -> None:
    opened = cache(own_faces)
    expected = all_pixels(opened)
    sent = pickle.dumps(opened)
    assert len(sent) < expected.nbytes / 10
    assert np.array_equal(all_pixels(pickle.loads(sent)), expected)


def test_the_pixels_cannot_be_changed_by_accident(own_faces: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        cache(own_faces)._pixels[0] = 0


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images in it"):
        cache(tmp_path / "empty")


def training(folder: Path, **data: Any) -> TrainConfig:
    values = {"root": str(folder), "image_size": SIZE, "classes_per_batch": 4, "num_workers": 0}
    return parse_config({"data": {**values, "samples_per_class": 3, **data}}, TrainConfig)


def cached_training(folder: Path, **data: Any) -> TrainConfig:
    """A configuration in a file of its own folder, which is where its cache goes."""
    values = training(folder, cache_dataset=True, **data).data.model_dump(mode="json")
    path = folder.parent / "config" / "train.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({"data": values}))
    return load_config(path, TrainConfig)


@pytest.mark.parametrize("precision", ["uint8", "float16", "float32"])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same_with_and_without_the_cache(
    own_faces: Path, precision: str, workers: int
) -> None:
    plain = training(own_faces, precision=precision)
    cached = cached_training(own_faces, precision=precision, num_workers=workers)
    without = FaceDataModule(plain, open_folder(plain))
    with_cache = FaceDataModule(cached, open_folder(cached))
    assert (own_faces.parent / "config" / ".facenet" / "cache").is_dir()
    for loader in ("train_dataloader", "val_dataloader"):
        pairs = zip(getattr(without, loader)(), getattr(with_cache, loader)(), strict=True)
        for (pixels, labels), (same_pixels, same_labels) in pairs:
            assert pixels.dtype == getattr(torch, precision)
            assert torch.equal(pixels, same_pixels)
            assert torch.equal(labels, same_labels)


def test_a_folder_that_was_only_scanned_is_cached_all_the_same(
    own_faces: Path, decoded: list[Path]
) -> None:
    config = cached_training(own_faces)
    module = FaceDataModule(config, open_folder(training(own_faces)))
    assert len(decoded) == 72
    shutil.rmtree(own_faces)
    for pixels, _ in module.train_dataloader():
        assert pixels.shape == (12, 3, SIZE, SIZE)


def test_training_with_the_cache_decodes_each_image_once(
    facenet: Any,
    own_faces: Path,
    train_values: dict[str, Any],
    decoded: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(path: Path, image_size: int) -> None:
        raise ImageError(f"{path}: decoded in spite of the cache")

    monkeypatch.setattr(dataset, "read_crop", never)
    data = {**train_values["data"], "root": str(own_faces), "cache_dataset": True}
    path = tmp_path / "train.yaml"
    values = {**train_values, "data": data, "trainer": {**train_values["trainer"], "max_epochs": 1}}
    path.write_text(yaml.safe_dump(values))
    for decodings in (72, 0):
        decoded.clear()
        ran = facenet("train", "--config", path, "--replace")
        assert ran.code == 0, ran.err
        assert len(decoded) == decodings
