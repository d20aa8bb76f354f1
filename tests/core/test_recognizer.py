"""The Recognizer over the reference store."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facenet import Recognizer
from facenet.errors import ConfigError, ImageError, ModelError, RequestError, StoreError
from facenet.recognition import embed_files, populate

from .opening import EarlierStore, EarlierWrapper, over, recognizer_of


@pytest.fixture
def recognizer(trained: Path):
    with recognizer_of(trained) as opened:
        yield opened


@pytest.fixture
def uncalibrated(trained: Path, checkpoint: Path) -> Recognizer:
    return recognizer_of(trained, checkpoint_path=str(checkpoint))


def test_an_image_is_most_similar_to_itself(recognizer: Recognizer, photo: Path) -> None:
    decision = recognizer.verify(photo, photo)
    assert decision.similarity == pytest.approx(1, abs=1e-5)
    assert decision.match


def test_path_bytes_pillow_and_array_embed_alike(recognizer: Recognizer, photo: Path) -> None:
    image = Image.open(photo).convert("RGB")
    embeddings = recognizer.embed([photo, str(photo), photo.read_bytes(), image, np.asarray(image)])
    assert embeddings.shape == (5, 16)
    np.testing.assert_allclose(embeddings, np.tile(embeddings[0], (5, 1)), atol=1e-5)


def test_a_decision_says_where_its_threshold_comes_from(trained: Path, photo: Path) -> None:
    calibrated = recognizer_of(trained)
    assert calibrated.verify(photo, photo, threshold=0.25).threshold_origin == "given"
    origin = calibrated.verify(photo, photo).threshold_origin
    assert origin.startswith("calibrated: FAR 0.1 on 216 impostor pairs")
    configured = recognizer_of(trained, threshold=0.5)
    decision = configured.verify(photo, photo)
    assert (decision.threshold, decision.threshold_origin) == (0.5, "configured")


def test_no_threshold_is_invented(uncalibrated: Recognizer, photo: Path) -> None:
    for decide in (lambda: uncalibrated.verify(photo, photo), lambda: uncalibrated.identify(photo)):
        with pytest.raises(RequestError, match="has no calibrated threshold"):
            decide()
    assert uncalibrated.verify(photo, photo, threshold=0.1).match


def test_a_search_names_no_one_without_a_threshold(uncalibrated: Recognizer, photo: Path) -> None:
    uncalibrated.enrol("a", [photo])
    [found] = uncalibrated.search(photo)
    assert [match.identity for match in found.matches] == ["a"]
    assert (found.identity, found.threshold) == (None, None)
    assert found.threshold_origin == "not calibrated: no one is named"
    [named] = uncalibrated.search(photo, threshold=0.9)
    assert (named.identity, named.threshold_origin) == ("a", "given")


def test_a_search_decides_with_a_threshold_for_the_size_of_its_gallery(
    recognizer: Recognizer, faces: Path
) -> None:
    calibration = recognizer.model.card.calibration
    photos = [faces / f"id-{number:03}" / "000.jpg" for number in range(5)]
    recognizer.enrol("0", photos[:1])
    [alone] = recognizer.search(photos[0])
    assert alone.threshold == calibration.threshold
    assert alone.identity == "0"
    for number in range(1, 5):
        recognizer.enrol(str(number), [photos[number]])
    [among_five] = recognizer.search(photos[0])
    # FAR 0.1 / 5 = 0.02: the strictest FAR of the curve that is at most that.
    expected = next(value for far, value in calibration.curve if far <= 0.02)
    assert among_five.threshold == expected > alone.threshold
    assert among_five.threshold_origin.startswith("calibrated: FAR 0.1 over a gallery of 5")


def test_boxes_are_in_pixels_of_the_photo(recognizer: Recognizer, photo: Path, tmp_path) -> None:
    large = tmp_path / "large.jpg"
    Image.open(photo).resize((640, 480)).save(large)
    recognizer.enrol("a", [large])
    [found] = recognizer.search(large)
    assert found.face.box == recognizer.detect(large)[0].box == (0, 0, 640, 480)


@pytest.mark.parametrize("threshold", [1.5, -2.0, float("nan")])
def test_a_threshold_must_be_a_similarity(recognizer: Recognizer, photo, threshold) -> None:
    with pytest.raises(RequestError, match="must be a cosine similarity"):
        recognizer.verify(photo, photo, threshold=threshold)


def test_enrolled_people_are_found_and_forgotten(recognizer: Recognizer, faces: Path) -> None:
    for identity in ("id-000", "id-001", "id-002"):
        images = sorted((faces / identity).iterdir())
        enrolment = recognizer.enrol(identity, images[:3], metadata={"source": "test"})
        assert (enrolment.added, enrolment.samples) == (3, 3)
    [found] = recognizer.search(faces / "id-001" / "000.jpg", top_k=2)
    assert len(found.matches) == 2
    assert found.matches[0].similarity >= found.matches[1].similarity
    everyone = recognizer.search(faces / "id-001" / "000.jpg", top_k=9)[0].matches
    assert {match.identity for match in everyone} == {"id-000", "id-001", "id-002"}
    assert everyone[0].metadata == {"source": "test"}

    assert recognizer.forget("id-001").samples == 3
    left = recognizer.search(faces / "id-001" / "000.jpg", top_k=9)[0].matches
    assert {match.identity for match in left} == {"id-000", "id-002"}
    assert recognizer.forget("id-001").samples == 0


def test_enrolling_the_same_image_again_adds_nothing(recognizer: Recognizer, photo: Path) -> None:
    assert recognizer.enrol("a", [photo]).added == 1
    again = recognizer.enrol("a", [photo.read_bytes(), photo])
    assert (again.added, again.samples) == (0, 1)


def test_enrolment_is_all_or_nothing(recognizer: Recognizer, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(photo.read_bytes()[:200])
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        recognizer.enrol("a", [photo, tmp_path / "bad.jpg"])
    assert recognizer.store.count() == 0
    with pytest.raises(RequestError, match="no image given"):
        recognizer.enrol("a", [])
    with pytest.raises(StoreError, match="visible text"):
        recognizer.enrol(" ", [photo])


def test_min_similarity_hides_the_rest(recognizer: Recognizer, photo: Path) -> None:
    recognizer.enrol("a", [photo])
    assert recognizer.search(photo, min_similarity=0.99)[0].matches
    flipped = Image.open(photo).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    assert not recognizer.search(flipped, min_similarity=0.9999)[0].matches


def test_populate_takes_a_folder_reports_failures_and_repeats_nothing(
    recognizer: Recognizer, faces: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "people"
    for identity in ("id-000", "id-001"):
        (root / identity).mkdir(parents=True)
        for image in sorted((faces / identity).iterdir()):
            (root / identity / image.name).write_bytes(image.read_bytes())
    (root / "id-001" / "bad.jpg").write_text("no image")
    seen: list[tuple[int, int]] = []
    report = populate(recognizer, root, progress=lambda done, total: seen.append((done, total)))
    assert (report.identities, report.images, report.added) == (2, 13, 12)
    assert len(report.failures) == 1
    assert report.failures[0].path == str(root / "id-001" / "bad.jpg")
    assert seen[-1] == (13, 13)
    assert populate(recognizer, root).added == 0
    assert recognizer.store.stats().samples == 12


def test_files_are_embedded_in_order_whatever_the_batch_size(trained: Path, faces: Path) -> None:
    paths = sorted(faces.rglob("*.jpg"))[:11]
    reference = recognizer_of(trained).embed(paths)
    small = recognizer_of(trained, batch_size=4, num_workers=3)
    batches = list(embed_files(small.pipeline, paths))
    assert [len(batch.found) for batch in batches] == [4, 4, 3]
    assert [path for batch in batches for path in batch.found] == paths
    np.testing.assert_allclose(
        np.concatenate([b.embeddings for b in batches]), reference, atol=1e-5
    )


def test_raw_embeddings_on_request(trained: Path, photo: Path) -> None:
    norms = np.linalg.norm(recognizer_of(trained, normalize_embeddings=False).embed([photo]))
    assert norms != pytest.approx(1, abs=1e-3)


def test_another_input_size_is_another_space_without_a_threshold(trained: Path, photo) -> None:
    resized = recognizer_of(trained, image_size=48)
    assert resized.model.card.space != recognizer_of(trained).model.card.space
    with pytest.raises(RequestError, match="no calibrated threshold"):
        resized.verify(photo, photo)


def test_a_network_of_one_size_refuses_another(trained: Path, tmp_path: Path) -> None:
    from facenet.models import (
        ModelCard,
        NetworkSpec,
        Preprocessing,
        TorchModel,
        build_network,
        resized,
    )

    network, backbone, spec = build_network(
        NetworkSpec(backbone="vit_b_32", embedding_dim=8), image_size=64
    )
    preprocessing = Preprocessing(image_size=64, mean=backbone.mean, std=backbone.std)
    model = TorchModel(network, ModelCard(space="0", network=spec, preprocessing=preprocessing))
    with pytest.raises(ModelError, match="image_size 96: this torchvision/vit_b_32 does not take"):
        resized(model, 96)


def test_faces_below_the_detection_threshold_are_ignored(trained: Path, photo: Path) -> None:
    # whole_image scores every face 1, the highest threshold there is.
    assert len(recognizer_of(trained, detection_threshold=1.0).detect(photo)) == 1


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such checkpoint or bundle"):
        recognizer_of(tmp_path)


def test_a_closed_recognizer_opens_its_store_again(trained: Path, photo: Path) -> None:
    recognizer = recognizer_of(trained)
    recognizer.enrol("a", [photo])
    recognizer.close()
    assert recognizer.store.count() == 0


def test_a_photo_is_identified_or_unknown(recognizer: Recognizer, faces: Path) -> None:
    photo = faces / "id-000" / "000.jpg"
    assert recognizer.identify(photo).identity is None
    recognizer.enrol("a", [photo])
    assert recognizer.identify(photo).identity == "a"
    assert recognizer.identify(photo, threshold=1.0).threshold_origin == "given"


def test_an_endless_stream_is_embedded_as_far_as_it_is_taken(trained: Path, photo: Path) -> None:
    recognizer = recognizer_of(trained, batch_size=4)
    broken = b"no image"
    taken = list(islice(recognizer.embed_each(cycle([photo, broken])), 7))
    assert [source for source, _ in taken] == [photo, broken] * 3 + [photo]
    expected = recognizer.embed([photo])[0]
    for source, answer in taken:
        if source is broken:
            assert isinstance(answer, ImageError)
        else:
            np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_many_photos_are_searched_and_a_broken_one_ends_nothing(
    recognizer: Recognizer, faces: Path
) -> None:
    photos = sorted((faces / "id-000").iterdir())
    recognizer.enrol("a", photos[:2])
    answers = list(recognizer.search_each([photos[0], b"", photos[1]], top_k=1))
    assert [source for source, _ in answers] == [photos[0], b"", photos[1]]
    assert isinstance(answers[1][1], ImageError)
    assert answers[0][1][0].matches[0].identity == "a"


def test_answers_print_in_a_line_and_become_json(recognizer: Recognizer, photo: Path) -> None:
    recognizer.enrol("a", [photo])
    [found] = recognizer.search(photo)
    assert repr(found).startswith(
        "FaceMatches(identity='a', matches=[a 1.000], Face(box=(0, 0, 48,"
    )
    answer = json.loads(json.dumps(found.to_dict()))
    assert (answer["identity"], answer["face"]["box"]) == ("a", [0, 0, 48, 48])
    assert answer["matches"][0]["samples"] == 1
    decision = json.loads(json.dumps(recognizer.verify(photo, photo).to_dict()))
    assert decision["match"] is True


@pytest.mark.parametrize("kind", [str, Path])
def test_an_address_is_not_fetched(recognizer: Recognizer, kind: type) -> None:
    with pytest.raises(ImageError, match="is an address, and facenet fetches none"):
        recognizer.detect(kind("http://127.0.0.1:1/face.jpg"))


def test_limits_on_images_are_configured(trained: Path, photo: Path) -> None:
    small = recognizer_of(trained, images={"max_pixels": 48 * 48 - 1})
    with pytest.raises(ImageError, match="48 x 48 pixels are more than the 2,303 allowed"):
        small.embed([photo])
    no_jpeg = recognizer_of(trained, images={"formats": ["PNG"]})
    with pytest.raises(ImageError, match="is a JPEG, and only PNG are allowed"):
        no_jpeg.embed([photo])


def test_threads_get_their_own_answers(trained: Path, faces: Path) -> None:
    recognizer = recognizer_of(trained)
    photos = sorted(faces.rglob("*.jpg"))[:24]
    alone = recognizer.embed(photos)
    with ThreadPoolExecutor(8) as pool:
        together = np.concatenate(list(pool.map(lambda photo: recognizer.embed([photo]), photos)))
    np.testing.assert_allclose(together, alone, atol=1e-5)


# Kept crops


def pixels_of(crops: list[bytes]) -> list[list[Any]]:
    return [np.asarray(Image.open(BytesIO(crop))).tolist() for crop in crops]


def test_no_crop_is_kept_unless_configured(recognizer: Recognizer, photo: Path) -> None:
    recognizer.enrol("a", [photo])
    assert recognizer.store.crops("a") == [None]
    assert recognizer.kept_crops("a") == []


def test_kept_crops_are_what_the_network_saw(trained: Path, faces: Path) -> None:
    photos = sorted((faces / "id-000").iterdir())[:3]
    with recognizer_of(trained, keep_crops=True) as recognizer:
        recognizer.enrol("a", photos)
        expected = [recognizer.pipeline.best_crop(photo).pixels.tolist() for photo in photos]
        assert pixels_of(recognizer.kept_crops("a")) == expected
        assert recognizer.kept_crops("nobody") == []


def test_another_model_can_embed_kept_crops(trained: Path, photo: Path) -> None:
    with recognizer_of(trained, keep_crops=True) as recognizer:
        recognizer.enrol("a", [photo])
        embeddings = recognizer.embed([photo, *recognizer.kept_crops("a")])
    np.testing.assert_allclose(embeddings[1], embeddings[0], atol=1e-5)


def test_crops_come_with_samples_that_are_new(trained: Path, faces: Path) -> None:
    first, second = sorted((faces / "id-000").iterdir())[:2]
    with recognizer_of(trained, keep_crops=True) as recognizer:
        recognizer.enrol("a", [first])
        recognizer.enrol("a", [first, second, second])
        crops = recognizer.kept_crops("a")
        assert len(crops) == recognizer.store.get("a").samples == 2


def test_forget_erases_kept_crops(trained: Path, photo: Path) -> None:
    with recognizer_of(trained, keep_crops=True) as recognizer:
        recognizer.enrol("a", [photo])
        recognizer.forget("a")
        assert recognizer.kept_crops("a") == []


def test_populate_keeps_crops(trained: Path, faces: Path) -> None:
    with recognizer_of(trained, keep_crops=True) as recognizer:
        populate(recognizer, faces)
        photos = sorted((faces / "id-003").iterdir())
        expected = [recognizer.pipeline.best_crop(photo).pixels.tolist() for photo in photos]
        assert pixels_of(recognizer.kept_crops("id-003")) == expected


def test_crops_that_were_kept_are_shown_when_no_more_are(trained: Path, faces: Path) -> None:
    first, second = sorted((faces / "id-000").iterdir())[:2]
    with recognizer_of(trained, keep_crops=True) as keeping:
        keeping.enrol("a", [first])
        kept = keeping.kept_crops("a")
        recognizer = over(keeping.store, recognizer_of(trained))
        recognizer.enrol("a", [second])
        assert recognizer.kept_crops("a") == kept


def test_an_earlier_store_works_as_before(trained: Path, photo: Path) -> None:
    recognizer = over(EarlierStore(), recognizer_of(trained))
    assert recognizer.enrol("a", [photo]).added == 1
    assert recognizer.kept_crops("a") == []


@pytest.mark.parametrize("kind", [EarlierStore, EarlierWrapper])
def test_a_store_that_cannot_keep_crops_is_refused_when_it_is_opened(
    trained: Path, kind: type[EarlierStore]
) -> None:
    store = kind()
    recognizer = over(store, recognizer_of(trained, keep_crops=True))
    with pytest.raises(ConfigError, match="keep_crops: the store memory cannot keep"):
        _ = recognizer.store
    assert store.closed
