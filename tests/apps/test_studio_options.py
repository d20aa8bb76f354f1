"""What the studio is told, and what it says: options, passwords, reports and sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gradio", reason="needs facenet-kit[studio]")

from facenet.config import InferenceConfig, parse_config
from facenet.errors import ConfigError
from facenet.models import Calibration
from facenet.plugins import Registry
from facenet.recognition import Decision, Recognizer
from facenet_studio import Options
from facenet_studio.gallery import PEOPLE_ON_A_PAGE, people
from facenet_studio.report import find_report
from facenet_studio.studio import Studio, password_check
from facenet_studio.verify import compare, in_words

SECRET = "blue:horse"
CALIBRATION = Calibration(
    far=0.001,
    threshold=0.5,
    low=0.45,
    high=0.55,
    genuine_pairs=100,
    impostor_pairs=10_000,
    identities=50,
    data="people of a test",
    fingerprint="0",
)


@pytest.fixture
def recognizer(trained: Path) -> Recognizer:
    values = {"checkpoint_path": str(trained / "bundle"), "device": "cpu", "store": "memory"}
    return Recognizer.from_config(parse_config(values, InferenceConfig))


@pytest.mark.parametrize("auth", [f"ann:{SECRET}", {"ann": SECRET, "ben": "other"}])
def test_passwords_are_a_text_or_a_mapping(auth: object) -> None:
    passwords = Options.model_validate({"auth": auth}).auth
    assert passwords is not None
    check = password_check(passwords)
    assert check("ann", SECRET)
    assert not check("ann", "other")
    assert not check("zoe", SECRET)
    assert not check("zoe", "")
    assert SECRET not in repr(passwords)


@pytest.mark.parametrize(
    ("auth", "sentence"),
    [
        (SECRET.replace(":", ""), "must be passwords by user name, or the text user:password"),
        ([SECRET], "must be passwords by user name"),
        ({}, "must be passwords by user name"),
        ({"ann": 1234}, "the password of 'ann' must be text"),
        ({"ann": [SECRET]}, "the password of 'ann' must be text"),
        ("ann:", "the password of 'ann' must be text (in quotes), not empty"),
        (f":{SECRET}", "a user name must be text"),
        ({" ann": SECRET}, "a user name must be text with no space around it"),
    ],
)
def test_wrong_passwords_are_refused_without_being_shown(auth: object, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Registry().load("frontend", "studio").make_from({"auth": auth}, recognizer=None)
    assert f"auth: {sentence}" in str(refused.value)
    assert not any(secret in str(refused.value) for secret in ("horse", "1234"))


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "auth": "ann:secret"}, False),
        ({"host": "localhost"}, False),
    ],
)
def test_a_page_that_others_reach_without_a_password_is_warned_of(
    options: dict[str, str],
    warned: bool,
    recognizer: Recognizer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("facenet.serving.Listener.run", lambda *_, **__: None)
    assert Studio(Options.model_validate({**options, "port": 0}), recognizer).run() == 0
    assert ("give it passwords" in capfd.readouterr().err) is warned


def test_a_report_beside_the_model_is_found(tmp_path: Path) -> None:
    model = tmp_path / "bundle"
    assert find_report(None, model) is None
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").touch()
    assert find_report(None, model) == tmp_path / "report" / "index.html"
    (tmp_path / "report.html").touch()
    assert find_report(None, model) == tmp_path / "report.html"


def test_a_report_may_be_named_by_its_folder_or_its_page(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.touch()
    assert find_report(tmp_path, Path("bundle")) == page
    assert find_report(page, Path("bundle")) == page


def test_a_report_that_is_not_there_is_one_line_and_exit_2(
    facenet, inference_yaml: Path, tmp_path: Path
) -> None:
    for report in (tmp_path, tmp_path / "none.html", inference_yaml):
        ran = facenet("studio", "--config", inference_yaml, "--report", report, "--port", "0")
        assert ran.code == 2
        assert f"report: {report}" in ran.err
        assert "no such page" in ran.err


def test_a_model_without_a_threshold_gets_no_verdict(recognizer: Recognizer, faces: Path) -> None:
    card = recognizer.model.card
    recognizer.model.card = card.model_copy(update={"calibration": None})
    photo = {"path": str(faces / "id-000" / "000.jpg")}
    shown = compare(recognizer, photo, photo)
    assert "No threshold was measured for this model" in shown
    assert ">1.00<" in shown
    assert "same person" not in shown


@pytest.mark.parametrize(
    ("similarity", "origin", "headline"),
    [
        (0.9, f"calibrated: {CALIBRATION}", "Very likely the same person"),
        (0.52, f"calibrated: {CALIBRATION}", "Probably the same person"),
        (0.9, "configured", "Alike enough to be taken for the same person"),
        (0.48, f"calibrated: {CALIBRATION}", "Not enough alike to be taken for the same person"),
        (0.1, "configured", "Not enough alike to be taken for the same person"),
    ],
)
def test_a_verdict_is_as_sure_as_what_was_measured(
    similarity: float, origin: str, headline: str
) -> None:
    decision = Decision(similarity, 0.5, similarity >= 0.5, origin)
    said, sentences = in_words(decision, CALIBRATION)
    assert said == headline
    text = " ".join(sentences)
    assert ("1 in 1,000 pairs of different people" in text) is origin.startswith("calibrated")
    assert ("This is close" in text) is (0.45 <= similarity <= 0.55)


def test_a_probability_says_under_which_condition_it_holds() -> None:
    _, sentences = in_words(Decision(0.9, 0.5, True, "given", probability=0.987), None)
    assert any("both answers are as frequent" in line and "98.7%" in line for line in sentences)


def test_the_pages_of_the_gallery_hold_everyone_once(recognizer: Recognizer) -> None:
    names = [f"person {number:03d}" for number in range(2 * PEOPLE_ON_A_PAGE + 1)]
    for name in names:
        recognizer.store.enrol(name, np.ones((1, recognizer.model.embedding_dim), np.float32))
    pages = [people(recognizer, "", number) for number in range(3)]
    assert [record.identity for records, _ in pages for record in records] == names
    assert [more for _, more in pages] == [True, True, False]
    found, more = people(recognizer, " SON 04 ", 0)
    assert [record.identity for record in found] == names[40:49]
    assert not more
