"""Identity folders, the identity-level split, and P x K batches."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from facenet.config import TrainConfig, parse_config
from facenet.data import (
    Batch,
    FaceDataModule,
    FaceDataset,
    IdentityFolder,
    PKBatchSampler,
    Sample,
    TrainingBatches,
    scan_folder,
    split_identities,
    validation_samples,
)
from facenet.errors import DataError


def test_a_folder_gives_its_identities_and_images(faces: Path) -> None:
    found = scan_folder(faces)
    assert len(found.identities) == 12
    assert len(found.samples) == 72
    assert found.unreadable == ()
    assert all(sample.path.parent.name == sample.identity for sample in found.samples)


def test_unreadable_images_are_listed_and_left_out(own_faces: Path) -> None:
    bad = own_faces / "id-000" / "000.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    (own_faces / "id-001" / "text.jpg").write_text("no image")
    found = scan_folder(own_faces)
    assert len(found.samples) == 71
    assert [reason.split(":")[0] for reason in found.unreadable] == [
        str(bad),
        str(own_faces / "id-001" / "text.jpg"),
    ]


def test_identities_with_too_few_readable_images_are_listed_and_left_out(own_faces: Path) -> None:
    for image in sorted((own_faces / "id-002").iterdir())[1:]:
        image.unlink()
    for image in sorted((own_faces / "id-003").iterdir())[1:]:
        image.write_bytes(b"")
    found = scan_folder(own_faces, min_images=2)
    assert found.too_few == ("id-002", "id-003")
    assert len(found.identities) == 10


def test_progress_reaches_the_end(faces: Path) -> None:
    seen: list[tuple[int, int]] = []
    scan_folder(faces, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 72) for done in range(1, 73)]


def test_a_folder_without_identities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images in it"):
        scan_folder(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        scan_folder(tmp_path / "nowhere")


def test_images_that_are_no_ones_are_named(own_faces: Path) -> None:
    with pytest.raises(DataError, match="all images lie directly in it; expected"):
        scan_folder(next(own_faces.iterdir()))


NAMES = st.lists(st.text(min_size=1), min_size=4, max_size=60, unique=True)


@given(NAMES, st.floats(0.01, 0.99), st.integers(0, 5), st.randoms())
def test_a_split_is_disjoint_complete_and_independent_of_order(names, share, seed, random) -> None:
    train, val = split_identities(names, share, seed)
    assert not train & val
    assert train | val == set(names)
    assert min(len(train), len(val)) >= 2
    random.shuffle(names)
    assert split_identities(names, share, seed) == (train, val)


def test_another_seed_gives_another_split() -> None:
    names = [f"id-{number}" for number in range(100)]
    assert split_identities(names, 0.3, 0) != split_identities(names, 0.3, 1)
    assert len(split_identities(names, 0.3, 0)[1]) == 30


def test_too_few_identities_cannot_be_split() -> None:
    with pytest.raises(DataError, match="at least 4"):
        split_identities(["a", "b", "c"], 0.5, 0)


@st.composite
def samplers(draw):
    images = draw(st.lists(st.integers(1, 9), min_size=2, max_size=30))
    labels = [label for label, count in enumerate(images) for _ in range(count)]
    classes = draw(st.integers(2, len(images)))
    per_class = draw(st.integers(2, 6))
    return labels, PKBatchSampler(
        labels, classes_per_batch=classes, samples_per_class=per_class, seed=draw(st.integers(0, 9))
    )


@given(samplers())
def test_every_batch_has_p_identities_with_k_images_each(case) -> None:
    labels, sampler = case
    batches = list(sampler)
    assert len(batches) == len(sampler)
    for batch in batches:
        per_identity = Counter(labels[index] for index in batch.indices)
        assert len(per_identity) == sampler.classes_per_batch
        assert set(per_identity.values()) == {sampler.samples_per_class}


@given(samplers())
def test_images_repeat_only_where_an_identity_has_fewer_than_k(case) -> None:
    labels, sampler = case
    images = Counter(labels)
    for batch in sampler:
        for index, times in Counter(batch.indices).items():
            assert times == 1 or images[labels[index]] < sampler.samples_per_class


@given(samplers())
def test_images_of_an_identity_come_as_often_as_each_other(case) -> None:
    labels, sampler = case
    images = Counter(labels)
    for batch in sampler:
        drawn = Counter(batch.indices)
        for index, times in drawn.items():
            fewest = sampler.samples_per_class // images[labels[index]]
            assert times in (fewest, fewest + 1)


@given(samplers(), st.integers(0, 3))
def test_batches_depend_on_seed_and_epoch_alone(case, epoch) -> None:
    _, sampler = case
    sampler.set_epoch(epoch)
    assert list(sampler) == list(sampler)


def test_identities_are_seen_equally_often_however_many_images_they_have() -> None:
    labels = [0] * 100 + [label for label in range(1, 21) for _ in range(2)]
    sampler = PKBatchSampler(labels, classes_per_batch=4, samples_per_class=2)
    seen: Counter[int] = Counter()
    for epoch in range(20):
        sampler.set_epoch(epoch)
        for batch in sampler:
            seen.update({labels[index] for index in batch.indices})
    assert max(seen.values()) - min(seen.values()) <= 20


def test_epochs_differ_unless_shuffling_is_off() -> None:
    labels = [label for label in range(20) for _ in range(4)]
    for shuffle in (True, False):
        sampler = PKBatchSampler(labels, classes_per_batch=4, samples_per_class=2, shuffle=shuffle)
        first = list(sampler)
        sampler.set_epoch(1)
        assert (list(sampler) != first) == shuffle


def test_fewer_identities_than_p_are_refused() -> None:
    with pytest.raises(DataError, match="3 training identities are fewer than classes_per_batch 4"):
        PKBatchSampler([0, 0, 1, 1, 2, 2], classes_per_batch=4, samples_per_class=2)


def test_a_sampler_resumes_in_the_middle_of_an_epoch_and_only_there() -> None:
    labels = [label for label in range(20) for _ in range(4)]
    whole = PKBatchSampler(labels, classes_per_batch=4, samples_per_class=2)
    whole.set_epoch(3)
    resumed = PKBatchSampler(labels, classes_per_batch=4, samples_per_class=2)
    resumed.seek(epoch=3, batch=6)
    assert len(resumed) == 10
    resumed.set_epoch(3)  # as Lightning does before every pass
    assert list(resumed) == list(whole)[6:]
    assert list(resumed) == list(whole)
    resumed.set_epoch(4)
    assert len(list(resumed)) == 10


@given(samplers(), st.integers(0, 3), st.data())
def test_every_place_of_an_epoch_can_be_sought(case, epoch, data) -> None:
    _, sampler = case
    sampler.set_epoch(epoch)
    whole = list(sampler)
    batch = data.draw(st.integers(0, len(whole)))
    sampler.seek(epoch, batch)
    assert list(sampler) == whole[batch:]


@given(samplers(), st.sampled_from([2, 3]))
def test_processes_share_the_batch_of_one_without_common_identities(case, world_size) -> None:
    labels, _ = case
    classes = len(set(labels)) // world_size
    assume(classes >= 1)

    def sampler(classes: int, **share: int) -> PKBatchSampler:
        return PKBatchSampler(labels, classes_per_batch=classes, samples_per_class=2, **share)

    alone = list(sampler(world_size * classes))
    shares = [
        list(sampler(classes, rank=rank, world_size=world_size)) for rank in range(world_size)
    ]
    assert {len(share) for share in shares} == {len(alone)}
    for whole, parts in zip(alone, zip(*shares, strict=True), strict=True):
        assert sum((part.indices for part in parts), ()) == whole.indices
        seen = Counter(label for part in parts for label in {labels[i] for i in part.indices})
        assert set(seen.values()) == {1}
        assert len({part.seed for part in parts}) == world_size


def test_fewer_identities_than_all_processes_need_are_refused() -> None:
    labels = [label for label in range(7) for _ in range(2)]
    wanted = "7 training identities .* 4 x 2 devices = 8: lower data.classes_per_batch to at most 3"
    with pytest.raises(DataError, match=wanted):
        PKBatchSampler(labels, classes_per_batch=4, samples_per_class=2, world_size=2)


def test_every_batch_has_a_seed_of_its_own() -> None:
    labels = [label for label in range(20) for _ in range(4)]
    sampler = PKBatchSampler(labels, classes_per_batch=4, samples_per_class=2)
    seeds = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        seeds += [batch.seed for batch in sampler]
    assert len(set(seeds)) == 30


@pytest.mark.parametrize(
    "other",
    [{"a/x": 12, "b/y": 5}, {"a/x": 1, "2b/y": 6}, {"a/x": 1}],
    ids=["runs on", "size", "less"],
)
def test_a_digest_tells_which_images_a_folder_has(other: dict[str, int], tmp_path: Path) -> None:
    def digest(place: str, files: dict[str, int]) -> str:
        root = tmp_path / place
        for name, size in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"x" * size)
        samples = tuple(Sample(root / name, name.partition("/")[0]) for name in files)
        return IdentityFolder(root, samples).digest()

    files = {"a/x": 1, "2b/y": 5}
    assert digest("one", files) == digest("copy", files) != digest("other", other)


def test_a_dataset_gives_bytes_and_labels(faces: Path) -> None:
    dataset = FaceDataset(scan_folder(faces).samples, 32)
    image, label = dataset[7]
    assert image.shape == (3, 32, 32)
    assert image.dtype == torch.uint8
    assert dataset.identities[label] == dataset.samples[7].identity


def test_a_training_batch_has_the_images_and_labels_that_were_drawn(faces: Path) -> None:
    dataset = FaceDataset(scan_folder(faces).samples, 32)
    pixels, labels = TrainingBatches(dataset)[Batch((40, 3, 3, 17), seed=1)]
    assert pixels.shape == (4, 3, 32, 32)
    assert labels.tolist() == [6, 0, 0, 2]
    assert torch.equal(pixels, torch.stack([dataset[index][0] for index in (40, 3, 3, 17)]))


def data_module(values: dict[str, Any], rank: int = 0, world_size: int = 1, **data: Any) -> Any:
    config = parse_config({**values, "data": {**values["data"], **data}}, TrainConfig)
    module = FaceDataModule(config, scan_folder(config.data.root))
    module.trainer = SimpleNamespace(global_rank=rank, world_size=world_size)
    module.setup("fit")
    return module


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epochs_batches_are_the_same_whoever_decodes_them(train_values, shuffle: bool) -> None:
    def epoch(number: int, workers: int) -> list[list[torch.Tensor]]:
        module = data_module(train_values, num_workers=workers, shuffle=shuffle)
        module.sampler.set_epoch(number)
        return [list(batch) for batch in module.train_dataloader()]

    first, again, second = epoch(0, 0), epoch(0, 2), epoch(1, 0)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    same = all(torch.equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
    assert same == (not shuffle)


def test_processes_validate_disjoint_shares_that_make_up_the_whole(train_values) -> None:
    alone = data_module(train_values)
    shares = [
        data_module(train_values, rank=rank, world_size=3, classes_per_batch=2) for rank in range(3)
    ]

    def images(module: FaceDataModule) -> list[tuple[bytes, int]]:
        return [
            (pixels.numpy().tobytes(), int(label))
            for batch in module.val_dataloader()
            for pixels, label in zip(*batch, strict=True)
        ]

    parts = [images(share) for share in shares]
    assert sorted(itertools.chain(*parts)) == sorted(images(alone))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_no_identity_has_more_validation_images_than_allowed(train_values) -> None:
    values = {**train_values["data"], "val_images_per_class": 4}
    config = parse_config({**train_values, "data": values}, TrainConfig)
    folder = scan_folder(config.data.root)
    chosen = validation_samples(config, folder)
    assert set(Counter(sample.identity for sample in chosen).values()) == {4}
    reordered = dataclasses.replace(folder, samples=folder.samples[::-1])
    assert set(validation_samples(config, reordered)) == set(chosen)
    assert data_module(train_values, val_images_per_class=4).val_set.samples == chosen
