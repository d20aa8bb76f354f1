"""The part of `StoreSuite` that is about kept crops."""

from __future__ import annotations

from typing import Any

import pytest

from facenet.errors import StoreError
from facenet.gallery import LARGEST_CROP
from facenet.stores import CropStore, Store
from facenet.testing.galleries import OpenStore, axis, directions

FACE, OTHER = b"\x89PNG of a face", b"\x00 and \xff of another"
"""A store does not look into a crop."""
BAD_CROPS = {
    "empty": b"",
    "too large": bytes(LARGEST_CROP + 1),
    "text": "face.png",
    "changeable": bytearray(FACE),
}


class CropTests:
    """Needs the fixtures `store`, an empty gallery, `open_store` and `needs_persistence`; skipped
    where the store keeps no crops."""

    @pytest.fixture
    def crop_store(self, store: Store) -> CropStore:
        return keeping(store)

    def test_crops_come_back_in_order_of_samples(self, crop_store: CropStore) -> None:
        """If this fails: crops are lost, changed, reordered, or those of other samples."""
        crop_store.enrol("ann", directions(3), keys=["c", "a", "b"], crops=[OTHER, None, FACE])
        crop_store.enrol("bob", axis(0), crops=[FACE])
        crop_store.enrol("ann", axis(1))
        crop_store.enrol("ann", axis(2), crops=[FACE])
        assert crop_store.crops("ann") == [OTHER, None, FACE, None, FACE]

    def test_nobody_has_no_crops(self, crop_store: CropStore) -> None:
        """If this fails: asking for the crops of an identity that is not enrolled raises."""
        assert crop_store.enrol("ann", directions(0), crops=[]) == 0
        assert crop_store.crops("ann") == []

    def test_only_new_keys_bring_their_crops(self, crop_store: CropStore) -> None:
        """If this fails: of a repeated key the last counts, or a skipped row's crop is kept."""
        crop_store.enrol("ann", axis(0), keys=["a"])
        crops = [FACE, OTHER, FACE]
        assert crop_store.enrol("ann", directions(3), keys=["a", "b", "b"], crops=crops) == 1
        assert crop_store.crops("ann") == [None, OTHER]

    @pytest.mark.parametrize("crops", [[], [FACE], [FACE, None, FACE]])
    def test_number_of_crops_must_fit(self, crop_store: CropStore, crops: Any) -> None:
        """If this fails: crops are paired with the wrong samples."""
        with pytest.raises(StoreError, match=f"{len(crops)} crops were given for 2 embeddings"):
            crop_store.enrol("ann", directions(2), crops=crops)
        assert crop_store.count() == 0

    @pytest.mark.parametrize("bad", BAD_CROPS.values(), ids=BAD_CROPS)
    def test_bad_crops_write_nothing(self, crop_store: CropStore, bad: Any) -> None:
        """If this fails: a crop is kept that is no file, or the samples before it are."""
        with pytest.raises(StoreError, match="a crop "):
            crop_store.enrol("ann", directions(2), crops=[FACE, bad])
        assert crop_store.count() == 0

    def test_largest_crop(self, crop_store: CropStore) -> None:
        """If this fails: large crops are refused, cut or changed."""
        largest = bytes(range(256)) * (LARGEST_CROP // 256)
        crop_store.enrol("ann", axis(0), crops=[largest])
        assert crop_store.crops("ann") == [largest]

    def test_refused_enrolment_keeps_no_crop(self, crop_store: CropStore) -> None:
        """If this fails: crops are written beside the transaction of their samples."""
        crop_store.enrol("ann", axis(0), crops=[FACE])
        with pytest.raises(StoreError, match="cancel"):
            crop_store.enrol("ann", -axis(0), crops=[OTHER])
        assert crop_store.crops("ann") == [FACE]

    def test_forget_erases_crops(self, crop_store: CropStore) -> None:
        """If this fails: faces of a forgotten identity stay, or those of others go with them."""
        crop_store.enrol("ann", directions(2), keys=["a", "b"], crops=[FACE, OTHER])
        crop_store.enrol("bob", axis(0), crops=[OTHER])
        crop_store.forget("ann")
        assert crop_store.crops("ann") == []
        crop_store.enrol("ann", axis(0), keys=["a"])
        assert crop_store.crops("ann") == [None]
        assert crop_store.crops("bob") == [OTHER]

    @pytest.mark.usefixtures("needs_persistence")
    def test_reopening_keeps_crops(self, open_store: OpenStore) -> None:
        """If this fails: crops live only in the object and not in the gallery."""
        with open_store() as store:
            keeping(store).enrol("ann", directions(2), crops=[FACE, None])
        with open_store() as store:
            assert keeping(store).crops("ann") == [FACE, None]


def keeping(store: Store) -> CropStore:
    """The store as one that keeps crops; else the test is skipped."""
    if not isinstance(store, CropStore):
        pytest.skip("this store keeps no crops")
    return store
