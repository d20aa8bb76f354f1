"""Identity folders, the identity-level split, and P x K batches."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facenet.data import FaceDataset, PKBatchSampler, scan_folder, split_identities
from facenet.errors import DataError


@pytest.fixture
def folder(faces: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(faces, tmp_path / "faces"))


def test_a_folder_gives_its_identities_and_images(faces: Path) -> None:
    found = scan_folder(faces)
    assert len(found.identities) == 12
    assert len(found.samples) == 72
    assert found.unreadable == ()
    assert all(sample.path.parent.name == sample.identity for sample in found.samples)


def test_unreadable_images_are_listed_and_left_out(folder: Path) -> None:
    bad = folder / "id-000" / "000.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    (folder / "id-001" / "text.jpg").write_text("no image")
    found = scan_folder(folder)
    assert len(found.samples) == 71
    assert [reason.split(":")[0] for reason in found.unreadable] == [
        str(bad),
        str(folder / "id-001" / "text.jpg"),
    ]


def test_identities_with_too_few_readable_images_are_listed_and_left_out(folder: Path) -> None:
    for image in sorted((folder / "id-002").iterdir())[1:]:
        image.unlink()
    for image in sorted((folder / "id-003").iterdir())[1:]:
        image.write_bytes(b"")
    found = scan_folder(folder, min_images=2)
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
        per_identity = Counter(labels[index] for index in batch)
        assert len(per_identity) == sampler.classes_per_batch
        assert set(per_identity.values()) == {sampler.samples_per_class}


@given(samplers())
def test_images_repeat_only_where_an_identity_has_fewer_than_k(case) -> None:
    labels, sampler = case
    images = Counter(labels)
    for batch in sampler:
        for index, times in Counter(batch).items():
            assert times == 1 or images[labels[index]] < sampler.samples_per_class


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
            seen.update({labels[index] for index in batch})
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


def test_a_dataset_gives_bytes_and_labels(faces: Path) -> None:
    dataset = FaceDataset(scan_folder(faces).samples, 32)
    image, label = dataset[7]
    assert image.shape == (3, 32, 32)
    assert image.dtype == torch.uint8
    assert dataset.identities[label] == dataset.samples[7].identity


@pytest.mark.parametrize("name", ["flip", "color", "crop", "rotation"])
def test_every_augmentation_changes_images_but_not_their_form(faces: Path, name: str) -> None:
    samples = scan_folder(faces).samples[:6]
    plain, augmented = FaceDataset(samples, 32), FaceDataset(samples, 32, [name])
    torch.manual_seed(0)
    changed = [not torch.equal(plain[i][0], augmented[i][0]) for i in range(6)]
    assert any(changed)
    assert augmented[0][0].shape == (3, 32, 32)
    assert augmented[0][0].dtype == torch.uint8
