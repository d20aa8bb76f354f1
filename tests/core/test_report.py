"""The report of an evaluation: what the page says and shows, and how it is written."""

from __future__ import annotations

import base64
import dataclasses
import errno
import html
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from facenet.errors import FacenetError, RequestError
from facenet.evaluation import (
    NO_FACE,
    Estimate,
    ScoredPairs,
    identification,
    measure_all_pairs,
    measure_pairs,
    summarize,
    templates_of,
)
from facenet.evaluation.report import Report, checked_report_folder, write_report
from facenet.evaluation.wording import label, percent, read_threshold, shortened
from facenet.pages.machine import environment
from facenet.pages.parts import Table

PEOPLE, IMAGES = 10, 4
HOSTILE = "<script>alert('x')</script>"


def embeddings(noise: float = 1.0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Of 10 people with 4 images each."""
    random = np.random.default_rng(0)
    identity = np.repeat(np.arange(PEOPLE), IMAGES)
    vectors = random.normal(size=(PEOPLE, 64))[identity]
    vectors += noise * random.normal(size=vectors.shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), identity


def picture(image: int) -> NDArray[np.uint8]:
    """As grey as its index says."""
    return np.full((8, 8, 3), 5 * image, np.uint8)


@pytest.fixture(scope="module")
def report() -> Report:
    vectors, identity = embeddings()
    summary = summarize(measure_all_pairs(vectors, identity), count=50)
    return Report(
        title="Verification on drawn faces",
        facts=[("model", "resnet18"), ("data", "40 images of 10 people")],
        summary=summary,
        identification=identification(
            *templates_of(vectors[::2], identity[::2]), vectors[1::2], identity[1::2], count=50
        ),
        tables=[Table("By glasses", ["glasses", "TAR"], [["yes", "0.9100"]], "Both images do.")],
        threshold=(0.3, "calibrated on drawn faces"),
        names=[f"id-{person}/{image}.jpg" for image, person in enumerate(identity)],
        picture=picture,
        versions=environment(),
    )


@pytest.fixture(scope="module")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(report, tmp_path_factory.mktemp("report")).parent


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "index.html").read_text("utf-8")


def test_the_page_needs_nothing_beside_it(page: str) -> None:
    assert "http://" not in page
    assert "https://" not in page
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert page.count("<svg") == 6


def test_every_figure_stands_in_the_page_with_its_interval(report: Report, page: str) -> None:
    text = html.unescape(page)
    for measured in (report.summary, report.identification):
        for name, figure in measured.figures.items():
            row = text.partition(f">{label(name)}<")[2].partition("</tr>")[0]
            assert f">{figure}" in row


def test_an_unsupported_figure_says_what_it_needs(page: str) -> None:
    assert "not supported: needs 3,000 impostor pairs; there are 720" in page
    assert "not supported: needs 30 searches of others; there are 20" in page


def test_facts_tables_and_versions_stand_in_the_page(page: str) -> None:
    for text in (
        "40 images of 10 people",
        "By glasses",
        "Both images do.",
        "0.9100",
        "facenet-kit",
    ):
        assert text in page


def test_every_picture_has_a_text(page: str) -> None:
    assert re.findall(r"<img(?![^>]*alt=\"[^\"]+\")", page) == []
    assert re.findall(r"<svg(?![^>]*aria-label=\"[^\"]+\")", page) == []


def test_the_hardest_pairs_are_shown_with_their_verdict(report: Report, page: str) -> None:
    pairs = report.summary.measured.pairs
    for heading, genuine, order, wrong in (
        ("Different people who", False, -1, "accepted wrongly"),
        ("One person who", True, 1, "refused wrongly"),
    ):
        chosen = np.flatnonzero(pairs.genuine == genuine)
        chosen = chosen[np.argsort(order * pairs.similarity[chosen])][:8]
        section = page.partition(f"<h2>{heading}")[2].partition("<h2>")[0]
        assert [int(shade) for shade in shades(section)] == [
            image for pair in chosen for image in (pairs.first[pair], pairs.second[pair])
        ]
        assert re.findall(r"similarity (\S+):", section) == [
            f"{pairs.similarity[pair]:.4f}" for pair in chosen
        ]
        errors = sum(genuine != bool(pairs.similarity[pair] >= 0.3) for pair in chosen)
        assert section.count(wrong) == errors > 0


def shades(section: str) -> list[float]:
    """Which images a part of the page shows, by their greys."""
    return [
        round(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).mean() / 5)
        for data in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', section)
    ]


def test_an_image_without_a_face_is_no_hard_pair(tmp_path: Path) -> None:
    pairs = ScoredPairs(
        np.array([NO_FACE, 0.2, 0.8, 0.1, 0.7, NO_FACE], np.float32),
        np.array([0, 2, 4, 0, 2, 1]),
        np.array([1, 3, 5, 2, 4, 4]),
        np.array([0, 0, 1, 1, 2, 2]),
    )
    summary = summarize(measure_pairs(pairs), count=20)
    page = write_report(Report("few", [], summary, names=list("abcdef")), tmp_path).read_text()
    assert re.findall(r"similarity (\d\S+)<", page) == ["0.7000", "0.1000", "0.2000", "0.8000"]


def test_names_and_texts_are_escaped_and_shortened(report: Report, tmp_path: Path) -> None:
    hostile = dataclasses.replace(
        report,
        identification=None,
        title=HOSTILE,
        facts=[(HOSTILE, HOSTILE)],
        names=[HOSTILE if image % 2 else "n" * 10_000 for image in range(PEOPLE * IMAGES)],
        tables=[Table(HOSTILE, [HOSTILE], [[HOSTILE]], HOSTILE)],
        threshold=(0.3, HOSTILE),
    )
    page = write_report(hostile, tmp_path).read_text("utf-8")
    assert "<script" not in page
    assert html.escape(HOSTILE) in page.replace("&#39;", "&#x27;")
    assert "n" * 100 not in page


def test_figures_are_written_for_papers(folder: Path) -> None:
    names = {"roc", "det", "similarity", "matrix", "cmc", "open-set"}
    assert {path.name for path in folder.iterdir()} == {"index.html", "figures"}
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"{name}.{form}" for name in names for form in ("png", "pdf")
    }
    for name in names:
        image = Image.open(folder / "figures" / f"{name}.png").convert("RGB")
        assert image.width == 3.5 * 200
        assert image.getpixel((0, 0)) == (255, 255, 255)
        document = (folder / "figures" / f"{name}.pdf").read_bytes()
        assert re.search(rb"/MediaBox \[\s*0 0 252 ", document)
        assert b"/FontFile2" in document
        assert b"/Type3" not in document


def test_a_matrix_is_for_all_pairs_of_few_images_only(tmp_path: Path) -> None:
    vectors, identity = embeddings()
    listed = measure_all_pairs(vectors, identity).pairs.where(np.arange(780) % 2 == 0)
    summary = summarize(measure_pairs(listed), count=20)
    write_report(Report("pairs", [], summary, names=["x"] * 40), tmp_path)
    assert not (tmp_path / "figures" / "matrix.png").exists()


@pytest.mark.parametrize(("noise", "people"), [(0.0, 2), (100.0, 10)], ids=["perfect", "chance"])
def test_extremes_are_drawn(noise: float, people: int, tmp_path: Path) -> None:
    vectors, identity = (part[: people * IMAGES] for part in embeddings(noise))
    summary = summarize(measure_all_pairs(vectors, identity), count=20)
    names = [str(person) for person in identity]
    page = write_report(Report("extreme", [], summary, names=names), tmp_path).read_text("utf-8")
    assert re.search(r"\bnan\b", page) is None
    assert page.count("<svg") == 4


def test_other_files_stay_and_figures_of_a_former_report_go(report: Report, tmp_path: Path) -> None:
    searches = dataclasses.replace(report, summary=None)
    write_report(searches, tmp_path)
    assert (tmp_path / "figures" / "cmc.png").exists()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "figures" / "mine.png").write_bytes(b"mine")
    write_report(dataclasses.replace(searches, identification=None), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "figures" / "mine.png").read_bytes() == b"mine"
    assert not (tmp_path / "figures" / "cmc.png").exists()


def test_an_interrupted_write_leaves_the_former_report(
    report: Report, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(folder)
    write_bytes, written = Path.write_bytes, []

    def full_after_three(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full_after_three)
    with pytest.raises(FacenetError, match="report cannot be written: No space left on device"):
        write_report(dataclasses.replace(report, summary=None), folder)
    assert contents(folder) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_page_of_others_is_not_replaced(report: Report, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>my garden</h1>")
    with pytest.raises(RequestError, match=r"index\.html: was not written by facenet"):
        write_report(report, tmp_path)
    assert contents(tmp_path) == {tmp_path / "index.html": b"<h1>my garden</h1>"}


def test_a_former_report_may_be_replaced(folder: Path) -> None:
    assert checked_report_folder(folder) == folder


def test_the_reading_says_what_the_threshold_lets_pass() -> None:
    rates = {"far": Estimate(0.001, 0.0005, 0.002, 9000), "tar": Estimate(0.93, 0.9, 0.95, 300)}
    assert plain(read_threshold(0.42, "of the model", rates)) == (
        "At a threshold of 0.42 (of the model), 1 in 1,000 pairs of different people is accepted "
        "(0.05 % to 0.2 %), and 93 % (90 % to 95 %) of the pairs of one person."
    )


def test_the_reading_of_no_false_accept_gives_its_bound() -> None:
    rates = {"far": Estimate(0.0, 0.0, 0.003, 1000), "tar": Estimate(1.0, 0.9, 1.0, 300)}
    assert "none of 1,000 pairs of different people is accepted (at most 0.3 %)" in plain(
        read_threshold(0.42, "of the model", rates)
    )


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@given(st.floats(0, 1))
def test_percent_keeps_two_digits_towards_0_and_1(share: float) -> None:
    shown = float(percent(share).removesuffix("\u00a0%")) / 100
    assert abs(shown - share) <= 0.05 * min(share, 1 - share) + 1e-15


@given(st.text(max_size=200))
def test_shortened_names_keep_both_ends(name: str) -> None:
    short = shortened(name)
    assert len(short) <= 48
    assert short == name or (name.startswith(short[:30]) and name.endswith(short[-15:]))
